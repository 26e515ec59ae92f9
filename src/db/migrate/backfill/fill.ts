import { QUERY_CANCELED } from "../../base/sqlstate.ts";
import { rollBack } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import { DEFAULTS } from "../code/backfill-definition.ts";
import { type End, fillRows, lookForEnd } from "./attempt.ts";
import { type Limits, nextSize, type SizeState } from "./batch-size.ts";
import { type BackfillEnd, type Course, isTransient } from "./course.ts";
import { isLoss, isOfRow, isTaken, keyText, recordedOf } from "./failed.ts";
import { rangeOf } from "./keys.ts";
import { noPassOver } from "./passes.ts";
import { type Change, quarantine } from "./store.ts";

/** Before this many rows are put aside, their share says nothing. */
const LEAST_QUARANTINED = 10;
/** Short rests are put together: each renews the lease. */
const SHORTEST_REST_MS = 50;
/** Weight of the newest batch in the rate. */
const NEWEST = 0.2;

/** Goes over the table once, from where the checkpoint is, batch by batch. */
export async function fillAll(course: Course): Promise<BackfillEnd | undefined> {
  const batches = new Batches(course);
  let next: End | undefined;
  for (;;) {
    const stopped = await course.giveWay();
    if (stopped !== undefined) return stopped;
    next ??= await batches.look();
    if (next === undefined) return undefined;
    next = await batches.fill(next);
    await batches.rest();
  }
}

class Batches {
  readonly #course: Course;
  readonly #limits: Limits;
  #size: SizeState;
  /** Where a failure made the batches smaller, to find the row that it comes from; grows back. */
  #probe: number | undefined;
  #triedAgain = false;
  /** Where the next batch ends is looked for with a batch, unless that may be what took too long. */
  #looksAhead = true;
  #lastMs = 0;
  readonly #niceRatio: number;
  /** Rest that is due. */
  #restMs = 0;

  constructor(course: Course) {
    this.#course = course;
    const limits = { ...DEFAULTS, ...course.run.definition.batch };
    const { min, max, targetMs } = limits;
    this.#limits = { min, max, targetMs };
    this.#niceRatio = limits.niceRatio;
    const { batchSize, efficiency } = course.row;
    this.#size = { size: batchSize, efficiency: efficiency ?? undefined };
  }

  look(): Promise<End | undefined> {
    const course = this.#course;
    const size = this.#probe ?? this.#size.size;
    const work = () => lookForEnd(course.run, course.row.position, size);
    return course.patiently(work, (error) => course.failed(error));
  }

  /** One batch; returns the end of the next where it is known. */
  async fill({ key, rows }: End): Promise<End | undefined> {
    const course = this.#course;
    const { run, row } = course;
    const { size, efficiency } = this.#size;
    const change: Change = {
      position: key,
      rows,
      size,
      tookMs: this.#lastMs,
      ...(efficiency !== undefined && { efficiency }),
    };
    const started = performance.now();
    try {
      const range = rangeOf(run.target, row.position, key);
      const { wanted, next, pass } = await fillRows(run, range, [course.checkpoint(change)], {
        filled: noPassOver(course, range),
        following: this.#probe === undefined && this.#looksAhead ? { from: key, size } : undefined,
      });
      this.#took(rows, performance.now() - started);
      course.committed(pass === undefined ? change : { ...change, pass }, wanted);
      course.tell("running");
      return next;
    } catch (error) {
      await this.#afterFailure(error, { key, rows });
      return undefined;
    }
  }

  /** Leaves the server to others, for as long as the definition says. */
  async rest(): Promise<void> {
    if (this.#restMs < SHORTEST_REST_MS) return;
    const restMs = this.#restMs;
    this.#restMs = 0;
    await this.#course.run.pause(restMs);
  }

  #took(rows: number, tookMs: number): void {
    const restMs = tookMs * this.#niceRatio;
    this.#restMs += restMs;
    this.#lastMs = tookMs + restMs;
    this.#triedAgain = false;
    this.#looksAhead = true;
    const rate = (rows / Math.max(this.#lastMs, 1)) * 1000;
    const { rate: before } = this.#course;
    this.#course.rate = before === null ? rate : NEWEST * rate + (1 - NEWEST) * before;
    if (this.#probe === undefined) {
      this.#size = nextSize(this.#size, { rows, tookMs }, this.#limits);
    } else {
      this.#probe = this.#probe * 2 < this.#size.size ? this.#probe * 2 : undefined;
    }
    this.#course.batchSize = this.#probe ?? this.#size.size;
  }

  /** Tries again what may pass, halves what does not, and puts the one row aside that is left. */
  async #afterFailure(error: unknown, batch: End): Promise<void> {
    const course = this.#course;
    course.run.signal.throwIfAborted();
    if (isTaken(error) || isLoss(error)) throw error;
    await rollBack(course.run.session);
    if (isTransient(error)) return course.later(recordedOf(error).message);
    const half = Math.max(1, Math.floor(batch.rows / 2));
    if (isServerError(error) && error.code === QUERY_CANCELED) {
      const { longestMs } = course.run;
      const hasLooked = this.#looksAhead;
      this.#looksAhead = false;
      if (batch.rows === 1 && !hasLooked) {
        const fact = `The row ${keyText(course.key, batch.key)} takes longer than batch.longestMs, ${longestMs} ms.`;
        throw course.failed(error, fact);
      }
      this.#size = { size: half, efficiency: undefined };
      this.#probe = undefined;
      return;
    }
    if (!isOfRow(error)) throw course.failed(error);
    if (!this.#triedAgain) {
      this.#triedAgain = true;
      return;
    }
    if (batch.rows > 1) this.#probe = half;
    else await this.#putAside(batch, error);
  }

  async #putAside({ key }: End, error: unknown): Promise<void> {
    const course = this.#course;
    const { schema, tag, definition } = course.run;
    const recorded = recordedOf(error);
    await course.commit({ position: key, rows: 1 }, [quarantine(schema, tag, key, recorded)]);
    course.quarantined(recorded);
    this.#triedAgain = false;
    this.#probe = 1;
    const { quarantined, rowsDone } = course.row;
    const { maxQuarantined = DEFAULTS.maxQuarantined } = definition;
    if (quarantined < LEAST_QUARANTINED || quarantined <= rowsDone * maxQuarantined) return;
    const fact = `${quarantined} of ${rowsDone} rows failed, more than maxQuarantined allows (${maxQuarantined}). The last one, ${keyText(course.key, key)}: ${recorded.message}`;
    throw course.failed(error, fact);
  }
}
