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

test.each([
  { set: "n = 1; update people set n = 2" },
  { set: "n = 1 from people p where p.id = t.id; select 1 from people t" },
  { set: "n = n + 1", where: "true) or (true" },
  { set: "n = n + 1", where: "true); delete from people t where (true" },
  { set: "n = n + 1", where: "name is not null order by 1" },
])("SQL that is more than its place holds is refused before anything runs: %o", async (more) => {
  await people(30);
  const { code, outcome } = await failure(fill({ table: "people", ...more }));
  expect([code, outcome]).toEqual(["history_invalid", "nothing-run"]);
  expect(await counts()).toEqual([{ n: 0, rows: 30 }]);
});

test.each([
  "commit",
  "alter table people add column x int; commit; select 1",
  "create index concurrently i on people (n)",
  "vacuum people",
  "begin",
  "rollback",
])(
  "a finalize that leaves its transaction, or cannot run in one, is refused before anything runs: %s",
  async (finalize) => {
    await people(30);
    const { code, outcome } = await failure(fill({ table: "people", set: "n = 1", finalize }));
    expect([code, outcome]).toEqual(["history_invalid", "nothing-run"]);
    expect(await counts()).toEqual([{ n: 0, rows: 30 }]);
  },
);

test("a set that changes the key is refused", async () => {
  await people(30);
  const { code, message } = await failure(
    fill(
      { table: "people", set: "n = 1, id = t.id + 1000000" },
      { signal: AbortSignal.timeout(4000) },
    ),
  );
  expect([code, message]).toEqual([expect.anything(), expect.stringContaining("key")]);
  expect(await counts()).toEqual([{ n: 0, rows: 30 }]);
});

test.each([
  "-- tidemark: requires 0001_fill, 0000_x",
  "-- tidemark: requires 0001_fill -- because",
  "-- tidemark: requires",
  "-- tidemark: require 0001_fill",
  "--tidemark: Requires 0001_fill",
])("a line that asks to be held back and cannot be read is refused: %s", async (line) => {
  await people(10);
  const history = [
    {
      tag: "0001_fill",
      sql: "",
      step: {
        definition: defineBackfill({ table: "people", set: "n = n + 1", background: true }),
        version: "1",
      },
    },
    { tag: "0002_use", sql: `${line}\nalter table people drop column name` },
  ];
  const result = await new DatabaseMigrator({ url: database.url, history })
    .migrate({ allowExisting: true })
    .catch((e: unknown) => e);
  expect(result).toMatchObject({ code: "history_invalid" });
});
