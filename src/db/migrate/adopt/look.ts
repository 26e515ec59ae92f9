import { identifier } from "../../base/quote.ts";
import { INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE } from "../../base/sqlstate.ts";
import { ask, askOrError, columnOf } from "../../connection/ask.ts";
import { serverWords } from "../../connection/server-words.ts";
import { isServerError, type Reply, type ServerError } from "../../connection/session.ts";
import type {
  DrizzleMirror,
  DrizzleRow,
  DrizzleTable,
  DrizzleTableName,
  Existing,
  ExistingObjects,
} from "../adopt-types.ts";
import { MigrateError } from "../errors.ts";
import { readAll } from "../lease/sql.ts";
import { readRows } from "../ledger/read.ts";
import {
  FIRST_WITH_REPEATABLES,
  readRepeatableRows,
  repeatablesOf,
} from "../ledger/repeatable-rows.ts";
import { ledgerOf, rowsOf } from "../ledger/replies.ts";
import type { Ledger, RunnerRow } from "../ledger-types.ts";
import { accountsForNothing } from "../plan/existing.ts";
import type { Run, Session } from "../run-types.ts";
import type { History } from "../types.ts";
import { DRIZZLE_TABLE, findExisting, readDrizzleRows } from "./find-sql.ts";
import { judgeRows } from "./match.ts";

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
  if (runner === undefined) return withExisting(session, look, history, { runner, rows: [] });
  const { schema } = look;
  const isKept = runner.ledgerVersion >= FIRST_WITH_REPEATABLES;
  const more = isKept ? `;\n${readRepeatableRows(schema)}` : "";
  const reply = await ask(session, "read", `${readRows(schema)}${more}`);
  const ledger = { runner, rows: rowsOf(reply), repeatables: repeatablesOf(reply) };
  return withExisting(session, look, history, ledger);
}

/**
 * A ledger, with what the database holds that it does not account for: all that there is where it
 * has no migration; what drizzle's migrator has applied beside it, where its table is kept up to date.
 */
export async function withExisting(
  session: Session,
  look: Look,
  history: History,
  ledger: Ledger,
): Promise<Ledger> {
  if (!accountsForNothing(ledger)) {
    const drizzleTables = await readMirrored(session, look, history, ledger);
    return drizzleTables.length === 0
      ? ledger
      : { ...ledger, existing: { isTableSet: false, drizzleTables, objects: undefined } };
  }
  const existing = await lookForExisting(session, look, history, ledger.runner?.mirror ?? null);
  if (existing.drizzleTables.length === 0 && existing.objects === undefined) return ledger;
  // A runner at work commits its first record before its first table: a runner that sees one of its tables
  // sees its record from here on.
  const { schema } = look;
  const now = ledgerOf(await askOrError(session, "read", readAll(schema)), schema);
  const { repeatables } = ledger;
  const found = repeatables === undefined ? now : { ...now, repeatables };
  return accountsForNothing(now) ? { ...found, existing } : found;
}

/** The table that is kept up to date, with the rows that were not there when it was taken over. */
async function readMirrored(
  session: Session,
  look: Look,
  history: History,
  { runner, rows }: Ledger,
): Promise<readonly DrizzleTable[]> {
  const mirror = runner?.mirror ?? undefined;
  const done = new Set(rows.flatMap(({ tag, state }) => (state === "DONE" ? [tag] : [])));
  if (
    mirror === undefined ||
    mirror.isOthers ||
    history.migrations.every(({ tag }) => done.has(tag))
  )
    return [];
  const known = await readTable(session, mirror, look, history, mirror.seen);
  if (known === undefined) return [];
  // Its numbers have begun again: nothing of what was settled is known any more.
  const isNew = known.last < mirror.seen;
  const table = isNew ? await readTable(session, mirror, look, history, 0) : known;
  if (table === undefined) return [];
  // What this ledger has applied stands there too.
  const ownTexts = new Set(rows.map(({ checksum }) => checksum));
  const news = table.rows.filter(({ tag, hash }) =>
    // A newer release of ours has written it, and this one has not its file.
    tag === undefined ? !mirror.isShared && !ownTexts.has(`sha256:${hash}`) : !done.has(tag),
  );
  return news.length === 0 ? [] : [{ ...table, rows: news }];
}

/**
 * Looks what a database holds that its ledger does not account for: tables of drizzle's own
 * migrator, else any object.
 *
 * @throws MigrateError `config` where the role may not look; SessionLost
 */
async function lookForExisting(
  session: Session,
  look: Look,
  history: History,
  mirror: DrizzleMirror | null,
): Promise<Existing> {
  const objectsToo = !look.plan.allowExisting;
  const text = findExisting(look.schema, look.drizzleTable, { objectsToo });
  const reply = await ask(session, "find-existing", text);
  const found = reply.rows.flatMap((row) =>
    "tidemark_drizzle" in row ? [row.tidemark_drizzle as DrizzleTableName] : [],
  );
  const drizzleTables: DrizzleTable[] = [];
  for (const name of found) {
    // What was answered for once is settled.
    const after = mirror !== null && isSame(name, mirror) ? mirror.seen : 0;
    const table = await readTable(session, name, look, history, after);
    if (table === undefined || (mirror?.isOthers && isSame(name, mirror))) continue;
    if (table.rows.length > 0 || isSame(name, look.drizzleTable)) drizzleTables.push(table);
  }
  const objects = columnOf(reply, "tidemark_objects") as ExistingObjects | undefined;
  const { isNamed } = look.drizzleTable;
  return {
    isTableSet: isNamed,
    drizzleTables,
    objects: objects?.count === 0 ? undefined : objects,
  };
}

/** Undefined where it may not be read, or is gone, and need not be. */
async function readTable(
  session: Session,
  name: DrizzleTableName,
  { drizzleTable, plan }: Look,
  { migrations }: History,
  after: number,
): Promise<(DrizzleTable & { readonly last: number }) | undefined> {
  const { schema, table } = name;
  const isNamed = isSame(name, drizzleTable);
  const standing = !isNamed ? "found" : drizzleTable.isNamed ? "set" : "default";
  try {
    const reply = await ask(session, "drizzle-rows", readDrizzleRows(name, after));
    const found = drizzleRowsOf(reply);
    const rows = judgeRows(found, migrations);
    const last = Math.max(after, ...found.map(({ id }) => id));
    const facts = columnOf(reply, "tidemark_drizzle_table") as Pick<
      DrizzleTable,
      "role" | "hasNames"
    > & { readonly last: number | null };
    return {
      ...{ schema, table, ...facts, last: facts.last ?? 0, standing, rows },
      read: { after, count: found.length, last },
    };
  } catch (error) {
    if (!isServerError(error)) throw error;
    const shown = `${identifier(schema)}.${identifier(table)}`;
    if (error.code === LOCK_NOT_AVAILABLE) throw lockedTable(shown, error);
    // It was dropped: nobody needs it any more.
    if (GONE.has(error.code)) return undefined;
    if (error.code !== INSUFFICIENT_PRIVILEGE) throw error;
    if (plan.allowExisting && !isNamed && !isSame(name, DRIZZLE_TABLE)) return undefined;
    throw new MigrateError({
      code: "config",
      fact: `Cannot check whether drizzle's own migrator ran here: ${serverWords(error)}`,
      outcome: "nothing-run",
      remedy: `Grant the role the right to read it: grant usage on schema ${identifier(schema)} to …; grant select on ${shown} to …;`,
      cause: error,
    });
  }
}

// No such table, no such schema.
const GONE: ReadonlySet<string> = new Set(["42P01", "3F000"]);

function drizzleRowsOf({ rows }: Reply): readonly DrizzleRow[] {
  return rows.flatMap((item) => {
    if (!("tidemark_drizzle_row" in item)) return [];
    const row = item.tidemark_drizzle_row as Readonly<Record<string, unknown>>;
    const { id, hash, createdAt, name, appliedAt } = row;
    return {
      id: Number(id),
      hash: String(hash),
      createdAt: createdAt === null ? null : Number(createdAt),
      name: typeof name === "string" ? name : null,
      appliedAt: typeof appliedAt === "string" ? new Date(appliedAt) : null,
    };
  });
}

/** Somebody holds a lock on what looks like drizzle's table. */
export function lockedTable(name: string, cause: ServerError): MigrateError {
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
