import { expect } from "vitest";
import type { TestDatabase } from "./database.ts";
import { THREE, type useHistory } from "./history.ts";
import { expectFoldToMatch } from "./ledger.ts";
import { runHerd } from "./runner-process.ts";

// The concurrent index waits for every session with a snapshot: whoever waits must not hold one.
const MIXED = {
  ...THREE,
  "0003_index": "create index concurrently notes_body_idx on notes (body);",
  "0004_second_note": "insert into notes (body) values ('again');",
};

interface Boot {
  readonly database: TestDatabase;
  readonly folder: ReturnType<typeof useHistory>;
  /** Processes. */
  readonly count: number;
  /** Runs in each. */
  readonly runners: number;
}

/** Migrates an empty database by all of them at one moment: all succeed, each migration runs once. */
export async function bootTogether({ database, folder, count, runners }: Boot): Promise<void> {
  await folder.remove();
  await folder.make(MIXED);
  const options = { url: database.url, dir: folder.dir, connectTimeoutMs: 60_000 };
  const ends = await runHerd(count, { options, runners });
  expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
  const reports = ends.flatMap(({ report, others = [] }) => [report, ...others]);
  expect(reports).toHaveLength(count * runners);
  expect(new Set(reports.map((report) => report?.version))).toEqual(new Set(["0004_second_note"]));
  expect(reports.filter((report) => report?.outcome === "applied")).toHaveLength(1);
  const { events } = await expectFoldToMatch(database.url);
  expect(events.filter(({ type }) => type === "migration.started")).toHaveLength(5);
  expect(events.filter(({ type }) => type === "migration.done")).toHaveLength(5);
  expect(await database.sql`select body from notes order by id`).toEqual([
    { body: "hello" },
    { body: "again" },
  ]);
  expect(
    await database.sql`select indisvalid from pg_index where indexrelid = 'notes_body_idx'::regclass`,
  ).toEqual([{ indisvalid: true }]);
  expect(
    await database.sql`select deadlocks::int from pg_stat_database where datname = current_database()`,
  ).toEqual([{ deadlocks: 0 }]);
}
