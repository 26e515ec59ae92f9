import { expect, test } from "vitest";
import type { CallOptions, MigrateError } from "../../src/db/migrate/index.ts";
import type { Backfill } from "../../src/db/steps/index.ts";
import { backfillMigrator } from "../helpers/backfill.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase();

const TAG = "0001_fill";
const people = (rows: number) =>
  database.sql.unsafe(`create table people (id bigint primary key, name text, n int not null default 0);
    insert into people select i * 3, 'p' || i from generate_series(1, ${rows}) i`);
const counts = (table = "people") =>
  database.sql.unsafe(`select n, count(*)::int as rows from ${table} group by n order by n`);
const row = async () =>
  (await database.sql`select * from tidemark.backfills where tag = ${TAG}`)[0];
const fill = (backfill: Backfill, call: CallOptions = {}) =>
  backfillMigrator(database.url, { [TAG]: backfill }).migrate({ ...call, allowExisting: true });
const failure = (work: Promise<unknown>): Promise<MigrateError> =>
  work.then(
    () => expect.unreachable("it did not fail"),
    (error) => error,
  );

test("where the server has lost its statistics, it waits for no vacuum: none would come", async () => {
  await people(30_000);
  await database.sql`alter table people set (autovacuum_enabled = off)`;
  await database.sql`analyze people`;
  const statistics = () =>
    database.sql`select n_live_tup::int as live, n_dead_tup::int as dead from pg_stat_user_tables where relname = 'people'`;
  await database.sql`select pg_stat_force_next_flush()`;
  await expect.poll(statistics, { timeout: 15_000 }).not.toEqual([{ live: 0, dead: 0 }]);
  await database.sql`select pg_stat_reset()`;
  await database.sql.begin(async (sql) => {
    await sql`update people set name = name || 'x'`;
    await sql`select pg_stat_force_next_flush()`;
  });
  await expect.poll(statistics, { timeout: 15_000 }).toEqual([{ live: 0, dead: 30_000 }]);
  await fill({ table: "people", set: "n = n + 1" }, { signal: AbortSignal.timeout(10_000) });
  expect(await counts()).toEqual([{ n: 1, rows: 30_000 }]);
});

test("canceled while it is paused and a migrate waits for it, it does not run on", async () => {
  await people(1000);
  const other = backfillMigrator(database.url, { [TAG]: { table: "people", set: "n = 1" } });
  let batch = 0;
  let isCanceled = false;
  const { message } = await failure(
    fill(
      {
        table: "people",
        batch: { size: 100, max: 100 },
        run: async ({ sql, rows }) => {
          await sql.query(`update people t set n = n + 1 where ${rows}`);
          batch += 1;
          if (batch === 3) await database.sql`update tidemark.backfills set wanted = 'pause'`;
        },
      },
      {
        onProgress: (progress) => {
          if (
            progress.kind !== "backfill" ||
            !progress.reason?.startsWith("it was paused") ||
            isCanceled
          )
            return;
          isCanceled = true;
          void other.backfills.cancel(TAG);
        },
      },
    ),
  );
  expect(message).toContain("was canceled by a person");
  expect((await row())?.state).toBe("CANCELED");
});

test("a pause that its worker did not live to obey is obeyed by the next", async () => {
  await people(1000);
  const migrator = backfillMigrator(database.url, {
    [TAG]: { table: "people", set: "n = 1", background: true },
  });
  await migrator.migrate({ allowExisting: true });
  await database.sql`update tidemark.backfills set state = 'RUNNING', run_id = gen_random_uuid(), expires_at = now() + interval '1 minute'`;
  expect(await migrator.backfills.pause(TAG)).toMatchObject({ wanted: "pause", state: "RUNNING" });
  await database.sql`update tidemark.backfills set expires_at = now() - interval '1 minute'`;
  expect(await migrator.backfills.run()).toEqual([{ tag: TAG, end: "paused" }]);
  expect(await row()).toMatchObject({ state: "PAUSED", wanted: null, rows_done: "0" });
  await migrator.backfills.resume(TAG);
  expect(await migrator.backfills.run()).toEqual([{ tag: TAG, end: "done" }]);
});

test("a row put aside whose second try does not get its lock is tried on", async () => {
  await people(100);
  await database.sql`update people set name = '' where id = 30`;
  const definition: Backfill = {
    table: "people",
    set: "n = n + 10 / length(name)",
    batch: { longestMs: 200 },
  };
  await failure(fill(definition));
  await database.sql`update people set name = 'x' where id = 30`;
  const locker = await database.sql.reserve();
  await locker`begin`;
  await locker`select from people where id = 30 for update`;
  const run = fill(definition, { signal: AbortSignal.timeout(15_000) });
  await expect
    .poll(() => database.sql`select count(*)::int as n from pg_locks where not granted`, {
      interval: 5,
      timeout: 5000,
    })
    .toEqual([{ n: 1 }]);
  await expect
    .poll(() => database.sql`select count(*)::int as n from pg_locks where not granted`, {
      interval: 5,
      timeout: 5000,
    })
    .toEqual([{ n: 0 }]);
  await locker`rollback`;
  locker.release();
  await run;
  expect(await row()).toMatchObject({ state: "DONE" });
});

test("a row that somebody has locked is waited for, however long: it is not what takes too long", async () => {
  await people(100);
  const locker = await database.sql.reserve();
  await locker`begin`;
  await locker`select from people where id = 30 for update`;
  const reasons = new Set<string | null>();
  const run = fill(
    { table: "people", set: "n = n + 1", batch: { longestMs: 100 } },
    {
      onProgress: (progress) => {
        if (progress.kind === "backfill") reasons.add(progress.reason);
      },
    },
  );
  await expect
    .poll(() => [...reasons], { timeout: 10_000 })
    .toContain("canceling statement due to lock timeout");
  await locker`rollback`;
  locker.release();
  await run;
  expect(await counts()).toEqual([{ n: 1, rows: 100 }]);
});

test.each([
  ["before the first", "id <= 399990"],
  ["between others", "id between 8 and 399990"],
])(
  "where deleted rows lie %s, it looks past them, however much longer than a batch that takes",
  async (_where, deleted) => {
    await database.sql.unsafe(`create table people (id bigint primary key, n int not null default 0)
    with (autovacuum_enabled = off);
    insert into people select i from generate_series(1, 400000) i;
    delete from people where ${deleted}`);
    await fill({
      table: "people",
      set: "n = n + 1",
      batch: { size: 5, longestMs: 20 },
      pauseWhen: { deadRows: 1e9 },
    });
    expect(await counts()).toEqual([{ n: 1, rows: expect.any(Number) }]);
  },
);
