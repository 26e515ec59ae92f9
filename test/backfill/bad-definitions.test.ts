import { expect, test } from "vitest";
import { DatabaseMigrator, type MigrateError } from "../../src/db/migrate/index.ts";
import { backfillText } from "../helpers/backfill.ts";
import { writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_people": `create table people (id int primary key, name text, n int not null default 0, code text not null unique);
    insert into people (id, code) select i, 'c' || i from generate_series(1, 300) i;
    create table loose (id int, code text not null unique);
    create table bare (id int);
    create view seen as select * from people;`,
  "0001_fill": "select 1;",
});

async function failure(definition: string): Promise<MigrateError> {
  await writeStep(folder.dir, "0001_fill", backfillText(definition));
  return new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate().then(
    () => expect.unreachable("it did not fail"),
    (error) => error,
  );
}

/** Refused before anything runs. */
test.each([
  [`set: "n = 1"`, "has no `table`, which is a table's name"],
  [`table: "people"`, "has neither `set` nor `run`"],
  [`table: "people", set: "n = 1", run: () => {}`, "has both `set` and `run`"],
  [`table: "people", set: 7`, "has 7 as `set`, not the SET list of an UPDATE"],
  [
    `table: "people", set: "n = 1", key: []`,
    "has an array as `key`, not the name of a column, or a list of them",
  ],
  [`table: "people", set: "n = 1", batchSize: 5`, "has batchSize, which a backfill does not know"],
  [
    `table: "people", set: "n = 1", batch: { size: 0 }`,
    "has 0 as `batch.size`, not a number from 1",
  ],
  [
    `table: "people", set: "n = 1", batch: { rows: 5 }`,
    "has batch.rows, which a backfill does not know",
  ],
  [
    `table: "people", set: "n = 1", batch: { min: 9, max: 3 }`,
    "has batches of 1000 rows, from 9 to 3: the first must lie between the others",
  ],
  [
    `table: "people", set: "n = 1", hours: { from: "22", to: "06:00" }`,
    'has the text "22" as `hours.from`, not a time as HH:MM',
  ],
  [
    `table: "people", set: "n = 1", hours: { from: "22:00", to: "06:00", timeZone: "Mars" }`,
    'has the text "Mars" as `hours.timeZone`, not the name of a time zone',
  ],
  [
    `table: "people", set: "n = 1", maxQuarantined: 2`,
    "has 2 as `maxQuarantined`, not a share from 0 to 1",
  ],
])("defineBackfill({ %s })", async (definition, problem) => {
  const { code, fact, outcome } = await failure(definition);
  expect([code, outcome]).toEqual(["history_invalid", "nothing-run"]);
  expect(fact).toContain(`0001_fill.ts defines a backfill that ${problem}.`);
  expect(await database.sql`select to_regclass('people') as people`).toEqual([{ people: null }]);
});

/** Found when its migration runs: what came before it may make the table. */
test.each([
  [`table: "nobody", set: "n = 1"`, "There is no table nobody."],
  [`table: "seen", set: "n = 1"`, "seen is not a table."],
  [
    `table: "bare", set: "id = 1"`,
    "public.bare has no primary key, by which a backfill goes through it.",
  ],
  [`table: "loose", set: "id = 1"`, "public.loose has no primary key"],
  [`table: "people", key: "nn", set: "n = 1"`, "public.people has no column nn."],
  [`table: "people", key: "n", set: "n = 1"`, "(n) is not a key of public.people"],
])("a table or a key that is of no use: { %s }", async (definition, fact) => {
  const error = await failure(definition);
  expect(error.code).toBe("migration_failed");
  expect(error.message).toContain(fact);
  expect(await database.sql`select count(*)::int as n from people where n <> 0`).toEqual([
    { n: 0 },
  ]);
});

test("another unique key is used where it is named", async () => {
  await writeStep(
    folder.dir,
    "0001_fill",
    backfillText(`table: "people", key: "code", set: "n = n + 1", batch: { size: 50 }`),
  );
  await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
  expect(await database.sql`select n, count(*)::int as rows from people group by n`).toEqual([
    { n: 1, rows: 300 },
  ]);
});

/** Code of a batch is watched as a step is: no row is put aside for it. */
test.each([
  ["hangs", "run: () => new Promise(() => {}), batch: { longestMs: 100 }", "did not end within"],
  ["leaves its transaction", `run: ({ sql }) => sql.query("commit")`, "COMMIT"],
  ["forgets to await", `run: ({ sql }) => { sql.query("select pg_sleep(1)"); }`, "still running"],
])("code of a batch that %s ends the backfill", async (_, run, text) => {
  const { code, message } = await failure(`table: "people", ${run}`);
  expect(code).toBe("migration_failed");
  expect(message).toContain(text);
  expect(await database.sql`select count(*)::int as n from tidemark.backfill_rows`).toEqual([
    { n: 0 },
  ]);
});
