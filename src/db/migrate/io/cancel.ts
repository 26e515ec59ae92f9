import type { Sent } from "./session.ts";

const CANCEL_AGAIN_MS = 300;

/**
 * Cancels what the server runs when the signal comes. A cancel that arrives between
 * two messages is lost, so the next is tried until the pipeline is drained: one hit
 * aborts the transaction, and all that follows is refused.
 */
export function cancelOnAbort(
  signal: AbortSignal | undefined,
  messages: () => readonly Sent[],
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const canceled = new Set<Sent>();
  const cancelNext = () => {
    const oldest = messages().find((one) => !canceled.has(one));
    if (oldest !== undefined) {
      canceled.add(oldest);
      oldest.cancel();
    }
    timer = setTimeout(cancelNext, CANCEL_AGAIN_MS);
  };
  signal?.addEventListener("abort", cancelNext, { once: true });
  if (signal?.aborted) cancelNext();
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancelNext);
  };
}
