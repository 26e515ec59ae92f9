import { describe, expect, test } from "vitest";
import { downText, irreversibleText, isAsWritten } from "../../src/db/down/down-text.ts";
import { lossesOf } from "../../src/db/down/losses.ts";
import { portable } from "../../src/db/down/portable.ts";
import { irreversibleReason } from "../../src/db/migrate/history/down-notes.ts";

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
    ...{ sqlName: "0003_x.sql", statements: ["DROP TABLE a", "DROP TABLE b"], loses: ["table a"] },
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
    const text = irreversibleText("0003_x.sql", "no cast\n  from a to b", [
      "DROP TABLE a\n  CASCADE",
    ]);
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
