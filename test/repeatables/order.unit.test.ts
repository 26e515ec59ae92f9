import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { repeatableOf, repeatablesDigest } from "../../src/db/migrate/history/repeatables.ts";
import { loadHistory } from "../../src/db/migrate/index.ts";
import { parseRepeatables } from "../../src/db/migrate/repeatables/parse-repeatables.ts";

/** The names in the order in which they would run. */
async function orderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const repeatables = Object.entries(files).map(([name, sql]) => repeatableOf({ name, sql }));
  const parsed = await parseRepeatables(repeatables);
  return parsed.map(({ repeatable }) => repeatable.name).join(" ");
}

describe("what another makes comes first", () => {
  test.each<[string, string]>([
    ["a view", "create view a as select * from z"],
    ["a view in a schema, named without it", "create view a as select * from only_z"],
    ["a subquery", "create view a as select (select max(x) from z)"],
    ["a function's arguments", "create function a(z) returns int language sql as 'select 1'"],
    ["a function's result", "create function a() returns setof z language sql as 'select null'"],
    [
      "the body of an SQL function",
      "create function a() returns int language sql as 'select count(*) from z'",
    ],
    [
      "a body of begin atomic",
      "create function a() returns bigint begin atomic select count(*) from z; end",
    ],
    [
      "a PL/pgSQL statement",
      "create function a() returns int language plpgsql as 'begin perform * from z; return 1; end'",
    ],
    [
      "a PL/pgSQL expression",
      "create function a() returns int language plpgsql as 'begin return (select 1 from z); end'",
    ],
    [
      "a PL/pgSQL assignment",
      "create function a() returns int language plpgsql as 'declare i int; begin i := (select 1 from z); return i; end'",
    ],
    [
      "a PL/pgSQL variable's type",
      "create function a() returns int language plpgsql as 'declare r z%rowtype; begin return 1; end'",
    ],
    ["a DO block", "do 'begin perform * from z; end'"],
    [
      "a trigger's function",
      "create trigger a before insert on t for each row execute function z_f()",
    ],
    [
      "a trigger's table",
      "create trigger a instead of insert on z for each row execute function other()",
    ],
    ["a policy", "create policy a on t using (z_f(id) > 0)"],
    ["a grant", "grant select on z to public"],
    ["a grant on a function", "grant execute on function z_f() to public"],
    ["a comment", "comment on view z is 'z'"],
  ])("where %s uses it", async (_, sql) => {
    const z = `create view z as select 1 as x; create view app.only_z as select 1;
      create function z_f() returns int language sql as 'select 1'`;
    expect(await orderOf({ a: sql, z })).toBe("z a");
  });

  test.each<[string, string]>([
    ["a name of its own (with)", "create view a as with z as (select 1) select * from z"],
    ["a name of another schema", "create view a as select * from other.z"],
    ["a text", "create view a as select 'z'"],
  ])("but %s is another", async (_, sql) => {
    expect(await orderOf({ a: sql, z: "create view app.z as select 1" })).toBe("a z");
  });
});

test("a circle of PL/pgSQL bodies alone is none", async () => {
  const of = (name: string, other: string) =>
    `create function ${name}() returns int language plpgsql as 'begin return ${other}(); end'`;
  expect(await orderOf({ one: of("one", "two"), two: of("two", "one") })).toBe("one two");
});

test("two files that make the same are refused, with and without the schema public", async () => {
  await expect(
    orderOf({ a: "create view public.v as select 1", b: "create or replace view v as select 2" }),
  ).rejects.toMatchObject({
    code: "history_invalid",
    fact: "Both repeatable/a.sql and repeatable/b.sql make v.",
  });
  expect(
    await orderOf({
      a: "create function f(int) returns int language sql as 'select 1'",
      b: "create function f(text) returns int language sql as 'select 1'",
    }),
  ).toBe("a b");
});

test("the digest covers names and texts, and not line ends", () => {
  const digest = (name: string, sql: string) =>
    repeatablesDigest({ repeatables: [repeatableOf({ name, sql })] });
  expect(digest("a", "select 1;\r\n")).toBe(digest("a", "\uFEFFselect 1;\n"));
  expect(digest("a", "select 1;")).not.toBe(digest("a", "select 2;"));
  expect(digest("a", "select 1;")).not.toBe(digest("b", "select 1;"));
  expect(repeatablesDigest({})).toBeNull();
});

test.each([
  ["-- tidemark: run-always\nselect 1;", true],
  ["/* a note */\n\n  -- tidemark:run-always\r\nselect 1;", true],
  ["select 1;\n-- tidemark: run-always", false],
  ["-- not tidemark: run-always\nselect 1;", false],
])("%j asks to run always: %s", (sql, isAlways) => {
  expect(repeatableOf({ name: "a", sql }).isAlways).toBe(isAlways);
});

test("in a folder of drizzle-kit 1.x the folder repeatable is no migration, whatever its files are called", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-repeatables-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  await mkdir(join(dir, "20250101000000_t"));
  await mkdir(join(dir, "repeatable"));
  await writeFile(join(dir, "20250101000000_t", "migration.sql"), "create table t (id integer);");
  await writeFile(join(dir, "repeatable", "migration.sql"), "create view v as select 1;");
  await writeFile(join(dir, "repeatable", "notes.md"), "# Notes");
  const { migrations, repeatables, warnings } = await loadHistory(dir);
  expect(migrations.map(({ tag }) => tag)).toEqual(["20250101000000_t"]);
  expect(repeatables?.map(({ tag }) => tag)).toEqual(["repeatable/migration"]);
  expect(warnings).toEqual([]);
  await writeFile(join(dir, "repeatable", "v.down.sql"), "drop view v;");
  await expect(loadHistory(dir)).rejects.toMatchObject({ code: "history_invalid" });
});
