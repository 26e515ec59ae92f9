import type { Sent } from "./session.ts";

const CANCEL_AGAIN_MS = 300;

/**
 * Cancels what the server runs when the signal comes. A cancel that arrives between
 * two messages is lost, so it is asked again until the pipeline is drained: one hit
 * aborts the transaction, and all that follows is refused.
 *
 * @returns ends the watching; resolves when no cancel is on its way any more, which
 * could hit whatever is sent next
 */
export function cancelOnAbort(
  signal: AbortSignal | undefined,
  messages: () => readonly Sent[],
): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const asked = new Set<Promise<void>>();
  const ask = () => {
    for (const message of messages()) asked.add(message.cancel());
    timer = setTimeout(ask, CANCEL_AGAIN_MS);
  };
  signal?.addEventListener("abort", ask, { once: true });
  if (signal?.aborted) ask();
  return async () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", ask);
    await Promise.all(asked);
  };
}
