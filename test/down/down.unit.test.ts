import { describe, expect, test } from "vitest";
import {
  downText,
  irreversibleReason,
  irreversibleText,
  isAsWritten,
} from "../../src/db/down/down-text.ts";
import { lossesOf } from "../../src/db/down/losses.ts";
import { portable } from "../../src/db/down/portable.ts";
import { rowWritesIn, writeText } from "../../src/db/sql-tree/row-writes.ts";
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

describe("what a down file loses", () => {
  test("tables, columns and sequences that it drops; what is computed is not lost", async () => {
    const sql = `DROP TABLE "public"."users", app."Odd"; alter table public.t drop column a, drop column "b c",
      add column d text; drop index i; drop view v; alter table t drop constraint c; drop sequence s;
      alter table public.t drop column sum; alter type pair drop attribute a`;
    const sum = {
      ...{ kind: "column", name: "public.t.sum", change: "unexpected" as const, within: [] },
      found: "integer generated always as (a + b) stored",
    };
    expect(await lossesOf(sql, [sum])).toEqual([
      "table users",
      'table app."Odd"',
      "column t.a",
      'column t."b c"',
      "sequence s",
      "attribute pair.a",
    ]);
  });

  test("values that a narrower type cannot hold", async () => {
    const change = { kind: "column", name: "public.t.a", change: "different" as const, within: [] };
    const type = { ...change, property: "type", expected: "integer", found: "bigint" };
    const other = { ...change, property: "default", expected: "1", found: "2" };
    expect(await lossesOf("", [type, other])).toEqual([
      "values of column t.a that do not fit integer",
    ]);
  });
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

test("planned statements are freed of the scratch server's own role, and of nobody else", () => {
  const planned = [
    'CREATE TABLE "t" ()',
    'ALTER TABLE "t" OWNER TO "worker"',
    'ALTER TABLE "t" OWNER TO "app"',
    'REVOKE ALL ON TABLE "t" FROM "worker"',
    'GRANT SELECT ON TABLE "t" TO "worker"',
    'GRANT DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE "t" TO "app"',
    'ALTER DEFAULT PRIVILEGES FOR ROLE "worker" GRANT SELECT ON TABLES TO "app"',
    'CREATE SCHEMA "s" AUTHORIZATION "worker"',
  ];
  expect(portable(planned, "worker")).toEqual([
    'CREATE TABLE "t" ()',
    'ALTER TABLE "t" OWNER TO "app"',
    'GRANT ALL ON TABLE "t" TO "app"',
    'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "app"',
    'CREATE SCHEMA "s"',
  ]);
});

describe("the text of a down file", () => {
  const parts = {
    ...{ tag: "0003_x", statements: ["DROP TABLE a", "DROP TABLE b"], loses: ["table a"] },
    ...{ empty: ["column b.c"], keeps: ["rows changed by INSERT of d"] },
  };

  test("says what it loses, what comes back empty, what it keeps", () => {
    expect(downText(parts).split("\n").slice(1)).toEqual([
      "-- loses: table a",
      "-- comes back empty: column b.c",
      "-- keeps: rows changed by INSERT of d",
      "DROP TABLE a;",
      "--> statement-breakpoint",
      "DROP TABLE b;",
      "",
    ]);
  });

  test("tells whether a person has touched it, whatever the line ends", () => {
    const text = downText(parts);
    expect(isAsWritten(text)).toBe(true);
    expect(isAsWritten(text.replaceAll("\n", "\r\n"))).toBe(true);
    expect(isAsWritten(text.replace("DROP TABLE b", "DROP TABLE b CASCADE"))).toBe(false);
    expect(isAsWritten("drop table a;")).toBe(false);
  });

  test("without a way back says why, in one line, and shows what was tried in comments", () => {
    const text = irreversibleText("0003_x", "no cast\n  from a to b", ["DROP TABLE a\n  CASCADE"]);
    expect(text).toMatch(/^-- irreversible: no cast from a to b\n/);
    expect(text).toContain("--   DROP TABLE a\n--     CASCADE;\n");
    expect(irreversibleReason(text)).toBe("no cast from a to b");
    expect(isAsWritten(text)).toBe(true);
    const finished = text.replace(/^.*\n/, "").concat("DROP TABLE a;\n");
    expect(irreversibleReason(finished)).toBeUndefined();
    expect(isAsWritten(finished)).toBe(false);
    expect(isAsWritten(`${text}DROP TABLE a;\n`)).toBe(false);
  });

  test("a line behind the first statement says nothing", () => {
    expect(irreversibleReason("select 1;\n-- irreversible: x")).toBeUndefined();
  });
});
