import type { BackfillStatus, Tag } from "../db/migrate/index.ts";

/** Jobs of the job engine, each for a backfill, done by this process and by others. */
export interface JobQueue {
  /**
   * Adds a job for each backfill that waits and has none; frees those that a process has left behind.
   *
   * @param all of the database
   */
  readonly offer: (all: readonly BackfillStatus[], waiting: readonly Tag[]) => Promise<void>;
  /** Takes no more jobs, and waits for those that run. */
  readonly close: () => Promise<void>;
}

export interface JobQueueOptions {
  readonly url: string;
  /** Does a job. What it throws is the job engine's to try again: it should throw nothing. */
  readonly work: (tag: Tag) => Promise<void>;
  readonly onLog: (level: string, message: string) => void;
  /** The engine has given up. */
  readonly onEnd: (error: unknown) => void;
}
