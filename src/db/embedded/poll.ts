import { pause } from "../base/backoff.ts";

/** A moment by which something must be done, on a clock that nobody sets back. */
export interface Deadline {
  readonly timeoutMs: number;
  remainingMs(): number;
}

export function deadlineIn(timeoutMs: number): Deadline {
  const end = performance.now() + timeoutMs;
  return { timeoutMs, remainingMs: () => Math.max(0, end - performance.now()) };
}

/** Asks `probe` every few milliseconds until it answers; undefined when the deadline passes first. */
export async function pollUntil<T>(
  deadline: Deadline,
  probe: () => Promise<T | undefined>,
): Promise<T | undefined> {
  for (;;) {
    const answer = await probe();
    if (answer !== undefined || deadline.remainingMs() === 0) return answer;
    await pause(POLL_MS);
  }
}

// A start takes about 50 ms: polling more slowly would show.
const POLL_MS = 5;
