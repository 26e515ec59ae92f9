import type { Ledger, LedgerRow } from "../ledger-types.ts";
import type { History, Migration, MigrationFlag, MigrationStatus, Tag } from "../types.ts";
import { isSkipped, stateOf } from "./state.ts";

/** Each migration, in the history's order; those that only the ledger knows in their rank. */
export function statusesOf(
  history: History,
  ledger: Ledger,
  heldBack?: Tag,
): readonly MigrationStatus[] {
  const rows = rowsByTag(ledger);
  const newest = newestApplied(history, rows);
  const onDisk = history.migrations.map((migration) => {
    const row = rows.get(migration.tag);
    return statusOf(migration, row, ledger, [
      ...flagsOf(migration, row, newest),
      ...(migration.tag === heldBack ? (["HELD_BACK"] as const) : []),
    ]);
  });
  return withMissing(onDisk, missingOnDisk(history, ledger), ledger);
}

/** The state rows by their tags. */
export function rowsByTag({ rows }: Ledger): ReadonlyMap<Tag, LedgerRow> {
  return new Map(rows.map((row) => [row.tag, row]));
}

/** The newest of the history that is applied. */
export function newestApplied({ migrations }: History, rows: ReadonlyMap<Tag, LedgerRow>) {
  return migrations.findLast(({ tag }) => rows.get(tag)?.state === "DONE");
}

/** What was started once, and is not in the history any more. */
export function missingOnDisk({ migrations }: History, { rows }: Ledger): readonly LedgerRow[] {
  const tags = new Set(migrations.map(({ tag }) => tag));
  return rows.filter(
    ({ tag, state, reverting }) => !tags.has(tag) && (state !== "PENDING" || reverting !== null),
  );
}

function flagsOf(
  { checksum, index }: Migration,
  row: LedgerRow | undefined,
  newest: Migration | undefined,
): readonly MigrationFlag[] {
  if (row && row.reverting !== null) return ["REVERTING"];
  if (row?.state === "DONE") return row.checksum === checksum ? [] : ["CHANGED"];
  if (isSkipped(row)) return ["OUT_OF_ORDER"];
  return index < (newest?.index ?? -1) ? ["OUT_OF_ORDER"] : [];
}

function statusOf(
  migration: Migration,
  row: LedgerRow | undefined,
  ledger: Ledger,
  flags: readonly MigrationFlag[],
): MigrationStatus {
  return {
    tag: migration.tag,
    state: row === undefined ? { kind: "PENDING", statementsDone: 0 } : stateOf(row, ledger.runner),
    flags,
    checksum: migration.checksum,
    attempt: row?.attempt ?? 0,
  };
}

/** Puts what only the ledger knows after the migrations that were applied before it. */
function withMissing(
  onDisk: readonly MigrationStatus[],
  missing: readonly LedgerRow[],
  ledger: Ledger,
): readonly MigrationStatus[] {
  if (missing.length === 0) return onDisk;
  const ranks = new Map(ledger.rows.map(({ tag, rank }) => [tag, rank]));
  const list = [...onDisk];
  for (const row of missing.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity))) {
    const at = row.rank ?? Infinity;
    const after = list.findLastIndex(({ tag }) => (ranks.get(tag) ?? Infinity) < at);
    const place = row.rank === null ? list.length : Math.min(after + 1, list.length);
    list.splice(place, 0, {
      tag: row.tag,
      state: stateOf(row, ledger.runner),
      flags: row.reverting === null ? ["MISSING"] : ["MISSING", "REVERTING"],
      checksum: row.checksum,
      attempt: row.attempt,
    });
  }
  return list;
}
