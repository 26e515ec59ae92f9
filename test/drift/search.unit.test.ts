import { expect, test } from "vitest";
import { nearest } from "../../src/db/drift/search.ts";

/** Asks for the distances of a row of numbers, and counts. */
async function search(row: readonly number[]) {
  const asked: number[] = [];
  const { point, distances } = await nearest(0, row.length - 1, async (at) => {
    asked.push(at);
    return row[at] ?? Number.NaN;
  });
  expect(new Set(asked).size).toBe(asked.length);
  expect(distances.size).toBe(asked.length);
  return { point, asked: asked.length };
}

test.each([0, 1, 77, 150, 298, 299])(
  "finds the best of 300 points, %i, with few questions",
  async (best) => {
    const { point, asked } = await search(
      Array.from({ length: 300 }, (_, i) => Math.abs(i - best)),
    );
    expect(point).toBe(best);
    expect(asked).toBeLessThan(50);
  },
);

test("looks at each of a short row, whatever its distances do", async () => {
  const row = [9, 3, 9, 9, 1, 9, 9, 0, 9];
  expect(await search(row)).toEqual({ point: 7, asked: 9 });
});

test("takes the last of equals, and one that cannot be had for none", async () => {
  expect(await search([5, 2, 2, 2, 7])).toMatchObject({ point: 3 });
  expect(await search([5, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])).toMatchObject({
    point: 0,
  });
  expect(await search([4])).toEqual({ point: 0, asked: 1 });
});
