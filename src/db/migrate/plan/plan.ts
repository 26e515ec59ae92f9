import type { MigrateError } from "../errors.ts";
import { headOf, linkAfter } from "../history/checksum.ts";
import type { Ledger, LedgerRow, UnderWay } from "../ledger-types.ts";
import type { PlanOptions } from "../run-types.ts";
import type {
  Checksum,
  History,
  Migration,
  MigrationFlag,
  MigrationStatus,
  Tag,
} from "../types.ts";
import { accountsForNothing, existingProblems } from "./existing.ts";
import { findProblems } from "./problems.ts";
import { stateOf } from "./state.ts";

/** One migration to run. */
export interface Step {
  readonly migration: Migration;
  /** Times it was started, this one included. */
  readonly attempt: number;
  /** Statements that an earlier attempt committed. */
  readonly resumeAt: number;
  /** Digest of these statements, as recorded. */
  readonly prefix: Checksum | null;
  /** A statement outside transactions that an earlier attempt began, without recording its end. */
  readonly underWay: UnderWay | null;
  /** Rank among the applied ones when it is done. */
  readonly rank: number;
  /** The database's head when it is done. */
  readonly headAfter: Checksum;
}

/** What a run would do, and what `status` shows. */
export interface Plan {
  /** The database holds all of this history and more: an older release at work. */
  readonly newer: boolean;
  readonly steps: readonly Step[];
  /** Each migration, in the history's order; those that only the ledger knows in their rank. */
  readonly migrations: readonly MigrationStatus[];
  /** Tag of the newest applied migration once the steps are done. */
  readonly versionAfter: Tag | undefined;
  /** What forbids a run, worst first. */
  readonly problems: readonly MigrateError[];
}

/** Pure: compares a history with a ledger. Throws nothing; what forbids a run is in `problems`. */
export function planRun(history: History, ledger: Ledger, options: PlanOptions = {}): Plan {
  const { migrations } = history;
  const rows = rowsByTag(ledger);
  const applied = appliedInOrder(ledger.rows);
  const newer = isNewer(migrations, applied);
  const target = migrations.find(({ tag }) => tag === options.to);
  const pending = migrations.filter(
    ({ tag, index }) =>
      rows.get(tag)?.state !== "DONE" && index <= (target?.index ?? Number.POSITIVE_INFINITY),
  );
  const steps = planSteps(pending, applied, history, rows);
  const newest = steps.findLast(({ rank }) => rank >= applied.length);
  return {
    newer,
    steps,
    versionAfter: newest?.migration.tag ?? applied.at(-1)?.tag,
    migrations: statusesOf(history, ledger),
    problems: findProblems(history, rows, {
      newer,
      missingOnDisk: missingOnDisk(history, ledger),
      pending,
      newestApplied: newestApplied(history, rows),
      existing:
        ledger.existing === undefined || !accountsForNothing(ledger)
          ? []
          : existingProblems(ledger.existing, options),
      allowOutOfOrder: options.allowOutOfOrder ?? false,
    }),
  };
}

/**
 * Why a plan needs no run; undefined where it does.
 *
 * @throws MigrateError the first of the plan's problems
 */
export function nothingToDo(plan: Plan): "current" | "newer" | undefined {
  if (plan.newer) return "newer";
  const [problem] = plan.problems;
  if (problem !== undefined) throw problem;
  return plan.steps.length === 0 ? "current" : undefined;
}

/** Each migration, in the history's order; those that only the ledger knows in their rank. */
export function statusesOf(history: History, ledger: Ledger): readonly MigrationStatus[] {
  const rows = rowsByTag(ledger);
  const newest = newestApplied(history, rows);
  const onDisk = history.migrations.map((migration) => {
    const row = rows.get(migration.tag);
    return statusOf(migration, row, ledger, flagsOf(migration, row, newest));
  });
  return withMissing(onDisk, missingOnDisk(history, ledger), ledger);
}

function rowsByTag({ rows }: Ledger): ReadonlyMap<Tag, LedgerRow> {
  return new Map(rows.map((row) => [row.tag, row]));
}

function newestApplied({ migrations }: History, rows: ReadonlyMap<Tag, LedgerRow>) {
  return migrations.findLast(({ tag }) => rows.get(tag)?.state === "DONE");
}

function missingOnDisk({ migrations }: History, { rows }: Ledger): readonly LedgerRow[] {
  const tags = new Set(migrations.map(({ tag }) => tag));
  return rows.filter(({ tag, state }) => !tags.has(tag) && state !== "PENDING");
}

function flagsOf(
  { checksum, index }: Migration,
  row: LedgerRow | undefined,
  newest: Migration | undefined,
): readonly MigrationFlag[] {
  if (row?.state === "DONE") return row.checksum === checksum ? [] : ["CHANGED"];
  return index < (newest?.index ?? -1) ? ["OUT_OF_ORDER"] : [];
}

/** Tag of the newest applied migration, in the history's order. */
export function versionOf(ledger: Ledger): Tag | undefined {
  return appliedInOrder(ledger.rows).at(-1)?.tag;
}

/** All of the history is applied, unchanged and in its order, and more came after it. */
function isNewer(migrations: readonly Migration[], applied: readonly LedgerRow[]): boolean {
  return (
    applied.length > migrations.length &&
    migrations.every(({ tag, checksum }, i) => {
      const row = applied[i];
      return row?.tag === tag && row.checksum === checksum;
    })
  );
}

function appliedInOrder(rows: readonly LedgerRow[]): readonly LedgerRow[] {
  return rows
    .filter((row) => row.state === "DONE")
    .toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
}

function planSteps(
  pending: readonly Migration[],
  applied: readonly LedgerRow[],
  history: History,
  rows: ReadonlyMap<Tag, LedgerRow>,
): readonly Step[] {
  const indexes = new Map(history.migrations.map(({ tag, index }) => [tag, index]));
  const order: { tag: Tag; checksum: Checksum }[] = [...applied];
  let head = headOf(applied);
  return pending.map((migration) => {
    const later = order.findIndex(({ tag }) => (indexes.get(tag) ?? -1) > migration.index);
    const rank = later === -1 ? order.length : later;
    order.splice(rank, 0, migration);
    head = later === -1 ? linkAfter(head, migration.tag, migration.checksum) : headOf(order);
    const row = rows.get(migration.tag);
    return {
      migration,
      attempt: (row?.attempt ?? 0) + 1,
      resumeAt: row?.statementsDone ?? 0,
      prefix: row?.prefix ?? null,
      underWay: row?.underWay ?? null,
      rank,
      headAfter: head,
    };
  });
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
      flags: ["MISSING"],
      checksum: row.checksum,
      attempt: row.attempt,
    });
  }
  return list;
}
