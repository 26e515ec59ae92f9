import { identifier } from "../../base/quote.ts";
import { INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE } from "../../base/sqlstate.ts";
import { ask, askOrError, columnOf } from "../../connection/ask.ts";
import { isServerError, type ServerError } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { readAll } from "../lease/sql.ts";
import { readRows } from "../ledger/read.ts";
import { ledgerOf, rowsOf } from "../ledger/replies.ts";
import type {
  DrizzleTable,
  Existing,
  ExistingObjects,
  Ledger,
  RunnerRow,
} from "../ledger-types.ts";
import { accountsForNothing } from "../plan/existing.ts";
import type { DrizzleTableName, Run, Session } from "../run-types.ts";
import type { History } from "../types.ts";
import { countDrizzleRows, DRIZZLE_TABLE, findExisting } from "./find-sql.ts";

/** What a run looks for: tables that other projects' migrators filled may be there where it allows them. */
type Look = Pick<Run, "schema" | "drizzleTable" | "plan">;

/**
 * The ledger of a look, rows and all; where it has none, what else the database holds.
 *
 * @throws MigrateError `config` where the role may not look
 */
export async function readLedgerAfter(
  session: Session,
  look: Look,
  history: History,
  runner: RunnerRow | undefined,
): Promise<Ledger> {
  const rows =
    runner === undefined ? [] : rowsOf(await ask(session, "read", readRows(look.schema)));
  return withExisting(session, look, history, { runner, rows });
}

/** A ledger; where it accounts for nothing, with what else the database holds. */
export async function withExisting(
  session: Session,
  look: Look,
  history: History,
  ledger: Ledger,
): Promise<Ledger> {
  if (!accountsForNothing(ledger)) return ledger;
  const existing = await lookForExisting(session, look, history);
  if (existing.drizzleTables.length === 0 && existing.objects === undefined) return ledger;
  // A runner at work commits its first record before its first table: a runner that sees one of its tables
  // sees its record from here on.
  const { schema } = look;
  const now = ledgerOf(await askOrError(session, "read", readAll(schema)), schema);
  return accountsForNothing(now) ? { ...now, existing } : now;
}

/**
 * Looks what a database holds that its ledger does not account for: tables of drizzle's own
 * migrator with rows, else any object.
 *
 * @throws MigrateError `config` where the role may not look; SessionLost
 */
async function lookForExisting(session: Session, look: Look, history: History): Promise<Existing> {
  const objectsToo = !look.plan.allowExisting;
  const text = findExisting(look.schema, look.drizzleTable, { objectsToo });
  const reply = await ask(session, "find-existing", text);
  const found = reply.rows.flatMap((row) =>
    "tidemark_drizzle" in row ? [row.tidemark_drizzle as DrizzleTableName] : [],
  );
  const drizzleTables: DrizzleTable[] = [];
  for (const table of found) {
    const counted = await countRows(session, table, look, history);
    if (counted !== undefined && counted.rows > 0) drizzleTables.push(counted);
  }
  const objects = columnOf(reply, "tidemark_objects") as ExistingObjects | undefined;
  return { drizzleTables, objects: objects?.count === 0 ? undefined : objects };
}

async function countRows(
  session: Session,
  { schema, table }: DrizzleTableName,
  { drizzleTable, plan }: Look,
  { migrations }: History,
): Promise<DrizzleTable | undefined> {
  const isNamed = isSame({ schema, table }, drizzleTable);
  try {
    const text = countDrizzleRows({ schema, table }, migrations);
    const reply = await ask(session, "count-drizzle", text);
    const known = Number(columnOf(reply, "tidemark_known"));
    const rows = Number(columnOf(reply, "tidemark_count"));
    return { schema, table, rows, isOurs: isNamed || known > 0 };
  } catch (error) {
    if (!isServerError(error)) throw error;
    const name = `${identifier(schema)}.${identifier(table)}`;
    if (error.code === LOCK_NOT_AVAILABLE) throw lockedTable(name, error);
    if (error.code !== INSUFFICIENT_PRIVILEGE) throw error;
    if (plan.allowExisting && !isNamed && !isSame({ schema, table }, DRIZZLE_TABLE))
      return undefined;
    throw new MigrateError({
      code: "config",
      fact: `Cannot check whether drizzle's own migrator ran here: ${error.message} (SQLSTATE ${error.code}).`,
      outcome: "nothing-run",
      remedy: `Grant the role the right to read it: grant usage on schema ${identifier(schema)} to …; grant select on ${name} to …;`,
      cause: error,
    });
  }
}

function lockedTable(name: string, cause: ServerError): MigrateError {
  return new MigrateError({
    code: "lock_timeout",
    fact: `Another session holds a lock on ${name}, which looks like the table of drizzle's own migrator (SQLSTATE ${cause.code}).`,
    outcome: "nothing-run",
    remedy: "pg_locks and pg_stat_activity show which; end that session and run again.",
    cause,
  });
}

function isSame(a: DrizzleTableName, b: DrizzleTableName): boolean {
  return a.schema === b.schema && a.table === b.table;
}
