import { expect, test } from "vitest";
import { DatabaseMigrator, type MigrateError } from "../../src/db/migrate/index.ts";
import { type Backfill, defineBackfill } from "../../src/db/steps/index.ts";
import { backfillMigrator } from "../helpers/backfill.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase();
const TAG = "0001_fill";
const fill = (backfill: Backfill) =>
  backfillMigrator(database.url, { [TAG]: backfill }).migrate({ allowExisting: true });
const failure = (work: Promise<unknown>): Promise<MigrateError> =>
  work.then(
    () => expect.unreachable("it did not fail"),
    (error) => error,
  );

test.each([
  [
    "partitioned",
    `create table filled (id int, at date, n int not null default 0, primary key (at, id)) partition by range (at);
    create table filled_1 partition of filled for values from ('2020-01-01') to ('2020-01-20');
    create table filled_2 partition of filled default;
    insert into filled select i, '2020-01-01'::date + i % 40 from generate_series(1, 200) i`,
  ],
  [
    "inherited, with keys that are there twice",
    `create table filled (id int primary key, n int not null default 0);
    create table child () inherits (filled);
    insert into filled (id) select i from generate_series(1, 200) i;
    insert into child (id) select i from generate_series(100, 300) i`,
  ],
  [
    "with a foreign key to itself and triggers",
    `create table filled (id int primary key, n int not null default 0, up int references filled on update cascade);
    create function touch() returns trigger language plpgsql as 'begin return new; end';
    create trigger touch before update on filled for each row execute function touch();
    insert into filled select i, 0, nullif(i - 1, 0) from generate_series(1, 200) i`,
  ],
  [
    "unlogged, with quoted names in another schema",
    `create schema "O'Neil";
    create unlogged table "O'Neil"."My ""Table""" ("Id;" int primary key, n int not null default 0);
    insert into "O'Neil"."My ""Table""" select i from generate_series(1, 200) i;
    create view filled as select * from "O'Neil"."My ""Table"""`,
    `"O'Neil"."My ""Table"""`,
  ],
  [
    "with row-level security that its owner is not under",
    `create table filled (id int primary key, n int not null default 0);
    alter table filled enable row level security;
    insert into filled select i from generate_series(1, 200) i`,
  ],
])("a table that is %s: each row once", async (_kind, before, table = "filled") => {
  await database.sql.unsafe(before);
  await fill({ table, set: "n = n + 1 -- once", batch: { size: 7, max: 7 } });
  expect(await database.sql`select distinct n from filled`).toEqual([{ n: 1 }]);
});

test("of 10,000 rows 100 are put aside, the others are filled, and once mended these too, once", async () => {
  await database.sql.unsafe(`create table filled (id int primary key, bad int not null, n int not null default 0);
    insert into filled select i, case when i % 100 = 50 then 0 else 1 end from generate_series(1, 10000) i`);
  const definition: Backfill = { table: "filled", set: "n = n + 1 / bad", maxQuarantined: 0.02 };
  const { message } = await failure(fill(definition));
  expect(message).toContain("100 rows of public.filled could not be filled");
  expect(
    await database.sql`select n, count(*)::int as rows from filled group by n order by n`,
  ).toEqual([
    { n: 0, rows: 100 },
    { n: 1, rows: 9_900 },
  ]);
  await database.sql`update filled set bad = 1`;
  await fill(definition);
  expect(await database.sql`select n, count(*)::int as rows from filled group by n`).toEqual([
    { n: 1, rows: 10_000 },
  ]);
});

test("code of a batch that leaves a role and settings behind changes nothing for the next", async () => {
  await database.sql.unsafe(`create table filled (id int primary key, n int not null default 0);
    insert into filled select i from generate_series(1, 200) i`);
  await fill({
    table: "filled",
    batch: { size: 50, max: 50 },
    run: async ({ sql, rows }) => {
      await sql.query(`update filled t set n = n + 1 where ${rows}`);
      await sql.query("set search_path to information_schema");
      await sql.query("set datestyle to 'German'");
      await sql.query("set role pg_read_all_data");
    },
  });
  expect(await database.sql`select n, count(*)::int as rows from filled group by n`).toEqual([
    { n: 1, rows: 200 },
  ]);
});

test("a table that is dropped while it is filled: the error names it", async () => {
  await database.sql.unsafe(`create table filled (id int primary key, n int not null default 0);
    insert into filled select i from generate_series(1, 200) i`);
  const { message } = await failure(
    fill({
      table: "filled",
      batch: { size: 50, max: 50 },
      pauseWhen: {},
      run: async ({ sql, rows }) => {
        await sql.query(`update filled t set n = n + 1 where ${rows}`);
        void database.sql`drop table filled`.execute().catch(() => undefined);
      },
    }),
  );
  expect(message).toContain('filled" does not exist');
});

test("a rollback stops its worker before it takes anything back, and nothing is filled behind it", async () => {
  await database.sql.unsafe(`create table gate ();
    create table filled (id int primary key, n int not null default 0);
    insert into filled select i from generate_series(1, 20000) i`);
  const gate = await database.sql.reserve();
  await gate`begin`;
  await gate`lock table gate`;
  let reverted: Promise<unknown> | undefined;
  const definition = defineBackfill({
    table: "filled",
    background: true,
    batch: { size: 50, max: 50 },
    run: async ({ sql, rows }) => {
      await sql.query(`update filled t set n = n + 1 where ${rows}`);
      reverted ??= migrator.rollback({ steps: 1, allowDataLoss: true });
    },
  });
  const history = [
    {
      tag: TAG,
      sql: "select 1",
      step: { definition, version: "1" },
      down: "update filled set n = 0 where n > 0;\nlock table gate;",
    },
  ];
  const migrator = new DatabaseMigrator({ url: database.url, history });
  await migrator.migrate({ allowExisting: true });
  expect(await migrator.backfills.run()).toEqual([]);
  await gate`rollback`;
  gate.release();
  expect(await reverted).toMatchObject({ outcome: "reverted" });
  expect(await database.sql`select distinct n from filled`).toEqual([{ n: 0 }]);
});
