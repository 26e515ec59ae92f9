import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import type postgres from "postgres";
import { expect } from "vitest";
import { type HistoryFolder, historyFolder } from "./history.ts";
import { readLedgerContent } from "./ledger.ts";

/** The migrations of the event store and its sink, with more migrations behind them. */
export async function projectFolder(
  more: Readonly<Record<string, string>> = {},
): Promise<HistoryFolder> {
  const journal = JSON.parse(await readFile("drizzle/meta/_journal.json", "utf8")) as {
    entries: { tag: string }[];
  };
  const own: Record<string, string> = {};
  for (const { tag } of journal.entries.slice(0, 4)) {
    own[tag] = await readFile(join("drizzle", `${tag}.sql`), "utf8");
  }
  const folder = await historyFolder({ ...own, ...more });
  await copyFile("drizzle/event-sink.sql", join(folder.dir, "event-sink.sql"));
  return folder;
}

/** The event store's copy, in the order in which it was appended. */
export async function readCopy(sql: postgres.Sql, table = "eventstore.events") {
  return sql.unsafe<
    {
      tag: string;
      sequence: string;
      type: string;
      at: string;
      payload: Record<string, unknown>;
    }[]
  >(`select aggregate_id as tag, sequence, event_type as type, to_jsonb(created_at) #>> '{}' as at, payload
    from ${table} where instance_id = 'system' and aggregate_type = 'migration'
    order by global_sequence`);
}

/** Asserts that the ledger and the event store's copy tell the same story, row by row. */
export async function expectSameStory(
  url: string,
  sql: postgres.Sql,
  table = "eventstore.events",
): Promise<void> {
  const { events } = await readLedgerContent(url);
  const copy = await readCopy(sql, table);
  expect(
    copy.map(({ tag, type, at, payload }) => ({ tag, type, at: new Date(at), ...payload })),
  ).toEqual(events);
  const seen = new Map<string, number>();
  for (const { tag, sequence } of copy) {
    const expected = (seen.get(tag) ?? 0) + 1;
    expect(`${tag} ${sequence}`).toBe(`${tag} ${expected}`);
    seen.set(tag, expected);
  }
}
