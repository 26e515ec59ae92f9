import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_users":
    "create schema app; create table users (id integer primary key, name text); create table app.t (id integer);",
});
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const ran = async () =>
  (await migrator().migrate()).repeatables.map(({ tag, why }) => `${tag} ${why}`);

test.each([
  [
    "an argument of a column's type",
    "create or replace function f(x users.id%type) returns int language sql as 'select 1'",
  ],
  [
    "an array",
    "create or replace function f(x text[], variadic y integer[]) returns int language sql as 'select 1'",
  ],
  ["a search path", "set search_path to app; create or replace view v as select 1"],
  [
    "a search path of two schemas",
    "set local search_path to app, public; create or replace function g() returns trigger language plpgsql as 'begin return new; end'; create or replace trigger x before insert on users for each row execute function g(); create or replace trigger y before insert on t for each row execute function g()",
  ],
  ["a temporary table", "create temp table x on commit drop as select 1"],
  ["a temporary view", "create or replace temp view x as select 1"],
  [
    "a helper that is dropped at its end",
    "create function help() returns void language sql as 'select null'; select help(); drop function help()",
  ],
  ["a helper view that is dropped at its end", "create view help as select 1; drop view help"],
  [
    "a view that is renamed",
    "drop view if exists new_name; create view old_name as select 1; alter view old_name rename to new_name",
  ],
  ["comments only", "-- nothing yet\n/* here */"],
  ["nothing", ""],
  ["a BOM and CRLF", "\ufeffcreate or replace view v as\r\nselect 1;\r\n"],
  [
    "quoted names",
    `create or replace view "A b"" c" as select 1; create or replace function "F x"(a integer, out b integer, inout c text) language sql as 'select 1, $2'`,
  ],
  [
    "a domain's and a row's type",
    "create or replace function f(x users, y app.t[]) returns int language sql as 'select 1'",
  ],
  [
    "defaults",
    "create or replace procedure p(a int default 1, inout b numeric(10,2) default 2, variadic c \"char\"[] default '{}') language sql as 'select 1.0'",
  ],
  [
    "interval fields",
    "create or replace function p(a interval, b timestamp with time zone, c character varying(3), d bit(3), e national character) returns int language sql as 'select 1'",
  ],
  [
    "moved to a schema",
    "drop view if exists app.mv; create view mv as select 1; alter view mv set schema app",
  ],
])("%s: a later migration finds nothing gone", async (_, sql) => {
  await folder.repeat("one", sql);
  expect(await ran()).toEqual(["repeatable/one new"]);
  await folder.write("0001_more", "create table more (id integer);");
  await folder.list(["0000_users", "0001_more"]);
  expect(await ran()).toEqual([]);
  expect(await migrator().status()).toMatchObject({ pendingRepeatables: 0 });
});

test("what is in a schema of the search path can be made again", async () => {
  await folder.repeat(
    "v",
    "set search_path to app; create or replace view v as select 1 as a, 2 as b",
  );
  await folder.repeat("w", "create or replace view w as select * from app.v");
  await ran();
  await folder.repeat(
    "v",
    "set search_path to app; create or replace view v as select 2 as b, 1 as a",
  );
  expect(await ran()).toEqual(["repeatable/v changed", "repeatable/w remade"]);
});

test("a file that was renamed is no longer missed after the next migration", async () => {
  await folder.repeat("a", "create or replace view v as select 1");
  await ran();
  await rm(join(folder.dir, "repeatable", "a.sql"));
  await folder.repeat("b", "create or replace view v as select 1");
  expect(await ran()).toEqual(["repeatable/b new"]);
  expect((await migrator().status()).repeatables).toMatchObject([
    { name: "b" },
    { name: "a", flags: ["MISSING"] },
  ]);
  await folder.write("0001_more", "create table more (id integer);");
  await folder.list(["0000_users", "0001_more"]);
  await ran();
  expect((await migrator().status()).repeatables).toMatchObject([{ name: "b" }]);
});
