import { expect } from "vitest";

/** `expect` of what a read gives sooner or later: within 20 s, on a machine that is busy. */
export function until<T>(read: () => T) {
  return expect.poll(read, { timeout: 20_000, interval: 20 });
}
