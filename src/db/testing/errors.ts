import postgres from "postgres";
import { messageOf, Problem } from "../base/problem.ts";
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

/** There is no test database. Match on `code`. */
export class TestDatabaseError extends Problem<TestDatabaseErrorCode> {
  override readonly name = "TestDatabaseError";
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
