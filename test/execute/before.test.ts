import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DatabaseMigrator, type MigratorOptions } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_users": "create table app.users (id integer references auth.users, name citext);",
});

const BEFORE = `create extension if not exists citext;
create schema if not exists app;
create schema if not exists auth;
set search_path to auth;
create table if not exists users (id integer primary key);
`;

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });
const write = (sql: string) => writeFile(join(folder.dir, "before.sql"), sql);

test("before.sql makes what the migrations need, each time there is something to run", async () => {
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "migration_failed" });
  await write(BEFORE);
  expect(await migrator().migrate()).toMatchObject({
    applied: [{ tag: "0000_users" }],
    warnings: [],
  });
  await database.sql`create table if not exists ran (at integer)`;
  await write(`${BEFORE} insert into ran values (1);`);
  expect(await migrator().migrate()).toMatchObject({ outcome: "current" });
  expect(await database.sql`select * from ran`).toEqual([]);
  await folder.write("0001_more", "create table more (id integer);");
  await folder.list(["0000_users", "0001_more"]);
  await write(`${BEFORE} reset search_path; insert into ran values (1);`);
  expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0001_more" }] });
  expect(await database.sql`select * from ran`).toEqual([{ at: 1 }]);
});

test("a failure names its place, leaves nothing, and no migration runs", async () => {
  await write(`${BEFORE}create table broken (id nothing);\n`);
  const error = await migrator()
    .migrate()
    .then(
      () => expect.unreachable("it did not fail"),
      (failure) => failure,
    );
  expect(error).toMatchObject({ code: "migration_failed", outcome: "nothing-run" });
  expect(error.message).toContain(
    `${join(folder.dir, "before.sql")}:6:25: type "nothing" does not exist`,
  );
  expect(await database.sql`select to_regclass('auth.users') as users`).toEqual([{ users: null }]);
  await write(BEFORE);
  expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0000_users" }] });
});

test.each([
  [
    "an index that is built concurrently",
    "create index concurrently i on t (a);",
    /statement 1 .* cannot/,
  ],
  ["a transaction of its own", "begin; select 1; commit; select 2;", /begins or commits/],
  ["SQL that does not parse", "create tabel x;", /syntax error/],
])("%s is refused before anything is made", async (_name, sql, text) => {
  await write(sql);
  await expect(migrator().migrate()).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(text),
  });
  expect(await database.sql`select to_regclass('tidemark.runner') as runner`).toEqual([
    { runner: null },
  ]);
});

test("the schema that the settings name for drizzle's table is there, as drizzle makes it", async () => {
  await folder.make({ "0000_a": "create table mine.a (id integer);" });
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "migration_failed" });
  const named = migrator({ drizzleTable: { schema: "mine" } });
  expect(await named.migrate()).toMatchObject({ applied: [{ tag: "0000_a" }] });
});

test("before.sql counts in the fingerprint that templates of test databases are kept by", async () => {
  const without = await migrator().fingerprint();
  await write(BEFORE);
  const first = await migrator().fingerprint();
  await write(`${BEFORE}create schema if not exists more;\n`);
  expect(new Set([without, first, await migrator().fingerprint()]).size).toBe(3);
});
