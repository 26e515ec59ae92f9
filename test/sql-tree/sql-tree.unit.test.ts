import { describe, expect, test } from "vitest";
import { rowWritesIn, writeText } from "../../src/db/sql-tree/row-writes.ts";
import { serverWideIn } from "../../src/db/sql-tree/server-wide.ts";
import { overlapsOf, touchesOf } from "../../src/db/sql-tree/touched.ts";
import { inverseRenames } from "../../src/db/sql-tree/undo-renames.ts";

describe("renames are taken back", () => {
  test.each([
    ["alter table a.b rename column x to y", 'ALTER TABLE "a"."b" RENAME COLUMN "y" TO "x"'],
    ["alter table b rename to c", 'ALTER TABLE "c" RENAME TO "b"'],
    ["alter table s.b rename to c", 'ALTER TABLE "s"."c" RENAME TO "b"'],
    ["alter view v rename column a to b", 'ALTER VIEW "v" RENAME COLUMN "b" TO "a"'],
    ["alter materialized view v rename to w", 'ALTER MATERIALIZED VIEW "w" RENAME TO "v"'],
    ["alter index i rename to j", 'ALTER INDEX "j" RENAME TO "i"'],
    ["alter sequence s rename to t", 'ALTER SEQUENCE "t" RENAME TO "s"'],
    ["alter schema s rename to t", 'ALTER SCHEMA "t" RENAME TO "s"'],
    ["alter role s rename to t", 'ALTER ROLE "t" RENAME TO "s"'],
    ["alter type a.b rename to c", 'ALTER TYPE "a"."c" RENAME TO "b"'],
    ["alter type c rename attribute a to b", 'ALTER TYPE "c" RENAME ATTRIBUTE "b" TO "a"'],
    ["alter domain d rename constraint a to b", 'ALTER DOMAIN "d" RENAME CONSTRAINT "b" TO "a"'],
    ["alter table t rename constraint a to b", 'ALTER TABLE "t" RENAME CONSTRAINT "b" TO "a"'],
    ["alter policy p on t rename to q", 'ALTER POLICY "q" ON "t" RENAME TO "p"'],
    ["alter trigger p on t rename to q", 'ALTER TRIGGER "q" ON "t" RENAME TO "p"'],
    ["alter type m rename value 'a' to 'it''s'", `ALTER TYPE "m" RENAME VALUE 'it''s' TO 'a'`],
    ["alter table t set schema x", 'ALTER TABLE "x"."t" SET SCHEMA "public"'],
    ["alter type a.t set schema x", 'ALTER TYPE "x"."t" SET SCHEMA "a"'],
    ['alter table "a""b" rename to "C d"', 'ALTER TABLE "C d" RENAME TO "a""b"'],
  ])("%s", async (sql, inverse) => {
    expect(await inverseRenames(sql)).toEqual([inverse]);
  });

  test("the last one first, and nothing else of the file", async () => {
    const sql = "alter table a rename to b; select 1; alter table b rename c to d; -- end";
    expect(await inverseRenames(sql)).toEqual([
      'ALTER TABLE "b" RENAME COLUMN "d" TO "c"',
      'ALTER TABLE "b" RENAME TO "a"',
    ]);
  });

  test.each(["", "-- a comment", "this is no SQL", "alter function f() rename to g"])(
    "%j has none that keep rows",
    async (sql) => {
      expect(await inverseRenames(sql)).toEqual([]);
    },
  );
});

test("what a file does to rows is named, table by table", async () => {
  const sql = `insert into a values (1); insert into a values (2); update s.b set x = 1;
    truncate c, d; delete from e; merge into f using g on true when matched then delete; select 1`;
  expect((await rowWritesIn(sql)).map(writeText)).toEqual([
    "rows changed by INSERT of a",
    "rows changed by UPDATE of s.b",
    "rows changed by TRUNCATE of c, d",
    "rows changed by DELETE of e",
    "rows changed by MERGE of f",
  ]);
});

test("statements that reach beyond their database are found, and no others", async () => {
  const files = [
    "create role a; alter role a login; alter role a set work_mem = 1; drop role a; grant a to b",
    "alter database d set work_mem = 1; grant connect on database d to a; alter role a rename to b",
    "alter database d owner to a; comment on role a is 'x'; alter database d rename to e",
    "reassign owned by a to b; drop owned by a; alter database d allow_connections true",
    "create table t (); grant select on t to a; alter table t owner to a; comment on table t is 'x'",
    "no SQL",
    "",
  ].map((sql, i) => ({ file: String(i), sql }));
  const found = await serverWideIn(files);
  expect(found.map(({ file, label }) => `${file} ${label}`)).toEqual([
    "0 CREATE ROLE",
    "0 ALTER ROLE",
    "0 ALTER ROLE … SET",
    "0 DROP ROLE",
    "0 GRANT or REVOKE of a role",
    "1 ALTER DATABASE … SET",
    "1 GRANT or REVOKE on a DATABASE",
    "1 RENAME of a ROLE",
    "2 OWNER of a DATABASE",
    "2 COMMENT on a ROLE",
    "2 RENAME of a DATABASE",
    "3 REASSIGN OWNED",
    "3 DROP OWNED",
    "3 ALTER DATABASE",
  ]);
});

describe("what two migrations both change", () => {
  const both = async (own: string, theirs: string) =>
    overlapsOf(await touchesOf(own), await touchesOf(theirs)).map(
      ([mine, other]) => `${mine.how} ${mine.name}, ${other.how} ${other.name}`,
    );

  test.each([
    ["alter table users add nick text", "alter table users add age int", []],
    [
      "alter table users add nick text",
      "alter table public.users add nick text",
      ["makes users.nick, makes users.nick"],
    ],
    [
      "alter table users alter age type bigint",
      "alter table users alter age set not null",
      ["changes users.age, changes users.age"],
    ],
    [
      "alter table users add nick text",
      "alter table users rename to people",
      ["changes users, renames users", "makes users.nick, renames users"],
    ],
    [
      "alter table users alter age drop not null",
      "alter table users drop column age",
      ["changes users.age, drops users.age"],
    ],
    [
      "alter table users rename column age to years",
      "alter table users alter age drop default",
      ["renames users.age, changes users.age"],
    ],
    [
      "alter type mood add value 'a'",
      "alter type public.mood add value 'b'",
      ["changes mood, changes mood"],
    ],
    ["drop type mood", "alter type mood add value 'b'", ["drops mood, changes mood"]],
    ["create table orgs (id int)", "create table users (id int)", []],
    ["insert into users values (1)", "alter table orgs add age int", []],
  ])("%s / %s", async (own, theirs, expected) => {
    expect(await both(own, theirs)).toEqual(expected);
  });
});
