import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { stepText, writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_t":
    "create table t (id int primary key, b bytea, d date, ts timestamptz, f float8, x text);",
  "0001_fill": "select 1;",
  "0002_more": "create table more (id int);",
});
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const run = async (body: string) => {
  await writeStep(folder.dir, "0001_fill", stepText(body));
  return migrator().migrate();
};
const rowsOf = () => database.sql`select x from t order by id`;

test("values come as they are, whatever the role's settings make of their texts", async () => {
  await database.sql.unsafe(`do $$ begin
    execute format('alter database %I set datestyle = ''SQL, DMY''', current_database());
    execute format('alter database %I set bytea_output = escape', current_database());
    execute format('alter database %I set extra_float_digits = -10', current_database());
  end $$`);
  await run(`await ctx.sql.query("insert into t (id, b, d, ts, f) values (1, '\\\\x00ff41', '2020-03-02', '2020-03-02 10:00+00', 0.1234567890123456)");
    const [row] = await ctx.sql.query("select b, d, ts, f from t");
    await ctx.sql.query("update t set x = $1", [JSON.stringify([row.b.toString("hex"), row.d, row.ts, row.f])]);`);
  expect(await rowsOf()).toEqual([
    {
      x: JSON.stringify([
        "00ff41",
        "2020-03-02T00:00:00.000Z",
        "2020-03-02T10:00:00.000Z",
        0.1234567890123456,
      ]),
    },
  ]);
});

test("a date that a step writes as text is read in the order of the database", async () => {
  await database.sql.unsafe(`do $$ begin
    execute format('alter database %I set datestyle = ''SQL, DMY''', current_database());
  end $$`);
  await run(`await ctx.sql.query("insert into t (id, d) values (1, '02/03/2020')");`);
  expect(await database.sql`select to_char(d, 'YYYY-MM-DD') as d from t`).toEqual([
    { d: "2020-03-02" },
  ]);
});

test.each([
  "new Uint8Array([0, 255, 65]).buffer",
  "new DataView(new Uint8Array([0, 255, 65]).buffer)",
  "new Uint8ClampedArray([0, 255, 65])",
  "Buffer.from([0, 255, 65])",
])("bytes are written as bytes: %s", async (bytes) => {
  await run(`await ctx.sql.query("insert into t (id, b) values (1, $1)", [${bytes}]);`);
  expect(await database.sql`select encode(b, 'hex') as b from t`).toEqual([{ b: "00ff41" }]);
});

test.each([
  "new Map([[1, 2]])",
  "new Set([1])",
  "new Date(NaN)",
  "() => 1",
  "undefined",
  "Symbol('x')",
])("what PostgreSQL has no value for is refused: %s", async (value) => {
  await expect(
    run(`await ctx.sql.query("insert into t (id, x) values (1, $1)", [${value}]);`),
  ).rejects.toMatchObject({ code: "migration_failed" });
});

test.each([
  ["set role", `await ctx.sql.query("set role pg_read_all_data");`],
  ["set search_path", `await ctx.sql.query("set search_path to information_schema");`],
  ["listen", `await ctx.sql.query("listen news"); await ctx.sql.query("notify news, 'x'");`],
  ["advisory lock", `await ctx.sql.query("select pg_advisory_lock(7)");`],
  ["temp table", `await ctx.sql.query("create temp table more (id int)");`],
  [
    "cursor",
    `await ctx.sql.query("declare c cursor with hold for select 1"); await ctx.sql.query("fetch c");`,
  ],
  ["prepare", `await ctx.sql.query("prepare p as select 1"); await ctx.sql.query("execute p");`],
  ["session authorization", `await ctx.sql.query("set session authorization pg_read_all_data");`],
  [
    "big result",
    `const rows = await ctx.sql.query("select i, repeat('x', 1000) as x from generate_series(1, 50000) i"); if (rows.length !== 50000) throw new Error("short");`,
  ],
  [
    "two at once",
    `await Promise.all([ctx.sql.query("create table a1 (id int primary key)"), ctx.sql.query("insert into a1 values (1)"), ctx.sql.query("insert into a1 values (2)")]);`,
  ],
])("goes on after %s", async (_name, body) => {
  const { applied } = await run(body);
  expect(applied.map(({ tag }) => tag)).toEqual(["0000_t", "0001_fill", "0002_more"]);
  expect(
    await database.sql`select n.nspname::text as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace where relname = 'more' and relkind = 'r'`,
  ).toEqual([{ schema: "public" }]);
});

test("queries go in the order in which they were asked, also where one of them is known and another is not", async () => {
  await run(`await ctx.sql.query("insert into t (id, x) values ((select count(*) from t), $1)", ["first"]);
    await Promise.all([
      ctx.sql.query("insert into t (id, x) values ((select count(*) from t), ($1))", ["second"]),
      ctx.sql.query("insert into t (id, x) values ((select count(*) from t), $1)", ["third"]),
    ]);`);
  expect(await rowsOf()).toEqual([{ x: "first" }, { x: "second" }, { x: "third" }]);
});

test("COPY to the client is refused", async () => {
  await expect(run(`await ctx.sql.query("copy t to stdout");`)).rejects.toMatchObject({
    code: "migration_failed",
  });
});

test("what formatters change does not count", async () => {
  const versions = [
    `export default { "a": 1, b: "x", 'c-d': [1, 2] };\n`,
    `export default {\n  a: 1,\n  "b": 'x',\n  "c-d": [\n    1,\n    2,\n  ],\n}\n`,
  ];
  const sums = [];
  for (const text of versions) {
    await writeFile(join(folder.dir, "values.ts"), text);
    await writeStep(
      folder.dir,
      "0001_fill",
      `import values from "./values.ts";\n${stepText("void values;")}`,
    );
    sums.push(
      (await migrator().status()).migrations.map((m) => ("checksum" in m ? m.checksum : m)),
    );
  }
  expect(sums[0]).toEqual(sums[1]);
});

test("a project without the package can have a backfill", async () => {
  await folder.write("0001_fill", "alter table t add column n int; insert into t (id) values (1);");
  await writeStep(
    folder.dir,
    "0001_fill",
    `import { defineBackfill, setNotNull } from "tidemark/steps";
export default defineBackfill({ table: "t", set: "n = 1", finalize: setNotNull("t", "n") });\n`,
  );
  await migrator().migrate();
  expect(await database.sql`select n from t`).toEqual([{ n: 1 }]);
});
