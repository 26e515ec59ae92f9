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
const fill = (backfill: Backfill, call: CallOptions = {}) =>
  backfillMigrator(database.url, { [TAG]: backfill }).migrate({ ...call, allowExisting: true });
const failure = (work: Promise<unknown>): Promise<MigrateError> =>
  work.then(
    () => expect.unreachable("it did not fail"),
    (error) => error,
  );

test("a condition that still holds for what was filled fills no row twice", async () => {
  await database.sql.unsafe(`create table notes (id uuid primary key default gen_random_uuid(), active boolean not null default true, n int not null default 0);
    insert into notes select from generate_series(1, 900)`);
  await fill({
    table: "notes",
    where: "t.active",
    set: "n = n + 1",
    batch: { size: 100, max: 100 },
  });
  expect(await counts("notes")).toEqual([{ n: 1, rows: 900 }]);
});

test("code whose condition still holds for what was filled fills no row twice", async () => {
  await database.sql.unsafe(`create table notes (id uuid primary key default gen_random_uuid(), active boolean not null default true, n int not null default 0);
    insert into notes select from generate_series(1, 900)`);
  await fill({
    table: "notes",
    where: "t.active",
    run: async ({ sql, rows }) => {
      await sql.query(`update notes t set n = n + 1 where ${rows}`);
    },
    batch: { size: 100, max: 100 },
  });
  expect(await counts("notes")).toEqual([{ n: 1, rows: 900 }]);
});

test("one that failed and was given another key does not go on from the first one's position", async () => {
  await people(1000);
  await database.sql.unsafe(
    `update people set name = 'p' || (10000 - id); alter table people alter name set not null; create unique index on people (name)`,
  );
  await failure(
    fill({ table: "people", set: "n = 1 / (2997 - t.id)::int", batch: { size: 50, max: 50 } }),
  );
  const { message } = await failure(fill({ table: "people", key: "name", set: "n = 1" }));
  expect(message).toContain("name");
});

test("keys are kept as they are, whatever the role's settings make of them", async () => {
  await database.sql.unsafe(`create table points (x double precision primary key, n int not null default 0);
    insert into points select 0.1 + i * 1e-12 from generate_series(1, 1000) i;
    do $$ begin execute format('alter database %I set extra_float_digits = -10', current_database()); end $$;
    do $$ begin execute format('alter database %I set intervalstyle = sql_standard', current_database()); end $$`);
  await fill({ table: "points", set: "n = n + 1", batch: { size: 7, max: 7 } });
  expect(await counts("points")).toEqual([{ n: 1, rows: 1000 }]);
});

test("dates in a set are read in the order that the database reads them", async () => {
  await database.sql.unsafe(`create table visits (id int primary key, text text, day date);
    insert into visits values (1, '02/03/2020');
    do $$ begin execute format('alter database %I set datestyle = ''SQL, DMY''', current_database()); end $$`);
  await fill({ table: "visits", set: "day = text::date" });
  expect(await database.sql`select to_char(day, 'YYYY-MM-DD') as day from visits`).toEqual([
    { day: "2020-03-02" },
  ]);
});

test("a unique index that tells apart what the column does not is no key", async () => {
  await database.sql.unsafe(`create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table words (word text collate ci not null, n int not null default 0);
    create unique index words_c on words (word collate "C");
    insert into words select 'w' || lpad(i::text, 4, '0') from generate_series(1, 100) i;
    insert into words select 'W' || lpad(i::text, 4, '0') from generate_series(1, 100) i;`);
  const error = await fill({
    table: "words",
    key: "word",
    set: "n = n + 1",
    batch: { size: 3, max: 3 },
  }).catch((e: unknown) => e);
  const left = await database.sql`select count(*)::int as n from words where n = 0`;
  expect([left[0]?.n, String(error)]).toEqual([200, expect.stringContaining("not a key")]);
});
