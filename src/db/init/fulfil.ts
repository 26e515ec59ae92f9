import { jittered, pause } from "../base/backoff.ts";
import { errorCode } from "../base/problem.ts";
import { identifier, literal } from "../base/quote.ts";
import { isServerError } from "../connection/session.ts";
import { MigrateError } from "../migrate/index.ts";
import type { Admin } from "../server/admin.ts";
import type { InitReport, Want } from "./init-types.ts";
import { scramVerifier } from "./scram.ts";

// Others make the same at the same time: unique_violation on a catalog, duplicate_object, duplicate_database,
// object_in_use (the template), and "tuple concurrently updated", which has no state of its own.
const RACES = new Set(["23505", "42710", "42P04", "55006", "XX000"]);
const MOST_TRIES = 10;
const PAUSE_MS = 50;

type Step = InitReport["steps"][number];

/**
 * Runs what is lacking of a want, and looks again, until nothing is.
 *
 * @throws ServerError, MigrateError `config`
 */
export async function fulfil(admin: Admin, want: Want): Promise<Step> {
  let outcome: Step["outcome"] = "there";
  for (let tries = 1; ; tries += 1) {
    const lacking = await admin.ask<Readonly<Record<string, string>>>(want.lacking);
    const statements = lacking.flatMap((row) => Object.values(row));
    if (statements.length === 0) return { what: want.what, outcome };
    // It was run, and changed nothing: the server only warns where a right is lacking.
    if (outcome === "made") return refused(want, statements);
    try {
      for (const statement of statements) await admin.ask(withPassword(statement, want));
      outcome = "made";
    } catch (error) {
      if (!isServerError(error)) throw error;
      if (errorCode(error) === INSUFFICIENT_PRIVILEGE && want.isOptional) {
        return { what: want.what, outcome: "refused" };
      }
      if (!RACES.has(error.code) || tries === MOST_TRIES) throw error;
      await pause(jittered(PAUSE_MS * tries));
    }
  }
}

const INSUFFICIENT_PRIVILEGE = "42501";

function refused({ what, isOptional = false }: Want, [statement = ""]: readonly string[]): Step {
  if (isOptional) return { what, outcome: "refused" };
  throw new MigrateError({
    code: "config",
    fact: `This is not so: ${what}. The server ran \`${statement}\`, and it changed nothing.`,
    remedy:
      "Such a right comes from PUBLIC, from another role that it is a member of, or from another grantor " +
      "(`\\du` and `\\dp` in psql show them). Take it away there, and run this again; what was made stays.",
  });
}

/** In the statement that makes the role, so that there is never one without. */
function withPassword(statement: string, { password }: Want): string {
  const secret = password?.role.password;
  const makes = `create role ${identifier(password?.role.name ?? "")} `;
  if (secret === undefined || !statement.startsWith(makes)) return statement;
  return `${statement} password ${literal(scramVerifier(secret))}`;
}
