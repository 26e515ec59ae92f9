import { type Catalog, compareCatalogs, type Difference } from "../catalog/index.ts";
import { MigrateError } from "../migrate/index.ts";
import type { AppliedFile } from "../scratch/apply-file.ts";
import type { Replay } from "../scratch/replay.ts";

/** What was on the server before a migration ran. */
export interface StateBefore {
  readonly catalog: Catalog;
  readonly roles: readonly string[];
}

export type Proof =
  /** Down led back to the catalog before, and the migration ran again. */
  | { readonly kind: "proven" }
  /** The server, or the grammar, refused the down file. */
  | { readonly kind: "refused"; readonly error: MigrateError }
  /** Down ran, and the catalog is not the one before. */
  | {
      readonly kind: "different";
      readonly differences: readonly Difference[];
      /** Made by the migration, and still there. */
      readonly roles: readonly string[];
    }
  /** Down restored the catalog, and the migration does not run a second time. */
  | { readonly kind: "not_again"; readonly error: MigrateError };

/** @throws CatalogError */
export async function readState(replay: Replay): Promise<StateBefore> {
  return { catalog: await replay.catalog(), roles: await replay.madeRoles() };
}

/** Roles that were made since. */
export async function newRoles(replay: Replay, before: StateBefore): Promise<readonly string[]> {
  return (await replay.madeRoles()).filter((role) => !before.roles.includes(role));
}

/**
 * Proves a down file on a replay whose newest migration is the one that it undoes: down, compare, up
 * again. Afterwards the database is as it was, or empty again where that is not certain.
 *
 * @throws CatalogError; MigrateError where the run was not judged (`canceled`, `connect`)
 */
export async function proveDown(
  replay: Replay,
  before: StateBefore,
  down: AppliedFile,
): Promise<Proof> {
  const proof = await tryDown(replay, before, down);
  // A file of several segments may be half done.
  if (proof.kind !== "proven") await replay.restart();
  return proof;
}

async function tryDown(replay: Replay, before: StateBefore, down: AppliedFile): Promise<Proof> {
  const migration = replay.migrations[replay.applied() - 1];
  if (migration === undefined) throw new RangeError("no migration is applied that could be undone");
  const refusal = await refusalOf(() => replay.run(down.file, down.sql));
  if (refusal !== undefined) return { kind: "refused", error: refusal };
  const { differences } = compareCatalogs(before.catalog, await replay.catalog());
  const roles = await newRoles(replay, before);
  if (differences.length > 0 || roles.length > 0) return { kind: "different", differences, roles };

  const error = await refusalOf(() => replay.run(migration.file, migration.sql));
  return error === undefined ? { kind: "proven" } : { kind: "not_again", error };
}

const JUDGED: ReadonlySet<string> = new Set([
  "migration_failed",
  "unsupported_statement",
  "history_invalid",
]);

/** Why the server, or the grammar, refuses; undefined where the work was done. */
export async function refusalOf(work: () => Promise<void>): Promise<MigrateError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof MigrateError && JUDGED.has(error.code)) return error;
    throw error;
  }
}

const DUPLICATE: ReadonlySet<string> = new Set(["42701", "42P07", "42P06", "42710"]);

/** Whether it failed because a column, table, schema or object of that name exists. */
export function isDuplicate({ recorded }: MigrateError): boolean {
  return DUPLICATE.has(recorded?.sqlState ?? "");
}
