import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { defineBackfill } from "../../src/db/steps/index.ts";
import { backfillMigrator, backfillText } from "../helpers/backfill.ts";
import { writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_people": `create table people (id int primary key, n int not null default 0);
    insert into people select i from generate_series(1, 60000) i;`,
  "0001_fill": "select 1;",
  "0002_use": "-- tidemark: requires 0001_fill\nalter table people add check (n = 1);",
});
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const define = (more = "") =>
  writeStep(
    folder.dir,
    "0001_fill",
    backfillText(
      `table: "people", set: "n = n + 1", background: true, batch: { size: 500, max: 500 }${more}`,
    ),
  );
const counts = () =>
  database.sql`select n, count(*)::int as rows from people group by n order by n`;

test("a worker runs it; then the migration that requires it is applied", async () => {
  await define();
  expect(await migrator().migrate()).toMatchObject({
    heldBack: { tag: "0002_use", requires: "0001_fill", backfill: "PENDING" },
  });
  expect(await migrator().backfills.run()).toEqual([{ tag: "0001_fill", end: "done" }]);
  expect(await migrator().backfills.list()).toMatchObject([
    { tag: "0001_fill", state: "DONE", isRunning: false, rowsDone: 60_000, quarantined: 0 },
  ]);
  const { applied } = await migrator().migrate();
  expect(applied.map(({ tag }) => tag)).toEqual(["0002_use"]);
  expect(await migrator().backfills.run()).toEqual([]);
});

test("of many workers one runs it; where that is killed, another goes on, and each row is filled once", async () => {
  await define();
  await migrator().migrate();
  for (let kills = 0; kills < 4; kills += 1) {
    const workers = await Promise.all([startRunner(), startRunner(), startRunner()]);
    for (const worker of workers) {
      worker.start({ options: { url: database.url, dir: folder.dir }, worksFor: 20_000 });
    }
    const first = await Promise.race(
      workers.map(async (worker) => {
        await worker.seen("backfill");
        return worker;
      }),
    );
    await sleep(Math.random() * 50);
    first.child.kill("SIGKILL");
    await first.end;
    // One of the others takes it up.
    const others = workers.filter((worker) => worker !== first);
    await Promise.race([...others.map((worker) => worker.seen("backfill")), done()]);
    for (const worker of others) worker.child.kill("SIGKILL");
    await Promise.all(others.map((worker) => worker.end));
  }
  await expect
    .poll(() => migrator().backfills.run().then(counts), { timeout: 30_000 })
    .toEqual([{ n: 1, rows: 60_000 }]);
});

async function done(): Promise<void> {
  await expect
    .poll(async () => (await migrator().backfills.list())[0]?.state, { timeout: 30_000 })
    .toBe("DONE");
}

test("two backfills of one table do not run at the same time, those of two tables do", async () => {
  await database.sql`create table others (id int primary key, n int not null default 0)`;
  await database.sql`insert into others select i from generate_series(1, 2000) i`;
  await database.sql`create table more as table others`;
  await database.sql`alter table more add primary key (id)`;
  const running = new Set<string>();
  const together = new Set<string>();
  const watched = (tag: string, table: string) => ({
    table,
    background: true,
    batch: { size: 100, max: 100 },
    run: async ({
      sql,
      rows,
    }: {
      sql: { query: (text: string) => Promise<unknown> };
      rows: string;
    }) => {
      running.add(tag);
      for (const other of running) if (other !== tag) together.add([tag, other].sort().join("+"));
      await sql.query(`update ${table} t set n = n + 1 where ${rows}`);
      await sleep(10);
      running.delete(tag);
    },
  });
  const all = backfillMigrator(database.url, {
    "0001_a": watched("a", "others"),
    "0002_b": watched("b", "others"),
    "0003_c": watched("c", "more"),
  });
  await all.migrate({ allowExisting: true });
  await Promise.all([1, 2, 3].map(() => all.backfills.run()));
  await all.backfills.run();
  expect([...together].filter((pair) => pair.includes("a") && pair.includes("b"))).toEqual([]);
  expect([...together].some((pair) => pair.includes("c"))).toBe(true);
  expect(await database.sql`select n, count(*)::int as rows from others group by n`).toEqual([
    { n: 2, rows: 2_000 },
  ]);
});

test("is paused and goes on from another process, and canceled; what is done cannot be", async () => {
  await define();
  await migrator().migrate();
  let asked = false;
  const onProgress = () => {
    if (asked) return;
    asked = true;
    void migrator().backfills.pause("0001_fill");
  };
  expect(await migrator().backfills.run({ onProgress })).toEqual([
    { tag: "0001_fill", end: "paused" },
  ]);
  expect(await migrator().backfills.list()).toMatchObject([{ state: "PAUSED", isRunning: false }]);
  expect(await migrator().backfills.run()).toEqual([]);
  expect(await migrator().migrate()).toMatchObject({ heldBack: { backfill: "PAUSED" } });
  expect(await migrator().backfills.cancel("0001_fill")).toMatchObject({
    state: "CANCELED",
  });
  expect(await migrator().backfills.resume("0001_fill")).toMatchObject({
    state: "PENDING",
  });
  expect(await migrator().backfills.run()).toEqual([{ tag: "0001_fill", end: "done" }]);
  expect(await counts()).toEqual([{ n: 1, rows: 60_000 }]);
  await expect(migrator().backfills.pause("0001_fill")).rejects.toMatchObject({
    code: "usage",
    fact: "The backfill 0001_fill is done, after 60000 rows.",
  });
  await expect(migrator().backfills.pause("0007_other")).rejects.toMatchObject({
    code: "usage",
    message:
      "There is no backfill 0007_other.\nNothing was written. Those that were started: 0001_fill.",
  });
});

test("one that failed is not tried again by itself, and holds back; resumed it is", async () => {
  await define();
  await migrator().migrate();
  await database.sql`alter table people add constraint low check (n < 1 or id <> 7)`;
  expect(await migrator().backfills.run()).toMatchObject([
    {
      tag: "0001_fill",
      end: "failed",
      error: expect.stringContaining("id = 7: new row for relation"),
    },
  ]);
  expect(await migrator().backfills.list()).toMatchObject([
    { state: "FAILED", quarantined: 1, error: { sqlState: "23514" } },
  ]);
  expect(await migrator().backfills.run()).toEqual([]);
  expect(await migrator().migrate()).toMatchObject({ heldBack: { backfill: "FAILED" } });
  await database.sql`alter table people drop constraint low`;
  await migrator().backfills.resume("0001_fill");
  expect(await migrator().backfills.run()).toEqual([{ tag: "0001_fill", end: "done" }]);
  expect(await counts()).toEqual([{ n: 1, rows: 60_000 }]);
});

test("a file that was edited after its migration was applied is refused, and one that is gone", async () => {
  await define();
  await migrator().migrate();
  await define(", maxQuarantined: 1");
  await expect(migrator().backfills.run()).rejects.toMatchObject({ code: "checksum_mismatch" });
  const older = new DatabaseMigrator({ url: database.url, history: [] });
  await expect(older.backfills.run()).rejects.toMatchObject({
    code: "missing_file",
    fact: "The database has a backfill 0001_fill, and the given history has no such migration.",
  });
  await define();
  expect(await migrator().backfills.run()).toEqual([{ tag: "0001_fill", end: "done" }]);
});

test("taken back and applied again it begins anew", async () => {
  await database.sql`create table others (id int primary key, n int not null default 0)`;
  await database.sql`insert into others select i from generate_series(1, 200) i`;
  const definition = defineBackfill({ table: "others", set: "n = n + 1" });
  const step = { definition, version: "1" };
  const history = [{ tag: "0001_a", sql: "", down: "update others set n = 0", step }];
  const given = new DatabaseMigrator({ url: database.url, history });
  await given.migrate({ allowExisting: true });
  await given.rollback({ steps: 1, allowDataLoss: true, database: database.name });
  expect(await given.backfills.list()).toEqual([]);
  await given.migrate({ allowExisting: true });
  expect(await database.sql`select n, count(*)::int as rows from others group by n`).toEqual([
    { n: 1, rows: 200 },
  ]);
});
