export type EmbeddedErrorCode =
  /** No binaries are published for this operating system and processor. */
  | "unsupported_platform"
  /** The platform's package is not installed, or it is damaged. */
  | "binaries_missing"
  /** Run as root: no place from which the server's user can run the binaries. */
  | "binaries_unreachable"
  /** Run as root: no user to run the server as. */
  | "no_server_user"
  /** The folder cannot be written or read: rights, a read-only or full disk. */
  | "folder_unusable"
  /** The data folder belongs to another user. */
  | "data_owner"
  /** The data folder was written by another major version. */
  | "data_version"
  /** The data folder is partial or cannot be read. */
  | "data_broken"
  /** initdb ended with an error. */
  | "init_failed"
  /** The server ended instead of starting. */
  | "start_failed"
  /** The server was not ready in time. */
  | "start_timeout"
  /** The server runs but refuses us. */
  | "connect_failed"
  /** The database is not there and cannot be created. */
  | "database_failed"
  /** The server did not end. */
  | "stop_failed";

export interface EmbeddedErrorParts {
  /** What happened, with the values that matter. */
  readonly fact: string;
  /** What the program itself said, quoted as it is. */
  readonly output?: string;
  /** What to do about it; a server of one's own is always offered after it. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

const WAY_OUT =
  "Or use a server of your own: DATABASE_URL=postgres://user:password@host:5432/database";

/** The embedded server cannot be used. The message is the fact, the program's own words, the remedy. */
export class EmbeddedServerError extends Error {
  readonly code: EmbeddedErrorCode;
  /** What went wrong after it, while cleaning up. */
  cleanUpError?: unknown;

  constructor(code: EmbeddedErrorCode, parts: EmbeddedErrorParts) {
    super(messageOf(parts), parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = "EmbeddedServerError";
    this.code = code;
  }
}

function messageOf({ fact, output, remedy }: EmbeddedErrorParts): string {
  const quoted = output?.trim() ? indent(output.trim()) : undefined;
  return [fact, quoted, remedy, WAY_OUT].filter((part) => part !== undefined).join("\n");
}

function indent(text: string): string {
  return text.replace(/^/gm, "  | ");
}

/** Cleans up after `error` and throws it, whatever happens then. */
export async function throwAfter(error: unknown, cleanUp: () => Promise<unknown>): Promise<never> {
  try {
    await cleanUp();
  } catch (second) {
    if (error instanceof EmbeddedServerError) {
      error.cleanUpError = second;
    }
  }
  throw error;
}

/** The `code` of a system or PostgreSQL error (`ENOENT`, `57P03`), undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) {
    return undefined;
  }
  return typeof error.code === "string" ? error.code : undefined;
}
