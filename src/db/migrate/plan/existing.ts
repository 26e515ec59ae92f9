import { listed, plural } from "../../base/text.ts";
import type { DrizzleTable, Existing, ExistingObjects, JudgedRow } from "../adopt-types.ts";
import { MigrateError } from "../errors.ts";
import type { Ledger } from "../ledger-types.ts";
import type { PlanOptions } from "../run-types.ts";
import type { History } from "../types.ts";
import { isReverted } from "./state.ts";
import { type Takeover, takeoverOf } from "./takeover.ts";

const ALLOW = "--allow-existing (at boot: MIGRATE_ALLOW_EXISTING=true)";

/**
 * Whether a ledger says nothing about what the database holds: no migration is applied, no part of one
 * is committed, and nobody is at work. A first migration that failed left nothing behind.
 */
export function accountsForNothing({ runner, rows }: Pick<Ledger, "runner" | "rows">): boolean {
  const isGone = runner === undefined || ["free", "dead", "expired"].includes(runner.liveness);
  return rows.every(
    (row) =>
      row.state !== "DONE" &&
      row.reverting === null &&
      !isReverted(row) &&
      row.statementsDone === 0 &&
      row.underWay === null &&
      (isGone || row.runId !== runner.runId),
  );
}

/**
 * What to make of what a database holds beside its ledger: drizzle's table is taken over where every row
 * is of a file; else, and where there are objects that no record explains, a run is forbidden.
 */
export function accountFor(
  history: History,
  ledger: Ledger,
  options: PlanOptions,
): { readonly takeover?: Takeover; readonly problems: readonly MigrateError[] } {
  const { existing, runner } = ledger;
  const { answers } = options;
  // What a person marks as applied needs no table.
  const marked =
    (answers?.markApplied?.length ?? 0) === 0
      ? undefined
      : { takeover: takeoverOf(undefined, history, ledger, answers), problems: [] };
  const isFirst = accountsForNothing(ledger);
  if (existing === undefined || !(isFirst || runner?.mirror)) return marked ?? { problems: [] };
  const { table, problems: unclear } = choose(existing);
  if (unclear.length > 0) return { problems: unclear };
  if (table !== undefined) {
    const takeover = takeoverOf(table, history, ledger, answers);
    if (takeover.doubtful.length > 0) return { takeover, problems: [inDoubt(table, takeover)] };
    if (table.rows.length > 0) return { takeover, problems: [] };
  }
  if (marked !== undefined) return marked;
  const others = existing.drizzleTables.filter((one) => one !== table && one.rows.length > 0);
  const { objects } = existing;
  const problems = options.allowExisting
    ? []
    : [
        ...(others.length > 0 ? [othersTables(others)] : []),
        ...(others.length === 0 && objects !== undefined ? [notClean(objects)] : []),
      ];
  // An empty table of a first run that failed: a fresh database.
  return table === undefined
    ? { problems }
    : { takeover: takeoverOf(table, history, ledger), problems };
}

/**
 * The table that is this history's: the one that the settings name and no other; else drizzle's default, where it
 * has rows of it; else the only one that has.
 */
function choose({ isTableSet, drizzleTables }: Existing): {
  readonly table?: DrizzleTable | undefined;
  readonly problems: readonly MigrateError[];
} {
  const known = drizzleTables.filter(({ rows }) => rows.some(({ tag }) => tag !== undefined));
  const named = drizzleTables.find(({ standing }) => standing !== "found");
  if (isTableSet && (named?.rows.length ?? 0) === 0 && known.length > 0) {
    return { problems: [elsewhere(known)] };
  }
  if (isTableSet || (named !== undefined && known.includes(named))) {
    return { table: named, problems: [] };
  }
  if (known.length > 1) return { problems: [twoTables(known)] };
  // One that was kept up to date has only rows that are not settled.
  return { table: known[0] ?? named ?? mirrored(drizzleTables), problems: [] };
}

const mirrored = (tables: readonly DrizzleTable[]) => tables.find(({ read }) => read.after > 0);

function elsewhere(tables: readonly DrizzleTable[]): MigrateError {
  const names = tables.map((table) => `${nameOf(table)} (${plural(table.rows.length, "row")})`);
  return new MigrateError({
    code: "adopt_required",
    fact: `The table that the settings name for drizzle's migrator has no rows, but ${listed(names)} ${tables.length === 1 ? "has" : "have"} rows of this history.`,
    outcome: "nothing-run",
    remedy:
      "Find out which one the deployed application uses, and name it: `migrations: { table, schema }` in drizzle.config.ts, " +
      "or migrationsTable and migrationsSchema in code.",
  });
}

const nameOf = ({ schema, table }: DrizzleTable) => `${schema}.${table}`;

const MOST_ROWS = 10;

function inDoubt(table: DrizzleTable, { doubtful }: Takeover): MigrateError {
  const lines = doubtful.slice(0, MOST_ROWS).map((row) => `\n  row ${row.id}: ${doubtText(row)}`);
  const more = doubtful.length > MOST_ROWS ? `\n  and ${doubtful.length - MOST_ROWS} more` : "";
  return new MigrateError({
    code: "adopt_required",
    fact:
      `drizzle's own migrator ran here, and ${doubtful.length} of the ${plural(table.rows.length, "row")} in ` +
      `${nameOf(table)} ${doubtful.length === 1 ? "does" : "do"} not clearly match a file of this history:${lines.join("")}${more}`,
    outcome: "nothing-run",
    remedy:
      "`tidemark adopt` shows each row with its file, and takes your answers " +
      "(--accept-edited, --accept-marked, --mark-applied <tag>, --forget <row>).",
  });
}

/** What is in doubt about a row of drizzle's table, as the end of a sentence. */
export function doubtText(row: JudgedRow): string {
  const at = row.createdAt === null ? "" : ` (${timeText(row.createdAt)})`;
  switch (row.verdict) {
    case "edited":
      return `the file of ${row.tag} was edited after it was applied`;
    case "marked":
      return `it was written by hand: it has the tag ${row.tag} in place of a hash`;
    case "retimed":
      return `it has the text of ${row.tag}, but another time, as has every row`;
    case "duplicate":
      return `another row already belongs to ${row.tag}`;
    case "matched":
      return `it is of ${row.tag}`;
    case "unknown":
      return `no file has its hash or its time${at}`;
  }
}

function timeText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}

function twoTables(tables: readonly DrizzleTable[]): MigrateError {
  const names = tables.map((table) => `${nameOf(table)} (${plural(table.rows.length, "row")})`);
  return new MigrateError({
    code: "adopt_required",
    fact: `${tables.length} tables of drizzle's migrator have rows of this history: ${names.join(", ")}.`,
    outcome: "nothing-run",
    remedy:
      "Find out which one the deployed application uses, and name it: `migrations: { table, schema }` in drizzle.config.ts, " +
      "or migrationsTable and migrationsSchema in code. The others are left alone then.",
  });
}

function othersTables(tables: readonly DrizzleTable[]): MigrateError {
  const count = tables.reduce((sum, { rows }) => sum + rows.length, 0);
  const names = listed(tables.map(nameOf));
  return new MigrateError({
    code: "adopt_required",
    fact: `drizzle's own migrator has applied ${plural(count, "migration")} here (${names}), and none of them is of this history.`,
    outcome: "nothing-run",
    remedy:
      "Check that the URL leads to the right database, and --dir to its migrations. " +
      `If another project wrote ${names} and this history never ran here, run again with ${ALLOW}.`,
  });
}

function notClean(objects: ExistingObjects): MigrateError {
  const { database, ledgerSchema, count, schemas, owners, ledgers, first } = objects;
  const [ledger] = ledgers;
  const more = count > first.length ? `, and ${count - first.length} more` : "";
  return new MigrateError({
    code: "not_clean",
    fact:
      `The database ${database} is not empty, and its ledger (schema ${ledgerSchema}) has no migration. ` +
      `It holds ${plural(count, "object")} in ${schemas.length === 1 ? "schema" : "schemas"} ${schemas.join(", ")}, owned by ${owners.join(", ")}: ` +
      `${first.join(", ")}${more}.`,
    outcome: "nothing-run",
    remedy:
      "Check that the URL leads to the right database. " +
      (ledger === undefined
        ? ""
        : `There is a ledger in schema ${ledger}: name it with --ledger-schema ${ledger} if it is this history's. `) +
      "If `drizzle-kit push`, a dump or another tool created these objects, " +
      "`tidemark adopt --baseline` finds the migration that they correspond to. " +
      `If the migrations are meant to run beside them, run again with ${ALLOW}.`,
  });
}
