import { LONGEST_TIMER_MS } from "../base/backoff.ts";

/** The connection is gone. Whether the last messages took effect is not known. */
export class SessionLost extends Error {
  override readonly name = "SessionLost";
}

/** The server said before that an administrator ends it: this session alone, or all of them as it shuts down. */
export class SessionTerminated extends SessionLost {}

/** Nothing came back in time. */
export class NoAnswer extends SessionLost {}

/** TLS is required, and the server has none. */
export class TlsRefused extends Error {
  override readonly name = "TlsRefused";
  /** Who requires it: `the URL`, `PGSSLMODE`. */
  readonly askedBy: string;

  constructor(askedBy: string, cause: unknown) {
    super(`${askedBy} requires TLS, which the server does not support`, { cause });
    this.askedBy = askedBy;
  }

  get remedy(): string {
    const out =
      this.askedBy === "the URL" ? "take sslmode out of the URL" : `unset ${this.askedBy}`;
    return `Turn TLS on at the server, or ${out} (the connection is then not encrypted).`;
  }
}

/** How long a server has to answer once a run is told to stop. */
export const ANSWER_AFTER_ABORT_MS = 5_000;

/** The end of a connection, which comes once. */
export interface Loss<Reason extends Error = SessionLost> {
  /** Ends all waits, and those to come. The first reason counts. */
  readonly reject: (reason: Reason) => void;
  /** Waits for the work, or for the loss where that comes first. */
  readonly race: <T>(work: PromiseLike<T>) => Promise<T>;
  /** Undefined as long as the connection is there. */
  readonly reason: () => Reason | undefined;
}

export function lossOfConnection<Reason extends Error = SessionLost>(): Loss<Reason> {
  let lost: Reason | undefined;
  // By hand: each Promise.race against one promise that lives as long as the connection would keep
  // its message and the reply in memory until then.
  const waits = new Set<(reason: Reason) => void>();
  return {
    reject: (reason) => {
      lost ??= reason;
      for (const end of waits) end(lost);
      waits.clear();
    },
    race: (work) =>
      new Promise((resolve, reject) => {
        waits.add(reject);
        work.then(
          (value) => {
            waits.delete(reject);
            resolve(value);
          },
          (error: unknown) => {
            waits.delete(reject);
            reject(error);
          },
        );
        if (lost !== undefined) {
          waits.delete(reject);
          reject(lost);
        }
      }),
    reason: () => lost,
  };
}

/**
 * A server that never answers must not hold a process that was told to stop.
 *
 * @param graceMs asked when the signal comes
 */
export function giveUpAfterAbort(
  signal: AbortSignal | undefined,
  lost: Loss,
  graceMs: () => number,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    const ms = graceMs();
    const reason =
      ms === 0
        ? new SessionLost("the connection was given up")
        : new NoAnswer(`the server did not answer for ${ms / 1_000} s after the cancel`);
    timer = setTimeout(() => lost.reject(reason), ms);
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
      if (!isAnswered())
        lost.reject(new NoAnswer("the server accepted the connection but did not answer"));
    },
    Math.min(Math.max(timeoutMs, 0), LONGEST_TIMER_MS),
  );
  return () => clearTimeout(timer);
}
