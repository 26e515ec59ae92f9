import { expect, test } from "vitest";
import type { CallOptions, MigrateError } from "../../src/db/migrate/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { type Backfill, defineBackfill, setNotNull } from "../../src/db/steps/index.ts";
import { type BackfillSeen, backfillMigrator } from "../helpers/backfill.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase();

const TAG = "0001_fill";
const people = (rows: number) =>
  database.sql.unsafe(`create table people (id bigint primary key, name text, n int not null default 0);
    insert into people select i * 3, 'p' || i from generate_series(1, ${rows}) i`);
const counts = () =>
  database.sql`select n, count(*)::int as rows from people group by n order by n`;
const row = async () =>
  (await database.sql`select * from tidemark.backfills where tag = ${TAG}`)[0];
const fill = (backfill: Backfill, call: CallOptions = {}) =>
  backfillMigrator(database.url, { [TAG]: backfill }).migrate({ ...call, allowExisting: true });
const failure = (work: Promise<unknown>): Promise<MigrateError> =>
  work.then(
    () => expect.unreachable("it did not fail"),
    (error) => error,
  );

/** Counts each row, and does something between the batches. */
function counting(between: (batch: number) => void | Promise<void>, size = 100): Backfill {
  let batch = 0;
  return {
    table: "people",
    batch: { size, max: size },
    run: async ({ sql, rows }) => {
      await sql.query(`update people t set n = n + 1 where ${rows}`);
      batch += 1;
      await between(batch);
    },
  };
}

test("each row is filled once, in batches that commit with their checkpoint", async () => {
  await people(10_000);
  const { applied } = await fill({ table: "people", set: "n = t.n + 1", batch: { size: 100 } });
  expect(applied.map(({ tag }) => tag)).toEqual([TAG]);
  expect(await counts()).toEqual([{ n: 1, rows: 10_000 }]);
  const done = await row();
  expect(done).toMatchObject({ state: "DONE", rows_done: "10000", position: ["30000"] });
  expect(done).toMatchObject({ run_id: null, key_columns: ["id"], table_name: "public.people" });
  expect(Number(done?.batches)).toBeGreaterThan(2);
});

test("the size of the batches grows to what the target time allows", async () => {
  await people(30_000);
  await fill({
    table: "people",
    set: "n = t.n + 1",
    batch: { size: 10, max: 5_000, targetMs: 2_000 },
  });
  expect(await row()).toMatchObject({ batch_size: 5_000 });
  expect(Number((await row())?.batches)).toBeLessThan(40);
});

test("goes by a key of several columns, in its order", async () => {
  await database.sql.unsafe(`create table parts (org text, id uuid, "Line" int, n int not null default 0,
      primary key (org, id, "Line"));
    insert into parts select 'o' || i % 7, gen_random_uuid(), i from generate_series(1, 5000) i`);
  await fill({ table: "parts", set: "n = n + 1", batch: { size: 33, max: 33 } });
  expect(await database.sql`select n, count(*)::int as rows from parts group by n`).toEqual([
    { n: 1, rows: 5_000 },
  ]);
});

test("fills only the rows that the condition names, and those that came behind its back", async () => {
  await database.sql.unsafe(`create table notes (id uuid primary key default gen_random_uuid(), body text, size int);
    insert into notes (body) select 'b' || i from generate_series(1, 900) i;
    update notes set size = -1 where body like 'b9%'`);
  let added = 0;
  await fill({
    table: "notes",
    where: "size is null",
    batch: { size: 50, max: 50 },
    run: async ({ sql, rows }) => {
      await sql.query(`update notes t set size = length(body) where ${rows}`);
      added += 1;
      if (added > 5) return;
      await database.sql`insert into notes (id, body) values (${`00000000-0000-0000-0000-00000000000${added}`}, 'late')`;
    },
  });
  expect(
    await database.sql`select count(*) filter (where size is null)::int as left, count(*) filter (where size = -1)::int as kept from notes`,
  ).toEqual([{ left: 0, kept: 12 }]);
});

test("rows that cannot be filled are found by halves and put aside with their keys, the others are filled", async () => {
  await people(2_000);
  await database.sql`update people set name = '' where id in (300, 303, 4500)`;
  const definition = { table: "people", set: "n = n + 10 / length(name)", batch: { size: 500 } };
  const { message, code, recorded } = await failure(fill(definition));
  expect(code).toBe("migration_failed");
  expect(recorded).toMatchObject({ sqlState: "22012" });
  expect(message).toContain(`3 rows of public.people could not be filled:
  id = 300: division by zero
  id = 303: division by zero
  id = 4500: division by zero`);
  expect(message).toContain("What was filled is committed, and is not filled again.");
  expect(await database.sql`select count(*)::int as rows from people where n = 0`).toEqual([
    { rows: 3 },
  ]);
  expect(
    await database.sql`select key, tries, error->>'sqlState' as code from tidemark.backfill_rows order by 1`,
  ).toEqual(["300", "303", "4500"].map((key) => ({ key: [key], tries: 2, code: "22012" })));
  expect(await row()).toMatchObject({ state: "FAILED", run_id: null });
  // With the cause gone, only these are filled.
  const before = await database.sql`select sum(n)::int as n from people`;
  await database.sql`update people set name = 'x' where id in (300, 303, 4500)`;
  await fill(definition);
  expect(await database.sql`select count(*)::int as rows from tidemark.backfill_rows`).toEqual([
    { rows: 0 },
  ]);
  expect(await database.sql`select sum(n)::int as n from people`).toEqual([
    { n: Number(before[0]?.n) + 30 },
  ]);
});

test("gives up where more rows fail than its share allows, long before the end", async () => {
  await people(5_000);
  const definition = { table: "people", set: "n = 1 / (n * 0)", batch: { size: 64 } };
  const { message } = await failure(fill(definition));
  expect(message).toContain(
    "10 of 10 rows failed, more than maxQuarantined allows (0.01). The last one, id = 30: division by zero",
  );
});

test("a column that is not there is no matter of rows: it fails at once", async () => {
  await people(50);
  const { message } = await failure(fill({ table: "people", set: "nn = 1" }));
  expect(message).toContain('column "nn" of relation "people" does not exist');
  expect(await database.sql`select count(*)::int as n from tidemark.backfill_rows`).toEqual([
    { n: 0 },
  ]);
});

test("told to stop, it keeps what it has committed, and goes on from there", async () => {
  await people(3_000);
  const stop = new AbortController();
  const definition = counting((batch) => {
    if (batch === 5) stop.abort();
  });
  const { code } = await failure(fill(definition, { signal: stop.signal }));
  expect(code).toBe("canceled");
  const stopped = await row();
  expect(stopped).toMatchObject({ state: "PENDING", run_id: null });
  expect(["400", "500"]).toContain(stopped?.rows_done);
  await fill(definition);
  expect(await counts()).toEqual([{ n: 1, rows: 3_000 }]);
});

test("waits while a person has paused it, fails when it was canceled, and goes on from its checkpoint", async () => {
  await people(1_000);
  const seen: BackfillSeen[] = [];
  const wants = async (wanted: string) => {
    await database.sql`update tidemark.backfills set wanted = ${wanted}`;
  };
  const definition = counting(async (batch) => {
    if (batch === 3) await wants("pause");
    if (batch === 6) await wants("cancel");
  });
  const resume = async (progress: BackfillSeen) => {
    seen.push(progress);
    if (progress.reason?.startsWith("it was paused")) {
      await database.sql`update tidemark.backfills set state = 'PENDING', wanted = null`;
    }
  };
  const { message } = await failure(
    fill(definition, {
      onProgress: (progress) => {
        if (progress.kind === "backfill") void resume(progress);
      },
    }),
  );
  expect(seen.map(({ reason }) => reason)).toContain(
    `it was paused: \`tidemark backfill resume ${TAG}\``,
  );
  expect(message).toContain("The backfill of public.people was canceled by a person.");
  await fill(definition);
  expect(await counts()).toEqual([{ n: 1, rows: 1_000 }]);
});

test("waits while somebody else waits for a lock on the table, and says why", async () => {
  await people(1_000);
  const reader = await database.sql.reserve();
  await reader`begin`;
  await reader`select count(*) from people`;
  const locker = database.sql.begin((sql) => sql`lock table people in access exclusive mode`);
  await expect
    .poll(
      () =>
        database.sql`select count(*)::int as n from pg_locks where not granted and relation = 'people'::regclass`,
    )
    .toEqual([{ n: 1 }]);
  const seen: string[] = [];
  await fill(
    { table: "people", set: "n = n + 1" },
    {
      onProgress: (progress) => {
        if (progress.kind !== "backfill" || progress.reason === null || seen.length > 0) return;
        seen.push(progress.reason);
        void reader`rollback`.execute();
      },
    },
  );
  await locker;
  reader.release();
  expect(seen).toEqual(["1 session waits for a lock on the table"]);
  expect(await counts()).toEqual([{ n: 1, rows: 1_000 }]);
});

test("a batch that takes too long is rolled back and tried again with half of its rows", async () => {
  await people(400);
  await fill({
    table: "people",
    set: "n = n + 1, name = name || pg_sleep(0.002)",
    batch: { size: 400, targetMs: 100, longestMs: 300 },
  });
  expect(await counts()).toEqual([{ n: 1, rows: 400 }]);
  expect(Number((await row())?.batch_size)).toBeLessThan(150);
});

test("it rests for as long as its nice ratio says, and counts that in what is left", async () => {
  await people(60);
  const started = performance.now();
  await fill({
    table: "people",
    set: "n = n + 1, name = name || pg_sleep(0.001)",
    batch: { size: 20, max: 20, niceRatio: 20 },
  });
  const tookMs = performance.now() - started;
  expect(await counts()).toEqual([{ n: 1, rows: 60 }]);
  // Of each batch but the last: 20 ms of work at the least, and twenty times that of rest.
  const busyMs = Number((await row())?.busy_ms);
  expect(busyMs).toBeGreaterThan(2 * 20 * 21);
  expect(tookMs).toBeGreaterThan(busyMs);
});

test("finalize runs when all rows are filled, a transaction each, and once", async () => {
  await people(500);
  await database.sql`alter table people add column size int`;
  const finalize = setNotNull("people", "size");
  const broken = { table: "people", set: "size = length(t.name)" };
  const { message } = await failure(fill({ ...broken, finalize: [...finalize, "select 1 / 0"] }));
  expect(message).toContain("Statement 5 of finalize failed: division by zero\nselect 1 / 0");
  expect(
    await database.sql`select attnotnull as "isNotNull" from pg_attribute where attrelid = 'people'::regclass and attname = 'size'`,
  ).toEqual([{ isNotNull: true }]);
  expect(
    await database.sql`select conname from pg_constraint where conrelid = 'people'::regclass and contype = 'c'`,
  ).toEqual([]);
  // What is done is not done again: it would fail.
  await fill({ ...broken, finalize: [...finalize, "select 1"] });
  expect(await row()).toMatchObject({ state: "DONE", finalized: 5 });
});

test("in the background it is registered with its migration's record, which does not wait", async () => {
  await people(500);
  await fill({ table: "people", set: "n = n + 1", background: true });
  expect(await row()).toMatchObject({ state: "PENDING", background: true, rows_done: "0" });
  expect(await counts()).toEqual([{ n: 0, rows: 500 }]);
});

test("a later migration that requires it is held back until it is done, with all that come after it", async () => {
  await people(500);
  const history = (background: boolean) => [
    {
      tag: "0001_fill",
      sql: "",
      step: {
        definition: defineBackfill({ table: "people", set: "n = n + 1", background }),
        version: "1",
      },
    },
    { tag: "0002_other", sql: "create table other (id int)" },
    {
      tag: "0003_use",
      sql: "-- tidemark: requires 0001_fill\nalter table people add check (n > 0)",
    },
    { tag: "0004_last", sql: "create table last (id int)" },
  ];
  const migrator = new DatabaseMigrator({ url: database.url, history: history(true) });
  const report = await migrator.migrate({ allowExisting: true });
  expect(report.applied.map(({ tag }) => tag)).toEqual(["0001_fill", "0002_other"]);
  expect(report.heldBack).toEqual({ tag: "0003_use", requires: "0001_fill", backfill: "PENDING" });
  const { pending, migrations } = await migrator.status();
  expect(pending).toBe(2);
  expect(migrations.map(({ flags }) => flags)).toEqual([[], [], ["HELD_BACK"], []]);
  expect((await migrator.migrate()).applied).toEqual([]);
});

test("one that waits for an inline backfill of the same run runs with it", async () => {
  await people(500);
  const history = [
    {
      tag: "0001_fill",
      sql: "",
      step: { definition: defineBackfill({ table: "people", set: "n = n + 1" }), version: "1" },
    },
    {
      tag: "0002_use",
      sql: "-- tidemark: requires 0001_fill\nalter table people add check (n > 0)",
    },
  ];
  const migrator = new DatabaseMigrator({ url: database.url, history });
  const { applied, heldBack } = await migrator.migrate({ allowExisting: true });
  expect([applied.map(({ tag }) => tag), heldBack]).toEqual([["0001_fill", "0002_use"], undefined]);
});
