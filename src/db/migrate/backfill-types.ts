import type { BackfillState, RecordedError, Tag } from "./types.ts";

/** A migration that has to wait for a backfill, and all that come after it. */
export interface HeldBack {
  readonly tag: Tag;
  /** The migration that it requires. */
  readonly requires: Tag;
  /** State of that migration's backfill; null where the migration itself is not applied. */
  readonly backfill: BackfillState | null;
}

/** What a person asks of a backfill. `resume` also tries one again that has failed. */
export type BackfillAction = "pause" | "resume" | "cancel";

/** A backfill, as the ledger has it. Times are ISO 8601. */
export interface BackfillStatus {
  readonly tag: Tag;
  /** As SQL, with its schema. */
  readonly table: string;
  readonly key: readonly string[];
  /** `migrate` does not wait for it. */
  readonly background: boolean;
  readonly state: BackfillState;
  /** A process runs it now. */
  readonly isRunning: boolean;
  /** What it is to do after its batch. */
  readonly wanted: "pause" | "cancel" | null;
  readonly rowsDone: number;
  /** By the statistics of when it began; null where there were none. */
  readonly rowsExpected: number | null;
  /** Over its batches so far; null before the first. */
  readonly rowsPerSecond: number | null;
  /** By these, while it runs. */
  readonly leftMs: number | null;
  readonly batches: number;
  readonly batchSize: number;
  /** Rows that were put aside. */
  readonly quarantined: number;
  /** Why it waits. */
  readonly reason: string | null;
  readonly error: RecordedError | null;
  /** Host and process that run it, or did last. */
  readonly worker: string | null;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly finishedAt: string | null;
}

/** What a worker did with a backfill. */
export interface BackfillOutcome {
  readonly tag: Tag;
  readonly end: "done" | "paused" | "canceled" | "failed";
  /** Of one that failed. */
  readonly error?: string;
}
