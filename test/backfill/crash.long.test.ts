import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { backfillText } from "../helpers/backfill.ts";
import { writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_people": `create table people (id int primary key, n int not null default 0);
    insert into people select i from generate_series(1, 2000) i;`,
  "0001_fill": "alter table people add column name text;",
  "0002_more": "create table more (id int);",
});
const options = () => ({ url: database.url, dir: folder.dir });
const define = () =>
  writeStep(
    folder.dir,
    "0001_fill",
    backfillText(
      `table: "people", set: "n = n + 1, name = 'x'", batch: { size: 400, max: 400 }, finalize: ["alter table people alter column name set not null", "alter table people add column finished int"]`,
    ),
  );

async function expectFilledOnce(): Promise<void> {
  expect(await database.sql`select n, count(*)::int as rows from people group by n`).toEqual([
    { n: 1, rows: 2_000 },
  ]);
  expect(await database.sql`select state, finalized from tidemark.backfills`).toEqual([
    { state: "DONE", finalized: 2 },
  ]);
}

test.each([
  ["before", "backfill:0001_fill"],
  ["sent", "backfill:0001_fill"],
  ["after", "backfill:0001_fill"],
  ["before", "backfill"],
  ["sent", "backfill"],
  ["after", "backfill"],
  ["before", "end:0001_fill#2"],
  ["sent", "end:0001_fill#2"],
  ["after", "end:0001_fill#2"],
] as const)(
  "killed %s %s, the next run goes on, and each row is filled once",
  async (phase, message) => {
    await define();
    const runner = await startRunner();
    runner.start({ options: options(), failpoint: { phase, message } });
    expect((await runner.end).signal).toBe("SIGKILL");
    await new DatabaseMigrator(options()).migrate();
    await expectFilledOnce();
  },
);

test("killed at any of its messages, one after the other, it gets to its end", async () => {
  await define();
  let kills = 0;
  for (let nth = 12; ; nth += 3) {
    const runner = await startRunner();
    runner.start({ options: options(), failpoint: { nth, mayBeMissed: true } });
    const { signal, report } = await runner.end;
    if (signal === null) {
      expect(report).toBeDefined();
      break;
    }
    kills += 1;
  }
  expect(kills).toBeGreaterThan(1);
  await expectFilledOnce();
});

test("frozen in a batch and overtaken, it stops when it wakes up, and nothing is filled twice", async () => {
  await define();
  const frozen = await startRunner();
  frozen.start({
    options: options(),
    failpoint: { phase: "after", message: "backfill:0001_fill", signal: "SIGSTOP" },
  });
  await frozen.atFailpoint;
  // As if its lease had run out meanwhile.
  await database.sql`update tidemark.runner set expires_at = now() - interval '1 minute', backend_pid = null, direct = false`;
  const { applied } = await new DatabaseMigrator(options()).migrate();
  expect(applied.map(({ tag }) => tag)).toEqual(["0001_fill", "0002_more"]);
  frozen.resume();
  const { error, report } = await frozen.end;
  expect(error?.message ?? report?.outcome).toBe("applied");
  await expectFilledOnce();
});
