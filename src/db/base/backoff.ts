import { setTimeout as sleep } from "node:timers/promises";

/** Node's timers treat a longer time as one millisecond. */
export const LONGEST_TIMER_MS = 2_147_483_647;

/** Between half of a pause and all of it, at random: processes that start at one moment do not wait equally long. */
export function jittered(pauseMs: number, random: number = Math.random()): number {
  return pauseMs * (0.5 + random / 2);
}

/** @throws the signal's reason */
export async function pause(ms: number, signal?: AbortSignal | undefined): Promise<void> {
  await sleep(Math.min(ms, LONGEST_TIMER_MS), undefined, { ...(signal && { signal }) });
}

/** The work's result, or what `tooLate` makes where that takes longer. The work itself goes on. */
export async function within<T>(
  timeoutMs: number,
  work: Promise<T>,
  tooLate: () => Error,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooLate()), Math.min(timeoutMs, LONGEST_TIMER_MS));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
