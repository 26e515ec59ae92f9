import { duration } from "../base/text.ts";

/** Reason of a signal: the run's time is over. */
export class DeadlineReached extends Error {
  override readonly name = "DeadlineReached";
  readonly deadlineMs: number;

  constructor(deadlineMs: number) {
    super(`the run's deadline of ${duration(deadlineMs)} was reached`);
    this.deadlineMs = deadlineMs;
  }
}

export interface Bounded {
  /** Comes with the caller's, and at the deadline. */
  readonly signal: AbortSignal | undefined;
  readonly stop: () => void;
}

/** A signal that also comes when the time is over. */
export function boundBy(signal: AbortSignal | undefined, deadlineMs: number | undefined): Bounded {
  if (deadlineMs === undefined) return { signal, stop: () => undefined };
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new DeadlineReached(deadlineMs)), deadlineMs);
  return {
    signal: signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]),
    stop: () => clearTimeout(timer),
  };
}

/** The deadline that a signal came for; undefined where it came for another reason. */
export function deadlineOf(signal: AbortSignal | undefined): DeadlineReached | undefined {
  return signal?.reason instanceof DeadlineReached ? signal.reason : undefined;
}
