import { messageOf } from "../../base/problem.ts";
import { DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE } from "../../base/sqlstate.ts";
import { columnOf, rollBack, transact } from "../../connection/ask.ts";
import { isRaised } from "../../connection/server-words.ts";
import { isServerError } from "../../connection/session.ts";
import type { BackfillProgress } from "../progress-types.ts";
import type { RunIdentity } from "../run-types.ts";
import type { RecordedError } from "../types.ts";
import { type Filling, sendFenced } from "./attempt.ts";
import { BackfillFailed, isTaken } from "./failed.ts";
import { lookForPressure } from "./pressure.ts";
import {
  type BackfillRow,
  type Change,
  checkpoint,
  type LoggedEvent,
  lockLog,
  logged,
  WANTED,
  type Wanted,
} from "./store.ts";

/** A backfill that this process has claimed. */
export interface BackfillRun extends Filling {
  /** Of the ledger. */
  readonly schema: string;
  readonly runId: string;
  readonly identity: RunIdentity;
  readonly onProgress: (progress: BackfillProgress) => void;
  /** Waits, with the lease kept. Throws the signal's reason. */
  readonly pause: (ms: number) => Promise<void>;
}

type EndState = "DONE" | "FAILED" | "PAUSED" | "CANCELED";

/** How it ended, or why it stopped. */
export type BackfillEnd = "done" | "paused" | "canceled";

const LOOK_EVERY_MS = 1_000;
const TELL_EVERY_MS = 500;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 5_000;
const MOST_TRIES = 10;
const SERIALIZATION_FAILURE = "40001";
const TRANSIENT = new Set([LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE]);

/** The same transaction may succeed a moment later. */
export function isTransient(error: unknown): boolean {
  return isServerError(error) && TRANSIENT.has(error.code) && !isRaised(error);
}

/** How far a backfill is, as it is committed, and what its process knows besides. */
export class Course {
  readonly run: BackfillRun;
  row: BackfillRow;
  /** Tries of what is done now that did not get a lock. */
  tries = 0;
  /** Rows a second, smoothed. */
  rate: number | null = null;
  batchSize: number;
  #wanted: Wanted | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(run: BackfillRun, row: BackfillRow) {
    this.run = run;
    this.row = row;
    this.batchSize = row.batchSize;
    // Asked of a process that did not live to obey.
    this.#wanted = row.wanted;
  }

  /** The statement that commits a change with a transaction. */
  checkpoint(change: Change): string {
    return checkpoint(this.run.schema, this.run.tag, this.run.runId, change);
  }

  /** A change that a transaction has committed, and what the transaction has read. */
  committed({ position, pass, reason, rows = 0, finalized }: Change, wanted: Wanted | null): void {
    this.row = {
      ...this.row,
      rowsDone: this.row.rowsDone + rows,
      ...(position !== undefined && { position }),
      ...(pass !== undefined && { pass }),
      ...(reason !== undefined && { reason }),
      ...(finalized !== undefined && { finalized }),
    };
    this.#wanted = wanted;
    this.tries = 0;
  }

  /** Commits a change by itself. */
  async commit(change: Change, statements: readonly string[] = []): Promise<void> {
    const reply = await sendFenced(this.run, [...statements, this.checkpoint(change)]);
    this.committed(change, (columnOf(reply, WANTED) ?? null) as Wanted | null);
  }

  /** Stops where a person wants it; waits where the server is under pressure, or the hour is not the right one. */
  async giveWay(): Promise<BackfillEnd | undefined> {
    for (;;) {
      this.run.signal.throwIfAborted();
      if (this.#wanted === "pause") return this.#stop("PAUSED", "paused");
      if (this.#wanted === "cancel") return this.#stop("CANCELED", "canceled");
      if (performance.now() - this.#lookedAt < LOOK_EVERY_MS) return undefined;
      this.#lookedAt = performance.now();
      const { session, target, definition } = this.run;
      const pressure = await lookForPressure(session, target, definition);
      if (pressure !== undefined) {
        await this.commit({ reason: pressure.reason });
        this.tell("waiting");
        await this.run.pause(pressure.forMs);
        this.#lookedAt = Number.NEGATIVE_INFINITY;
      } else if (this.row.reason !== null) {
        await this.commit({ reason: null });
      }
    }
  }

  async #stop<End extends BackfillEnd>(state: "PAUSED" | "CANCELED", end: End): Promise<End> {
    await this.end(state, state === "PAUSED" ? "backfill.paused" : "backfill.canceled");
    return end;
  }

  /**
   * Commits a state with its event, and gives the backfill back. The log may be a long migration's until that has
   * ended: waited for, with the claim kept.
   */
  async end(state: EndState, type: LoggedEvent["type"], error: RecordedError | null = null) {
    const { run } = this;
    const kept = state === "DONE" || state === "FAILED" ? { error } : {};
    const event = logged(type, run.identity);
    const change: Change = { state, event, release: true, reason: null, ...kept };
    for (;;) {
      try {
        const statements = [lockLog(run.schema), ...run.fence, this.checkpoint(change)];
        await transact(run.session, "backfill", statements);
        return;
      } catch (failed) {
        if (!isServerError(failed) || failed.code !== LOCK_NOT_AVAILABLE) throw failed;
        this.tell("waiting", "a migration runs");
        await run.pause(FIRST_RETRY_MS);
      }
    }
  }

  /** Waits before another try, and says why. */
  async later(reason: string): Promise<void> {
    this.tries += 1;
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** (this.tries - 1), LONGEST_RETRY_MS);
    if (this.tries > 2) this.tell("waiting", reason);
    await this.run.pause(pauseMs);
  }

  /** Tries again where a lock was not got. */
  async patiently<T>(work: () => Promise<T>, failed: (error: unknown) => Error): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        this.run.signal.throwIfAborted();
        if (!isServerError(error) || isTaken(error)) throw error;
        await rollBack(this.run.session);
        if (!isTransient(error) || tries > MOST_TRIES) throw failed(error);
        await this.later(error.message);
      }
    }
  }

  failed(error: unknown, fact?: string): BackfillFailed {
    return new BackfillFailed(fact ?? messageOf(error), error);
  }

  /** @param reason why it waits, where that is not in the ledger */
  tell(state: BackfillProgress["state"], reason: string | null = this.row.reason): void {
    if (state === "running" && performance.now() - this.#toldAt < TELL_EVERY_MS) return;
    this.#toldAt = performance.now();
    const { rowsDone, rowsExpected, quarantined } = this.row;
    const rowsPerSecond = this.rate === null ? null : Math.round(this.rate);
    const { batchSize } = this;
    this.run.onProgress({
      state,
      rowsDone,
      rowsExpected,
      rowsPerSecond,
      batchSize,
      quarantined,
      reason,
    });
  }

  /** The names of the key's columns. */
  get key(): readonly string[] {
    return this.run.target.key.map(({ name }) => name);
  }

  /** Puts a row aside, in the ledger and here. */
  quarantined(error: RecordedError | undefined): void {
    if (error !== undefined) this.row = { ...this.row, quarantined: this.row.quarantined + 1 };
  }
}
