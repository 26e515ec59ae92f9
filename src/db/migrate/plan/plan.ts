import type { MigrateError } from "../errors.ts";
import { headOf, linkAfter } from "../history/checksum.ts";
import type { UnderWay } from "../outside-types.ts";
import type {
  Checksum,
  History,
  Ledger,
  LedgerRow,
  Migration,
  MigrationFlag,
  MigrationStatus,
  Tag,
} from "../types.ts";
import { accountsForNothing, existingProblems } from "./existing.ts";
import { findProblems } from "./problems.ts";
import { stateOf } from "./state.ts";

export interface PlanOptions {
  /** Last migration to apply; all of them when absent. */
  readonly to?: Tag;
  /** Apply pending migrations that are older than applied ones. */
  readonly allowOutOfOrder?: boolean;
  /** Start on a database that is not empty. */
  readonly allowExisting?: boolean;
}

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
  /** A row a migration, in the history's order; those that only the ledger knows in their rank. */
  readonly migrations: readonly MigrationStatus[];
  /** Tag of the newest applied migration once the steps are done. */
  readonly versionAfter: Tag | undefined;
  /** What forbids a run, worst first. */
  readonly problems: readonly MigrateError[];
}

/** Pure: compares a history with a ledger. Throws nothing; what forbids a run is in `problems`. */
export function planRun(history: History, ledger: Ledger, options: PlanOptions = {}): Plan {
  const rows = new Map(ledger.rows.map((row) => [row.tag, row]));
  const applied = appliedInOrder(ledger.rows);
  const newer = isNewer(history.migrations, applied);
  const newestApplied = history.migrations.findLast(({ tag }) => rows.get(tag)?.state === "DONE");
  const target = history.migrations.find(({ tag }) => tag === options.to);

  const flagsOf = (migration: Migration): readonly MigrationFlag[] => {
    const row = rows.get(migration.tag);
    const flags: MigrationFlag[] = [];
    if (row?.state === "DONE" && row.checksum !== migration.checksum) flags.push("CHANGED");
    const pending = row?.state !== "DONE";
    if (pending && migration.index < (newestApplied?.index ?? -1)) flags.push("OUT_OF_ORDER");
    return flags;
  };
  const onDisk = history.migrations.map((migration) =>
    statusOf(migration, rows.get(migration.tag), ledger, flagsOf(migration)),
  );
  const tags = new Set(history.migrations.map(({ tag }) => tag));
  const strangers = ledger.rows.filter(({ tag, state }) => !tags.has(tag) && state !== "PENDING");
  const pending = history.migrations.filter(
    ({ tag, index }) =>
      rows.get(tag)?.state !== "DONE" && index <= (target?.index ?? Number.POSITIVE_INFINITY),
  );
  const steps = planSteps(pending, applied, history, rows);
  const newest = steps.findLast(({ rank }) => rank >= applied.length);
  return {
    newer,
    steps,
    versionAfter: newest?.migration.tag ?? applied.at(-1)?.tag,
    migrations: withStrangers(onDisk, strangers, ledger),
    problems: findProblems(history, rows, {
      newer,
      strangers,
      pending,
      newestApplied,
      existing:
        ledger.existing === undefined || !accountsForNothing(ledger)
          ? []
          : existingProblems(ledger.existing, options),
      allowOutOfOrder: options.allowOutOfOrder ?? false,
    }),
  };
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

/** Puts what only the ledger knows behind the migrations that were applied before it. */
function withStrangers(
  onDisk: readonly MigrationStatus[],
  strangers: readonly LedgerRow[],
  ledger: Ledger,
): readonly MigrationStatus[] {
  if (strangers.length === 0) return onDisk;
  const ranks = new Map(ledger.rows.map(({ tag, rank }) => [tag, rank]));
  const list = [...onDisk];
  for (const row of strangers.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity))) {
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
