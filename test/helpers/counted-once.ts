import { expect } from "vitest";
import type { TestDatabase } from "./database.ts";
import { countingHistory } from "./history.ts";
import { expectFoldToMatch } from "./ledger.ts";

/** Each migration of `countingHistory` has run once, whoever ran it. */
export async function expectOnce({ url, sql }: TestDatabase, count = 3): Promise<void> {
  const ticks = await sql`select n from ticks order by n`;
  expect(ticks.map(({ n }) => n)).toEqual(Array.from({ length: count - 1 }, (_, i) => i + 1));
  const { events } = await expectFoldToMatch(url);
  const done = events.filter(({ type }) => type === "migration.done");
  expect(done.map(({ tag }) => tag)).toEqual(Object.keys(countingHistory(count)));
}
