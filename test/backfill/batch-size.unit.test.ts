import { describe, expect, test } from "vitest";
import { nextSize, type SizeState } from "../../src/db/migrate/backfill/batch-size.ts";

const LIMITS = { min: 10, max: 5_000, targetMs: 250 };
const FIRST: SizeState = { size: 1_000, efficiency: undefined };

/** Sizes after batches on a server that needs so many milliseconds a row. */
function sizes(msPerRow: number, batches: number, limits = LIMITS): readonly number[] {
  let state = FIRST;
  return Array.from({ length: batches }, () => {
    const { size } = state;
    state = nextSize(state, { rows: size, tookMs: size * msPerRow }, limits);
    return state.size;
  });
}

describe("the size of batches", () => {
  test.each([0.1, 0.25, 0.5, 2])(
    "comes to the target time at %d ms a row, and stays there",
    (ms) => {
      const last = sizes(ms, 30).slice(-5);
      for (const size of last) {
        expect((size * ms) / LIMITS.targetMs).toBeGreaterThanOrEqual(0.89);
        expect((size * ms) / LIMITS.targetMs).toBeLessThanOrEqual(0.96);
      }
      expect(new Set(last).size).toBe(1);
    },
  );

  test("is at most doubled or halved at once", () => {
    expect(sizes(0.000_1, 2)).toEqual([2_000, 4_000]);
    expect(sizes(100, 2)).toEqual([500, 250]);
  });

  test("stays within its limits", () => {
    expect(sizes(0.000_1, 10).at(-1)).toBe(5_000);
    expect(sizes(1_000, 20).at(-1)).toBe(10);
  });

  test("one slow batch changes it a little, and it is back soon", () => {
    const steady: SizeState = { size: 1_000, efficiency: 0.92 };
    let state = nextSize(steady, { rows: 1_000, tookMs: 500 }, LIMITS);
    expect(state.size).toBeGreaterThan(600);
    for (let n = 0; n < 10; n += 1) {
      state = nextSize(state, { rows: state.size, tookMs: state.size * 0.23 }, LIMITS);
    }
    expect(state.size).toBeGreaterThan(900);
  });

  test("stays where a batch had few rows, which says nothing", () => {
    const state = { size: 1_000, efficiency: 0.5 };
    expect(nextSize(state, { rows: 3, tookMs: 1 }, LIMITS)).toEqual(state);
  });

  test("stays while the time is in the band", () => {
    expect(nextSize(FIRST, { rows: 1_000, tookMs: 230 }, LIMITS).size).toBe(1_000);
  });
});
