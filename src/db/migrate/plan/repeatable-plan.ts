import { listed } from "../../base/text.ts";
import { repeatableTag } from "../history/repeatables.ts";
import type {
  RepeatableFlag,
  RepeatableReason,
  RepeatableRow,
  RepeatableStatus,
} from "../repeatable-types.ts";
import type { Checksum, History, Repeatable, Tag, Warning } from "../types.ts";

/** A repeatable that a run would run. */
export interface RepeatableRun {
  readonly repeatable: Repeatable;
  readonly why: RepeatableReason;
  /** What the ledger has of it. */
  readonly row: RepeatableRow | undefined;
}

/** What a run would do with the repeatables, and what `status` shows of them. */
export interface RepeatablePlan {
  /** In the order of their names; what they need decides in which they run. */
  readonly runs: readonly RepeatableRun[];
  /** Those on disk in the order of their names, then those that only the ledger knows. */
  readonly statuses: readonly RepeatableStatus[];
  /** Those that are not the newest here, and are not run. */
  readonly older: readonly Tag[];
  /** They may run: no migration is left pending then. */
  readonly isWhole: boolean;
}

/** What decides, beside the texts. */
interface Circumstances {
  /** The database is ahead of the history: an older release, which runs none. */
  readonly newer: boolean;
  /** The database's, before the run. */
  readonly head: Checksum;
  /** The run applies migrations: nobody has had this head before, and every text is this release's. */
  readonly isFirst: boolean;
  /** No migration is left pending after the run. */
  readonly isWhole: boolean;
  /** Run older texts too. */
  readonly allowOlder: boolean;
}

/**
 * Pure: which repeatables run, and why. A release whose migrations are all applied may stand beside a newer one with
 * the same head: a text that was replaced here since that head was reached is an older release's, and is not run.
 */
export function planRepeatables(
  { repeatables = [] }: Pick<History, "repeatables">,
  rows: readonly RepeatableRow[] | undefined,
  now: Circumstances,
): RepeatablePlan {
  const known = rows ?? [];
  const byTag = new Map(known.map((row) => [row.tag, row]));
  const judged = repeatables.map((repeatable) => {
    const row = byTag.get(repeatable.tag);
    const isOlder =
      !now.isFirst && !now.allowOlder && row !== undefined && isReplaced(repeatable, row, now.head);
    const isLeft = isOlder || (now.newer && row?.checksum !== repeatable.checksum);
    return {
      repeatable,
      row,
      isOlder: isLeft,
      why: isLeft ? undefined : reasonOf(repeatable, row),
    };
  });
  const onDisk = new Set(repeatables.map(({ tag }) => tag));
  const missing = known.filter(({ tag, checksum }) => checksum !== null && !onDisk.has(tag));
  return {
    isWhole: now.isWhole,
    runs:
      now.newer || !now.isWhole
        ? []
        : judged.flatMap(({ repeatable, row, why }) =>
            why === undefined ? [] : [{ repeatable, row, why }],
          ),
    statuses: [
      ...judged.map(({ repeatable, row, isOlder, why }) => statusOf(repeatable, row, isOlder, why)),
      ...missing.map(missingStatus),
    ],
    older: judged.flatMap(({ repeatable, isOlder }) => (isOlder ? [repeatable.tag] : [])),
  };
}

/** Whether each has run here with the text that it has now. */
export function haveAllRun(
  { repeatables = [] }: Pick<History, "repeatables">,
  rows: readonly RepeatableRow[] = [],
): boolean {
  return repeatables.every(({ tag, checksum }) =>
    rows.some((row) => row.tag === tag && row.checksum === checksum && !row.isStale),
  );
}

/** The warning of what an older release has left alone; an older one by its head needs none. */
export function olderWarnings({ older }: RepeatablePlan, newer: boolean): readonly Warning[] {
  if (older.length === 0 || newer) return [];
  const message =
    `${listed(older)} ran here with this text before, and then with another: a newer release has run, and this one leaves it alone. ` +
    "If the older text is meant to come back, change it (a comment is enough), or run `tidemark migrate --allow-older`.";
  return [{ kind: "older-repeatable", message }];
}

/** Whether a run would run it, and not only because it always runs. */
export function isToRun({ state, flags }: RepeatableStatus): boolean {
  return state !== "DONE" && !flags.includes("OLDER") && !flags.includes("MISSING");
}

function isReplaced({ checksum }: Repeatable, row: RepeatableRow, head: string | null): boolean {
  return (
    row.checksum !== checksum && row.earlier.includes(checksum) && row.head === head && !row.isStale
  );
}

function reasonOf(
  { checksum, isAlways }: Repeatable,
  row: RepeatableRow | undefined,
): RepeatableReason | undefined {
  if (row === undefined || row.checksum === null) return "new";
  if (row.checksum !== checksum) return "changed";
  if (row.isStale) return "rolled-back";
  return isAlways ? "always" : undefined;
}

function statusOf(
  { tag, name, checksum, isAlways }: Repeatable,
  row: RepeatableRow | undefined,
  isOlder: boolean,
  why: RepeatableReason | undefined,
): RepeatableStatus {
  const hasFailed = row !== undefined && row.error !== null && row.failedChecksum === checksum;
  const isDone = why === undefined || why === "always";
  const isOther = row !== undefined && row.checksum !== null && row.checksum !== checksum;
  const flags: readonly RepeatableFlag[] = [
    ...(isOlder ? (["OLDER"] as const) : isOther ? (["CHANGED"] as const) : []),
    ...(isAlways ? (["ALWAYS"] as const) : []),
  ];
  return {
    ...{ tag, name, flags, checksum, attempt: row?.attempt ?? 0, by: row?.owner ?? null },
    state: hasFailed && !isOlder ? "FAILED" : isDone ? "DONE" : "PENDING",
    at: (hasFailed ? row.failedAt : row?.finishedAt) ?? null,
    durationMs: hasFailed ? null : (row?.durationMs ?? null),
    error: hasFailed ? row.error : null,
  };
}

function missingStatus(row: RepeatableRow): RepeatableStatus {
  const { tag, checksum, attempt, owner, finishedAt, durationMs } = row;
  return {
    ...{ tag, name: tag.slice(repeatableTag("").length), checksum, attempt, by: owner },
    ...{ state: "DONE", flags: ["MISSING"], at: finishedAt, durationMs, error: null },
  };
}
