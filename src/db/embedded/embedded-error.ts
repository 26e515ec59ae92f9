import { Problem } from "../base/problem.ts";

export type EmbeddedErrorCode =
  /** No binaries are published for this operating system and processor. */
  | "unsupported_platform"
  /** The platform's package is not installed, or is damaged. */
  | "binaries_missing"
  /** Run as root: the server's user cannot run the binaries from anywhere. */
  | "binaries_unreachable"
  /** Run as root: there is no user to run the server as. */
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
  /** The failure, with its values. */
  readonly fact: string;
  /** The program's own words, quoted as they are. */
  readonly output?: string;
  /** What to do about it; using another server is always offered after it. */
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

const SERVER = "postgres://user:password@host:5432/database";
/** How another server is named, by what it is for. */
const WAYS_OUT = {
  work: `Or use a server of your own: DATABASE_URL=${SERVER}`,
  scratch: `Or use a server of your own for scratch databases: --scratch-url ${SERVER}`,
  tests: `Or use a server of your own: TEST_DATABASE_URL=${SERVER}`,
} as const;

/** The embedded server cannot be used. The program's own words follow the fact. */
export class EmbeddedServerError extends Problem<EmbeddedErrorCode> {
  override readonly name = "EmbeddedServerError";
  /** The error of the clean-up after it. */
  cleanUpError?: unknown;
  readonly #parts: EmbeddedErrorParts;

  constructor(
    code: EmbeddedErrorCode,
    parts: EmbeddedErrorParts,
    purpose: keyof typeof WAYS_OUT = "work",
  ) {
    const { fact, output, remedy, cause } = parts;
    const quoted = output?.trim() ? `\n${output.trim().replace(/^/gm, "  | ")}` : "";
    const wayOut = WAYS_OUT[purpose];
    super({
      code,
      fact: `${fact}${quoted}`,
      remedy: remedy === undefined ? wayOut : `${remedy}\n${wayOut}`,
      cause,
    });
    this.#parts = parts;
  }

  /** The same error, with the way to name another server for that purpose. */
  instead(purpose: keyof typeof WAYS_OUT): EmbeddedServerError {
    const error = new EmbeddedServerError(this.code, { ...this.#parts, cause: this }, purpose);
    error.cleanUpError = this.cleanUpError;
    return error;
  }
}
