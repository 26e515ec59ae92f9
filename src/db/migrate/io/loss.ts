import { LONGEST_TIMER_MS } from "../pure/options.ts";

/** The connection is gone. Whether the last messages took effect is not known. */
export class SessionLost extends Error {
  override readonly name = "SessionLost";
}

/** Nothing came back in the time that there was for it. */
export class NoAnswer extends SessionLost {}

const ANSWER_AFTER_ABORT_MS = 5_000;

/** The end of a connection, to be raced by every wait. */
export interface Loss {
  readonly promise: Promise<never>;
  readonly reject: (reason: SessionLost) => void;
}

export function lossOfConnection(): Loss {
  let reject: (reason: SessionLost) => void = () => undefined;
  const promise = new Promise<never>((_resolve, rejectIt) => {
    reject = rejectIt;
  });
  // Nobody may be waiting at the moment it happens.
  promise.catch(() => undefined);
  return { promise, reject };
}

/** A server that swallows everything must not hold a process that was told to stop. */
export function giveUpAfterAbort(
  signal: AbortSignal | undefined,
  lost: Loss,
  graceMs: number = ANSWER_AFTER_ABORT_MS,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    timer = setTimeout(
      () => lost.reject(new SessionLost("the server did not answer after the abort")),
      graceMs,
    );
  };
  if (signal?.aborted) start();
  else signal?.addEventListener("abort", start, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", start);
  };
}

/** Bounds a wait for an answer; the result ends it. */
export function giveUpAfter(timeoutMs: number, lost: Loss, isAnswered: () => boolean): () => void {
  const timer = setTimeout(
    () => {
      if (!isAnswered()) lost.reject(new NoAnswer("it lets us in and gives no answer"));
    },
    Math.min(Math.max(timeoutMs, 0), LONGEST_TIMER_MS),
  );
  return () => clearTimeout(timer);
}
