import { listed } from "../../base/text.ts";
import type { DrizzleStatus } from "../adopt-types.ts";
import type { HeldBack } from "../backfill-types.ts";
import type { MigrateError } from "../errors.ts";
import { headOf, linkAfter } from "../history/checksum.ts";
import { isFolderTag } from "../history/layout.ts";
import type { Ledger, LedgerRow, UnderWay } from "../ledger-types.ts";
import type { PlanOptions } from "../run-types.ts";
import type {
  Checksum,
  DownFile,
  History,
  Migration,
  MigrationStatus,
  Tag,
  Warning,
} from "../types.ts";
import { accountFor } from "./existing.ts";
import { halfWayDown } from "./half-way.ts";
import { findHeldBack } from "./held-back.ts";
import { findProblems, hasLeftSomething } from "./problems.ts";
import { type Renamed, renamedRows, renamesOf } from "./renames.ts";
import { planRepeatables, type RepeatablePlan } from "./repeatable-plan.ts";
import { isSkipped } from "./state.ts";
import { missingOnDisk, newestApplied, rowsByTag, statusesOf } from "./statuses.ts";
import { rowsAfter, type Takeover } from "./takeover.ts";

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
  /** The migration's own way down: kept in the ledger when it is done; of a step down, when it begins. */
  readonly stored?: Pick<DownFile, "sql" | "checksum"> | undefined;
  /** Of a step down, whose `migration` has the down file's text and the migration's own checksum. */
  readonly down?: DownStep;
}

/** What a step down has that one up has not. */
export interface DownStep {
  /** The database's head while it is neither applied nor reverted: that of no history. */
  readonly headMeanwhile: Checksum;
  /** What is reverted, where the history has it. */
  readonly up: Migration | undefined;
}

/** What a run would do, and what `status` shows. */
export interface Plan {
  /** The database holds all of this history and more: an older release at work. */
  readonly newer: boolean;
  readonly steps: readonly Step[];
  /** Each migration, in the history's order; those that only the ledger knows in their rank. */
  readonly migrations: readonly MigrationStatus[];
  /** What is taken over of drizzle's table before the steps; the rest of the plan is as of then. */
  readonly takeover: Takeover | undefined;
  /** Pending ones that drizzle's migrator had passed over, and that no step runs. */
  readonly passedOver: readonly Tag[];
  /** Applied migrations that `drizzle-kit up` gave other names; likewise. */
  readonly renames: readonly Renamed[];
  readonly repeatables: RepeatablePlan;
  /** Tag of the newest applied migration, before the steps and once they are done. */
  readonly version: Tag | undefined;
  readonly versionAfter: Tag | undefined;
  /** How many are not applied: those of the steps, and those that are held back. */
  readonly pending: number;
  /** The first of those that have to wait for a backfill; it and what comes after it are no steps. */
  readonly heldBack?: HeldBack;
  /** What forbids a run, worst first. */
  readonly problems: readonly MigrateError[];
}

/** Pure: compares a history with a ledger. Throws nothing; what forbids a run is in `problems`. */
export function planRun(history: History, now: Ledger, options: PlanOptions = {}): Plan {
  const { migrations } = history;
  const renames = renamesOf(history, now.rows);
  const renamed = { ...now, rows: renamedRows(history, now.rows, renames) };
  const { takeover, problems: existing } = accountFor(history, renamed, options);
  const ledger =
    takeover === undefined
      ? renamed
      : { ...renamed, rows: rowsAfter(takeover, history, renamed.rows) };
  const rows = rowsByTag(ledger);
  const applied = appliedInOrder(ledger.rows);
  // What was passed over is no gap.
  const counting = migrations.filter(({ tag }) => !isSkipped(rows.get(tag)));
  const unknown = missingOnDisk(history, ledger);
  const newer = isNewer(counting, applied, unknown);
  const target = migrations.find(({ tag }) => tag === options.to);
  const passedOver = options.allowOutOfOrder
    ? []
    : migrations.flatMap(({ tag }) => (isSkipped(rows.get(tag)) ? [tag] : []));
  const pending = migrations.filter(
    ({ tag, index }) =>
      rows.get(tag)?.state !== "DONE" &&
      !passedOver.includes(tag) &&
      index <= (target?.index ?? Number.POSITIVE_INFINITY),
  );
  const heldBack = findHeldBack(pending, rows);
  const free = pending.slice(0, heldBack && pending.findIndex(({ tag }) => tag === heldBack.tag));
  const steps = planSteps(free, applied, history, rows);
  const newest = steps.findLast(({ rank }) => rank >= applied.length);
  return {
    newer,
    steps,
    repeatables: planRepeatables(history, ledger.repeatables, {
      newer,
      head: headOf(applied),
      isFirst: steps.length > 0,
      isWhole:
        heldBack === undefined && (target === undefined || target.index === migrations.length - 1),
      allowOlder: options.allowOlder ?? false,
    }),
    takeover,
    passedOver,
    renames,
    version: applied.at(-1)?.tag,
    versionAfter: newest?.migration.tag ?? applied.at(-1)?.tag,
    pending: pending.length,
    ...(heldBack && { heldBack }),
    migrations: statusesOf(history, ledger, heldBack?.tag),
    problems: findProblems(history, rows, {
      newer,
      missingOnDisk: unknown,
      pending,
      newestApplied: newestApplied(history, rows),
      halfWay: halfWayDown(ledger.rows, ledger.runner),
      existing: pending.length > 0 || takeover !== undefined ? existing : [],
      // While rows of drizzle's table are in doubt, what looks pending may be applied.
      allowOutOfOrder: (options.allowOutOfOrder ?? false) || existing.length > 0,
    }),
  };
}

/**
 * Why a plan needs no run; undefined where it does.
 *
 * @throws MigrateError the first of the plan's problems
 */
export function nothingToDo(plan: Plan): "current" | "newer" | undefined {
  const [problem] = plan.problems;
  if (problem !== undefined && (!plan.newer || problem.code === "in_doubt")) throw problem;
  if (needsTakeover(plan)) return undefined;
  if (plan.newer) return "newer";
  return plan.steps.length === 0 && plan.repeatables.runs.length === 0 ? "current" : undefined;
}

/** What drizzle's table says that the ledger does not know yet. */
export function drizzleStatus({ takeover }: Plan): { readonly drizzle?: DrizzleStatus } {
  if (takeover?.table === undefined || takeover.table.rows.length === 0) return {};
  const { schema, table, rows } = takeover.table;
  const matched = rows.length - takeover.doubtful.length;
  return { drizzle: { table: `${schema}.${table}`, rows: rows.length, matched } };
}

/** The warning of migrations that drizzle's migrator has passed over, where there are any. */
export function passedOverWarnings({ passedOver }: Plan): readonly Warning[] {
  if (passedOver.length === 0) return [];
  const message =
    `drizzle's migrator passed over ${listed(passedOver)}, and Tidemark does not run them unasked: ` +
    "`tidemark migrate --allow-out-of-order` runs them, `tidemark adopt --mark-applied <tag>` records that they will never run.";
  return [{ kind: "passed-over", message }];
}

/** Whether the ledger is to be told something before anything is applied. */
export function needsTakeover({ takeover, renames }: Plan): boolean {
  return (takeover?.adopted.length ?? 0) > 0 || renames.some(({ to }) => isFolderTag(to));
}

/**
 * All of the history is applied, unchanged and in its order, and more came after it, or was begun: while a newer release
 * builds its index, or has failed at it, this one is as good as before.
 */
function isNewer(
  migrations: readonly Migration[],
  applied: readonly LedgerRow[],
  unknown: readonly LedgerRow[],
): boolean {
  return (
    (applied.length > migrations.length || unknown.some(hasLeftSomething)) &&
    migrations.every(({ tag, checksum }, i) => {
      const row = applied[i];
      return row?.tag === tag && row.checksum === checksum;
    })
  );
}

const NOT_BEGUN = { resumeAt: 0, prefix: null, underWay: null } as const;

function begunOf({ statementsDone, prefix, underWay }: LedgerRow) {
  return { resumeAt: statementsDone, prefix, underWay };
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
      // On its way down: what is recorded is not of this file. Nothing is run before that has ended.
      ...(row && row.reverting === null ? begunOf(row) : NOT_BEGUN),
      rank,
      headAfter: head,
    };
  });
}
