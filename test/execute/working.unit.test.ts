import { expect, test } from "vitest";
import { describeWork } from "../../src/db/migrate/index.ts";

test.each([
  [{ command: null }, undefined],
  [{}, "VACUUM on public.notes: scanning heap, 50 %"],
  [{ total: null }, "VACUUM on public.notes: scanning heap"],
  [{ phase: null, table: null }, "VACUUM: 50 %"],
  [{ done: 12 }, "VACUUM on public.notes: scanning heap, 100 %"],
])("work as text: %o", (parts, text) => {
  const whole = { command: "VACUUM", table: "public.notes", phase: "scanning heap" };
  expect(describeWork({ forMs: 1, done: 5, total: 10, ...whole, ...parts })).toBe(text);
});
