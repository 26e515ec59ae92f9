import { plural } from "../../base/text.ts";
import { MigrateError } from "../errors.ts";
import type { Existing, ExistingObjects, Ledger } from "../ledger-types.ts";
import type { PlanOptions } from "../run-types.ts";

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
      row.statementsDone === 0 &&
      row.underWay === null &&
      (isGone || row.runId !== runner.runId),
  );
}

/**
 * Why a history must not start on a database that is already in use: drizzle's migrator has run
 * it, or there are objects that no record explains.
 */
export function existingProblems(
  { drizzleTables, objects }: Existing,
  options: PlanOptions,
): readonly MigrateError[] {
  const ours = drizzleTables.filter(({ isOurs }) => isOurs);
  const tables = options.allowExisting ? ours : drizzleTables;
  if (tables.length > 0) return [adoptRequired(tables)];
  if (options.allowExisting || objects === undefined) return [];
  return [notClean(objects)];
}

function adoptRequired(tables: Existing["drizzleTables"]): MigrateError {
  const count = tables.reduce((sum, { rows }) => sum + rows, 0);
  const names = tables.map(({ schema, table }) => `${schema}.${table}`).join(", ");
  const others = tables.every(({ isOurs }) => !isOurs)
    ? ` If another project wrote ${names} and this history never ran here, run again with ${ALLOW}.`
    : "";
  return new MigrateError({
    code: "adopt_required",
    fact: `drizzle's own migrator has applied ${plural(count, "migration")} here (${names}), and the ledger has none.`,
    outcome: "nothing-run",
    remedy:
      "Applying them again would fail or double their data. " +
      `Tidemark cannot take over such a database yet; keep using drizzle-kit migrate on it.${others}`,
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
      "If `drizzle-kit push`, a dump or another tool " +
      "created these objects, Tidemark cannot take over the database yet: migrate an empty one. " +
      `If the migrations are meant to run beside them, run again with ${ALLOW}.`,
  });
}
