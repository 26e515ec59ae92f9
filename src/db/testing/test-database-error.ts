import { describeTarget } from "../base/address.ts";
import { messageOf, Problem } from "../base/problem.ts";
import { serverWords } from "../connection/server-words.ts";
import { isServerError } from "../connection/session.ts";

export type TestDatabaseErrorCode =
  /** The URL cannot be used. */
  | "config"
  /** The server cannot be reached, refuses the user, or went away. */
  | "connect"
  /** The role may not create databases. */
  | "no_rights"
  /** The server did not create the database, or did not drop it. */
  | "server"
  /** The seed failed; its database was dropped. */
  | "seed_failed";

/** There is no test database. Match on `code`. */
export class TestDatabaseError extends Problem<TestDatabaseErrorCode> {
  override readonly name = "TestDatabaseError";
}

/** The server cannot be connected to, or the connection to it was lost. */
export function unreachable(url: string, cause: unknown): unknown {
  if (cause instanceof Problem) {
    const { fact, remedy } = cause;
    return new TestDatabaseError({ code: "config", fact, remedy, cause });
  }
  return new TestDatabaseError({
    code: "connect",
    fact: `Cannot work on the test server at ${describeTarget(url)}: ${messageOf(cause)}.`,
    remedy:
      "Start it, or correct `url` or TEST_DATABASE_URL; without both an embedded PostgreSQL is used.",
    cause,
  });
}

const INSUFFICIENT_PRIVILEGE = "42501";

/** The server's refusal as an error for people; any other error as it is. */
export function refused(
  what: string,
  { url, role }: { readonly url: string; readonly role: string },
  cause: unknown,
): unknown {
  if (!isServerError(cause)) return cause;
  const isDenied = cause.code === INSUFFICIENT_PRIVILEGE;
  return new TestDatabaseError({
    code: isDenied ? "no_rights" : "server",
    fact: `${what} on ${describeTarget(url)}: ${serverWords(cause)}`,
    remedy: isDenied
      ? `Let the role (\`alter role "${role}" createdb\`), or name another in \`url\` or TEST_DATABASE_URL.`
      : "Look at the server's log, then run it again.",
    cause,
  });
}
