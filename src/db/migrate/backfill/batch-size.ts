import type { BatchLimits } from "../code/backfill-definition.ts";

/**
 * How a batch's size follows the time that batches take: the optimiser of GitLab's batched background migrations.
 * The efficiency is the time of a batch over its target, smoothed over the last batches; within the band the size
 * stays, outside it is scaled towards the upper end of the band, by no more than a factor at a time.
 *
 * Source: docs.gitlab.com/ee/development/database/batched_background_migrations.html, "Job optimization".
 */
export const BAND = { low: 0.9, high: 0.95 } as const;

/** Weight of the newest batch in the smoothed efficiency. */
const NEWEST = 0.4;
/** A size that is far off is found in a few batches, and one slow batch does not make it tiny. */
const MOST_SCALED = 2;
const LEAST_SCALED = 0.5;

export type Limits = Required<Pick<BatchLimits, "min" | "max" | "targetMs">>;

export interface SizeState {
  readonly size: number;
  /** Undefined before the first batch. */
  readonly efficiency: number | undefined;
}

/** The size of the next batch, after one of `rows` rows that took `tookMs`. */
export function nextSize(
  { size, efficiency: before }: SizeState,
  { rows, tookMs }: { readonly rows: number; readonly tookMs: number },
  { min, max, targetMs }: Limits,
): SizeState {
  // A last batch, or one after a hole, says nothing of a full one.
  if (rows < size / 2) return { size, efficiency: before };
  const now = tookMs / targetMs;
  const efficiency = before === undefined ? now : NEWEST * now + (1 - NEWEST) * before;
  if (efficiency >= BAND.low && efficiency <= BAND.high) return { size, efficiency };
  const scale = Math.min(Math.max(BAND.high / efficiency, LEAST_SCALED), MOST_SCALED);
  const scaled = Math.min(Math.max(Math.round(size * scale), min), max);
  // What it would have been at the new size: else the past would scale it once more.
  return { size: scaled, efficiency: (efficiency * scaled) / size };
}
