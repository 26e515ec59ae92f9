import { expect, test } from "vitest";
import {
  type CallOptions,
  DatabaseMigrator,
  type MigrateError,
} from "../../src/db/migrate/index.ts";
import { type Backfill, defineBackfill } from "../../src/db/steps/index.ts";
import { backfillMigrator } from "../helpers/backfill.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase();

const TAG = "0001_fill";
const people = (rows: number) =>
  database.sql.unsafe(`create table people (id bigint primary key, name text, n int not null default 0);
    insert into people select i * 3, 'p' || i from generate_series(1, ${rows}) i`);
const counts = (table = "people") =>
  database.sql.unsafe(`select n, count(*)::int as rows from ${table} group by n order by n`);
const fill = (backfill: Backfill, call: CallOptions = {}) =>
  backfillMigrator(database.url, { [TAG]: backfill }).migrate({ ...call, allowExisting: true });
const failure = (work: Promise<unknown>): Promise<MigrateError> =>
  work.then(
    () => expect.unreachable("it did not fail"),
    (error) => error,
  );

test("one that failed and was given another table does not go on from the key of the first", async () => {
  await people(1000);
  await database.sql.unsafe(`create table persons (id bigint primary key, name text, n int not null default 0);
    insert into persons select i * 3, 'p' || i from generate_series(1, 1000) i`);
  await failure(
    fill({
      table: "people",
      set: "n = 1 / (300 - t.id)::int",
      batch: { size: 50, max: 50 },
      maxQuarantined: 0,
    }),
  );
  const { message } = await failure(fill({ table: "persons", set: "n = 1" }));
  expect(message).toContain("people");
});

test("one that failed at once and is sent to the background is run there", async () => {
  await people(100);
  await failure(fill({ table: "people", set: "nn = 1" }));
  const migrator = backfillMigrator(database.url, {
    [TAG]: { table: "people", set: "n = 1", background: true },
  });
  await migrator.migrate({ allowExisting: true });
  expect(await migrator.backfills.run()).toEqual([{ tag: TAG, end: "done" }]);
  expect(await counts()).toEqual([{ n: 1, rows: 100 }]);
});

test("code of a batch that goes on after an error is told of that error", async () => {
  await people(100);
  const { message } = await failure(
    fill({
      table: "people",
      run: async ({ sql, rows }) => {
        await sql.query(`update people t set nope = n + 1 where ${rows}`).catch(() => undefined);
      },
    }),
  );
  expect(message).toContain('column "nope"');
});

test("one backfill whose file is not what was applied keeps no other from running", async () => {
  await people(100);
  const definition = (set: string, table = "people") =>
    defineBackfill({ table, set, background: true });
  await database.sql`create table others (id int primary key, n int not null default 0)`;
  await database.sql`insert into others values (1)`;
  const history = (version: string) => [
    { tag: "0001_a", sql: "", step: { definition: definition("n = 1"), version } },
    { tag: "0002_b", sql: "", step: { definition: definition("n = 1", "others"), version: "1" } },
  ];
  await new DatabaseMigrator({ url: database.url, history: history("1") }).migrate({
    allowExisting: true,
  });
  const { code } = await failure(
    new DatabaseMigrator({ url: database.url, history: history("2") }).backfills.run(),
  );
  expect(code).toBe("checksum_mismatch");
  expect(await counts("others")).toEqual([{ n: 1, rows: 1 }]);
});
