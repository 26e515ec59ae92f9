import postgres from "postgres";
import { describeTarget } from "../migrate/index.ts";

export type TestDatabaseErrorCode =
  /** The server cannot be reached, refuses the user, or went away. */
  | "connect"
  /** The role may not create databases. */
  | "no_rights"
  /** The server did not make the database, or did not drop it. */
  | "server"
  /** The seed failed; its database was dropped. */
  | "seed_failed";

export interface TestDatabaseErrorParts {
  readonly code: TestDatabaseErrorCode;
  /** What is so, with the values. */
  readonly fact: string;
  /** What to do about it. */
  readonly remedy: string;
  readonly cause?: unknown;
}

/** There is no test database. The message is the fact, the values, the remedy; match on `code`. */
export class TestDatabaseError extends Error {
  override readonly name = "TestDatabaseError";
  readonly code: TestDatabaseErrorCode;
  readonly fact: string;
  readonly remedy: string;

  constructor(parts: TestDatabaseErrorParts) {
    super(`${parts.fact}\n${parts.remedy}`, { cause: parts.cause });
    this.code = parts.code;
    this.fact = parts.fact;
    this.remedy = parts.remedy;
  }
}

/** The SQLSTATE of the server's error; undefined for anything else. */
export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof postgres.PostgresError ? error.code : undefined;
}

const INSUFFICIENT_PRIVILEGE = "42501";

/** What the server refused, for people; anything else as it is. */
export function serverError(
  what: string,
  { url, role }: { readonly url: string; readonly role: string },
  cause: unknown,
): unknown {
  const state = sqlStateOf(cause);
  if (state === undefined) return cause;
  const denied = state === INSUFFICIENT_PRIVILEGE;
  return new TestDatabaseError({
    code: denied ? "no_rights" : "server",
    fact: `${what} on ${describeTarget(url)}: ${messageOf(cause)} (SQLSTATE ${state}).`,
    remedy: denied
      ? `Let the role (\`alter role "${role}" createdb\`), or name another in \`url\` or TEST_DATABASE_URL.`
      : "Look at the server's log, then run it again.",
    cause,
  });
}

/** Cleans up after `error` and throws it, whatever happens then. */
export async function throwAfter(error: unknown, cleanUp: () => Promise<unknown>): Promise<never> {
  try {
    await cleanUp();
  } catch (cleanUpError) {
    if (error instanceof Error) Object.assign(error, { cleanUpError });
  }
  throw error;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map(messageOf).join("; ");
  }
  return error instanceof Error ? error.message : String(error);
}
