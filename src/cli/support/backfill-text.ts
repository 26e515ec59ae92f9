import { duration } from "../../db/base/text.ts";
import type { BackfillStatus, Progress } from "../../db/migrate/index.ts";

/** A row of the table of backfills. */
export function backfillCells(one: BackfillStatus): readonly string[] {
  const { tag, rowsPerSecond, leftMs, worker, isRunning } = one;
  return [
    tag,
    stateText(one),
    rowsText(one.rowsDone, one.rowsExpected) + asideText(one.quarantined),
    rowsPerSecond === null ? "" : count(rowsPerSecond),
    leftMs === null ? "" : duration(leftMs),
    isRunning ? (worker ?? "") : "",
  ];
}

/** A backfill that is not done, as a line of `status`. */
export function backfillLine(one: BackfillStatus): string {
  const { tag, table, leftMs, reason } = one;
  return [
    `${tag} fills ${table}: ${stateText(one)}`,
    rowsText(one.rowsDone, one.rowsExpected) + asideText(one.quarantined),
    ...(leftMs === null ? [] : [`about ${duration(leftMs)} left`]),
    ...(reason === null ? [] : [`waits: ${reason}`]),
  ].join(", ");
}

/** `0007_fill: 1,200,000 of about 5,000,000 rows (24 %), 85,000 a second, about 45 s left`. */
export function backfillText({
  tag,
  rowsDone,
  rowsExpected,
  rowsPerSecond,
  quarantined,
  reason,
}: Extract<Progress, { kind: "backfill" }>): string {
  const left = rowsExpected === null ? 0 : rowsExpected - rowsDone;
  return [
    `${tag}: ${rowsText(rowsDone, rowsExpected)}${asideText(quarantined)}`,
    ...(reason === null
      ? [
          ...(rowsPerSecond === null ? [] : [`${count(rowsPerSecond)} a second`]),
          ...(left > 0 && rowsPerSecond
            ? [`about ${duration((left / rowsPerSecond) * 1000)} left`]
            : []),
        ]
      : [`waiting: ${reason}`]),
  ].join(", ");
}

/** RUNNING with nobody behind it is what a killed worker leaves: the next one takes it up. */
function stateText({ state, isRunning, wanted }: BackfillStatus): string {
  if (state !== "RUNNING") return state;
  if (!isRunning) return "STOPPED (its worker is gone)";
  return wanted === null ? state : `RUNNING (to ${wanted})`;
}

function rowsText(done: number, expected: number | null): string {
  if (expected === null || expected < done || expected === 0) return `${count(done)} rows`;
  return `${count(done)} of about ${count(expected)} rows (${Math.floor((done / expected) * 100)} %)`;
}

function asideText(quarantined: number): string {
  return quarantined === 0 ? "" : `, ${count(quarantined)} put aside`;
}

const count = (value: number) => value.toLocaleString("en-US");
