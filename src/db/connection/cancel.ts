import type { Loss } from "./loss.ts";

const CANCEL_AGAIN_MS = 300;

/** Asks the server to cancel a message. Resolves when that is asked; never rejects. */
export type Cancel = () => Promise<void>;

/** Cancels what is on its way when the signal comes. */
export interface Canceller {
  /** A message is on its way: until the function returned is called, it is canceled with the rest. */
  readonly watch: (cancel: Cancel) => () => void;
  /** Resolves when no cancel is on its way any more, which could hit whatever is sent next. */
  readonly settled: () => Promise<void>;
  readonly stop: () => void;
}

/**
 * A cancel that arrives between two messages is lost, so it is asked again until all that was on
 * its way has come back: one hit aborts the transaction, and all that follows is refused.
 */
export function cancelOnAbort(signal: AbortSignal | undefined, lost: Loss): Canceller {
  let timer: NodeJS.Timeout | undefined;
  const watched = new Set<Cancel>();
  const asked = new Set<Promise<void>>();
  const ask = () => {
    clearTimeout(timer);
    for (const cancel of watched) {
      // A server that swallows it would never answer.
      const asking = lost.race(cancel()).catch(() => undefined);
      asked.add(asking);
      void asking.then(() => asked.delete(asking));
    }
    timer = setTimeout(() => watched.size > 0 && ask(), CANCEL_AGAIN_MS);
  };
  signal?.addEventListener("abort", ask, { once: true });
  return {
    watch: (cancel) => {
      watched.add(cancel);
      if (signal?.aborted) ask();
      return () => watched.delete(cancel);
    },
    settled: async () => {
      await Promise.all(asked);
    },
    stop: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", ask);
    },
  };
}
