import { describe, expect, test } from "vitest";
import { repeatableOf } from "../../src/db/migrate/history/repeatables.ts";
import { parseRepeatables } from "../../src/db/migrate/repeatables/parse-repeatables.ts";

/** The names in the order in which they would run. */
async function orderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const repeatables = Object.entries(files).map(([name, sql]) => repeatableOf({ name, sql }));
  const parsed = await parseRepeatables(repeatables);
  return parsed.map(({ repeatable }) => repeatable.name).join(" ");
}

describe("what another makes comes first", () => {
  test.each<[string, string, string]>([
    [
      "a query of `with` that has the name of what it reads",
      "create view a as with z as (select * from z) select * from z",
      "create view z as select 1",
    ],
    [
      "a query beside one of `with` that has its name",
      "create view a as select (with z as (select 1) select max(x) from z) from z",
      "create view z as select 1 as x",
    ],
    ["a column's comment", "comment on column z.id is 'x'", "create view z as select 1 as id"],
    [
      "a column's comment, with the schema",
      "comment on column public.z.id is 'x'",
      "create view z as select 1 as id",
    ],
    ["a trigger's comment", "comment on trigger t on z is 'x'", "create view z as select 1"],
    [
      "a trigger that is dropped first",
      "drop trigger if exists t on z",
      "create view z as select 1",
    ],
    [
      "an argument of a column's type",
      "create function a(x z.id%type) returns int language sql as 'select 1'",
      "create view z as select 1 as id",
    ],
    [
      "a PL/pgSQL variable of a column's type",
      "create function a() returns int language plpgsql as 'declare x z.id%type; begin return 1; end'",
      "create view z as select 1 as id",
    ],
    ["a schema", "create view z.a as select 1", "create schema if not exists z"],
    ["a grant on a schema", "grant usage on schema z to public", "create schema if not exists z"],
    [
      "an aggregate",
      "create view a as select z(1)",
      "create or replace aggregate z(int) (sfunc = int4pl, stype = int)",
    ],
    [
      "an operator",
      "create view a as select 1 === 2",
      "create operator === (leftarg = int, rightarg = int, function = int4eq)",
    ],
    [
      "a domain",
      "create function a(x z) returns int language sql as 'select 1'",
      "create domain z as int",
    ],
    [
      "a type",
      "create function a() returns z language sql as 'select null'",
      "create type z as (x int)",
    ],
    ["a cast", "create view a as select 'x'::z", "create type z as enum ('x')"],
    ["a sequence", "create view a as select * from z", "create sequence if not exists z"],
    ["a role", "grant select on t to z", "create role z"],
    [
      "a role, made where it is not there",
      "grant select on t to z",
      "do 'begin if not exists (select from pg_roles) then create role z; end if; end'",
    ],
    [
      "a type, made where it is not there",
      "create function a() returns z language sql as 'select null'",
      "do 'begin create type app.z as (x int); exception when duplicate_object then null; end'",
    ],
    ["a policy's role", "create policy p on t to z using (true)", "create role z"],
    [
      "a grant on all of the schema",
      "grant select on all tables in schema app to public",
      "create view app.z as select 1",
    ],
    [
      "an overload that another file makes",
      "create function a(int) returns int language sql as 'select 1'; create function f(int) returns int language sql as $$ select f('x') $$",
      "create function f(text) returns int language sql as 'select 1'",
    ],
  ])("where %s uses it", async (_, sql, makes) => {
    expect(await orderOf({ a: sql, z: makes })).toBe("z a");
  });
});

test("two overloads of a function that call their own name make no circle", async () => {
  const f = (type: string) =>
    `create function f(${type}) returns int language sql as 'select f($1)'`;
  expect(await orderOf({ a: f("int"), z: f("text") })).toBe("a z");
});

test("a file's temporary table is its own", async () => {
  const sql = "create temp table x as select 1; drop table x";
  expect(await orderOf({ a: sql, b: sql })).toBe("a b");
});

test("the same name in two schemas is two things, where the files set the search path", async () => {
  const sql = (schema: string) => `set search_path to ${schema}; create view v as select 1`;
  expect(await orderOf({ a: sql("one"), b: sql("two") })).toBe("a b");
});

test("a file of roles with grants on views, and a view granted to one of them, make no circle", async () => {
  expect(
    await orderOf({
      a: "create view v as select 1; grant select on v to r; create view s.w as select 1",
      z: "do 'begin create role r; end'; create schema if not exists s; grant select on v to r",
    }),
  ).toBe("a z");
});

test("a circle that is none puts nothing else out of order", async () => {
  const of = (name: string, other: string) =>
    `create function ${name}() returns int language plpgsql as 'begin return ${other}(); end'`;
  expect(
    await orderOf({
      a: "create view s.v as select 1",
      b: "create function b() returns int language plpgsql as 'begin return x(); end'",
      x: of("x", "y"),
      y: of("y", "x"),
      z: "create schema s; do 'begin perform x(); end'",
    }),
  ).toBe("x b y z a");
});
