import { identifier } from "../../base/quote.ts";
import { isServerError, type ServerError, type Session } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import type { DrizzleTable, Existing, ExistingObjects } from "../existing-types.ts";
import { readAll } from "../lease/sql.ts";
import { readRows } from "../ledger/read.ts";
import { LOCK_NOT_AVAILABLE, rowsOf, runnerOf } from "../ledger/replies.ts";
import { accountsForNothing } from "../plan/existing.ts";
import type { PlanOptions } from "../plan/plan.ts";
import type { History, Ledger, Migration, RunnerRow } from "../types.ts";
import {
  countDrizzleRows,
  DRIZZLE_TABLE,
  type DrizzleTableName,
  findExisting,
} from "./find-sql.ts";

/** What to look for in a database whose ledger has no migration. */
export interface ExistingLook {
  readonly schema: string;
  readonly drizzleTable: DrizzleTableName;
  /** Tables that other projects' migrators filled, and whatever else is there, may be there. */
  readonly allowExisting: boolean;
  readonly migrations: readonly Migration[];
}

/** What a request, or a call without one, wants to know. */
export function existingLook(
  {
    schema,
    drizzleTable,
    plan,
  }: Pick<ExistingLook, "schema" | "drizzleTable"> & { readonly plan: PlanOptions },
  { migrations }: History,
): ExistingLook {
  return { schema, drizzleTable, allowExisting: plan.allowExisting ?? false, migrations };
}

const DENIED = "42501";

/**
 * The ledger of a look, rows and all; where it has none, what else the database holds.
 *
 * @throws MigrateError `config` where the role may not look
 */
export async function readLedgerAfter(
  session: Session,
  look: ExistingLook,
  runner: RunnerRow | undefined,
): Promise<Ledger> {
  if (runner !== undefined) {
    const { reply } = await session.send("read", readRows(look.schema));
    const ledger = { runner, rows: rowsOf(await reply) };
    return accountsForNothing(ledger) ? withExisting(session, look, ledger) : ledger;
  }
  return withExisting(session, look, { runner, rows: [] });
}

/** A ledger without migrations, with what else the database holds. */
export async function withExisting(
  session: Session,
  look: ExistingLook,
  ledger: Ledger,
): Promise<Ledger> {
  const existing = await lookForExisting(session, look);
  if (existing.drizzleTables.length === 0 && existing.objects === undefined) return ledger;
  // A runner at work commits its first record before its first table: whoever sees one of its tables
  // sees its record from here on.
  const { reply } = await session.send("read", readAll(look.schema));
  const answer = await reply.catch((error: unknown) => {
    if (isServerError(error)) return error;
    throw error;
  });
  const now = { runner: runnerOf(answer, look.schema), rows: rowsOf(answer) };
  return accountsForNothing(now) ? { ...now, existing } : now;
}

/**
 * Looks what a database holds that its ledger does not account for: tables of drizzle's own
 * migrator with rows, else any object.
 *
 * @throws MigrateError `config` where the role may not look; SessionLost
 */
async function lookForExisting(session: Session, look: ExistingLook): Promise<Existing> {
  const objectsToo = !look.allowExisting;
  const text = findExisting(look.schema, look.drizzleTable, { objectsToo });
  const rows = await ask(session, "find-existing", text);
  const found = rows.flatMap((row) =>
    "tidemark_drizzle" in row ? [row.tidemark_drizzle as DrizzleTableName] : [],
  );
  const drizzleTables: DrizzleTable[] = [];
  for (const table of found) {
    const counted = await countRows(session, table, look);
    if (counted !== undefined && counted.rows > 0) drizzleTables.push(counted);
  }
  const objects = rows.find((row) => "tidemark_objects" in row)?.tidemark_objects as
    | ExistingObjects
    | undefined;
  return { drizzleTables, objects: objects?.count === 0 ? undefined : objects };
}

async function countRows(
  session: Session,
  { schema, table }: DrizzleTableName,
  { drizzleTable, allowExisting, migrations }: ExistingLook,
): Promise<DrizzleTable | undefined> {
  const isNamed = isSame({ schema, table }, drizzleTable);
  try {
    const text = countDrizzleRows({ schema, table }, migrations);
    const row = (await ask(session, "count-drizzle", text)).find((one) => "tidemark_count" in one);
    const known = Number(row?.tidemark_known ?? 0);
    return { schema, table, rows: Number(row?.tidemark_count ?? 0), isOurs: isNamed || known > 0 };
  } catch (error) {
    if (!isServerError(error)) throw error;
    const name = `${identifier(schema)}.${identifier(table)}`;
    if (error.code === LOCK_NOT_AVAILABLE) throw lockedTable(name, error);
    if (error.code !== DENIED) throw error;
    if (allowExisting && !isNamed && !isSame({ schema, table }, DRIZZLE_TABLE)) return undefined;
    throw new MigrateError({
      code: "config",
      fact: `Whether drizzle's own migrator was here cannot be seen: ${error.message} (SQLSTATE ${error.code}).`,
      outcome: "nothing-run",
      remedy: `Grant the role the right to look: grant usage on schema ${identifier(schema)} to …; grant select on ${name} to …;`,
      cause: error,
    });
  }
}

function lockedTable(name: string, cause: ServerError): MigrateError {
  return new MigrateError({
    code: "lock_timeout",
    fact: `Somebody holds a lock on ${name}, which looks like the table of drizzle's own migrator (SQLSTATE ${cause.code}).`,
    outcome: "nothing-run",
    remedy: "pg_locks and pg_stat_activity show who does; end that session and run again.",
    cause,
  });
}

function isSame(a: DrizzleTableName, b: DrizzleTableName): boolean {
  return a.schema === b.schema && a.table === b.table;
}

async function ask(session: Session, name: string, text: string) {
  const { reply } = await session.send(name, text);
  return (await reply).rows;
}
