import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  asksForNoTransaction,
  remainingOf,
  segmentsOf,
} from "../../src/db/migrate/sql/segments.ts";
import { parseStatements } from "../../src/db/migrate/sql/statements.ts";

async function cut(sql: string, resumeAt = 0) {
  const statements = await parseStatements(sql, "f.sql");
  const whole = segmentsOf(statements, asksForNoTransaction(sql));
  return remainingOf(whole, statements, resumeAt).map((segment) => ({
    kind: segment.kind,
    range: [segment.from, segment.to],
    texts:
      segment.kind === "outside"
        ? [segment.placed.statement.text]
        : segment.statements.map(({ statement }) => statement.text),
    settings: segment.settings.session.map(({ text }) => text),
    local: segment.settings.local.map(({ text }) => text),
  }));
}

/** Each segment as `from-to: statements`, those outside transactions in brackets. */
async function shape(sql: string, resumeAt = 0): Promise<readonly string[]> {
  return (await cut(sql, resumeAt)).map(({ kind, range, texts }) => {
    const text = texts.join("; ");
    return `${range.join("-")}: ${kind === "outside" ? `[${text}]` : text}`;
  });
}

describe("a file is cut into segments", () => {
  test.each<readonly [string, string, readonly string[]]>([
    ["nothing", "", ["0-0: "]],
    ["statements that share a transaction", "select 1; select 2", ["0-2: select 1; select 2"]],
    [
      "around what no transaction can hold",
      "select 1; vacuum; select 2; cluster; cluster t",
      ["0-1: select 1", "1-2: [vacuum]", "2-3: select 2", "3-4: [cluster]", "4-5: cluster t"],
    ],
    [
      "at REINDEX that is told to be concurrent",
      "reindex (concurrently on) table t; reindex (concurrently off) table t; reindex (concurrently 0) index t",
      [
        "0-1: [reindex (concurrently on) table t]",
        "1-3: reindex (concurrently off) table t; reindex (concurrently 0) index t",
      ],
    ],
    [
      "at COMMIT, which belongs to what was before it",
      "select 1; commit; select 2; commit;",
      ["0-2: select 1", "2-4: select 2"],
    ],
    [
      "at BEGIN, which belongs to what comes",
      "select 1; begin; select 2; end",
      ["0-1: select 1", "1-4: select 2"],
    ],
    ["borders alone", "begin; commit; commit", ["0-3: "]],
    ["a border before the first", "commit; vacuum", ["0-2: [vacuum]"]],
    ["a border behind the last", "vacuum; commit", ["0-2: [vacuum]"]],
    [
      "behind enum values that are added, where something follows",
      "alter type a add value 'x'; alter type a add value 'y'; select 1; alter type a add value 'z'",
      [
        "0-2: alter type a add value 'x'; alter type a add value 'y'",
        "2-4: select 1; alter type a add value 'z'",
      ],
    ],
    [
      "not where an enum value is renamed",
      "alter type a rename value 'x' to 'y'; select 1",
      ["0-2: alter type a rename value 'x' to 'y'; select 1"],
    ],
    [
      "one by one where the file asks for it",
      "-- made by hand\n-- tidemark: no-transaction\nselect 1; set a.b = 'c'; begin; select 2; select 3; commit; call p()",
      ["0-1: [select 1]", "1-2: set a.b = 'c'", "2-6: select 2; select 3", "6-7: [call p()]"],
    ],
    [
      "one by one behind a licence",
      "/* ours -- tidemark: no */\r\n-- tidemark: no-transaction\r\nselect 1; select 2",
      ["0-1: [select 1]", "1-2: [select 2]"],
    ],
    [
      "together behind COMMIT AND CHAIN, whatever the file asks for",
      "-- tidemark: no-transaction\nbegin; select 1; commit and chain; select 2; select 3; commit; select 4",
      ["0-3: select 1", "3-6: select 2; select 3", "6-7: [select 4]"],
    ],
    [
      "as usual where that line is commented out",
      "/*\n-- tidemark: no-transaction\n*/ select 1; select 2",
      ["0-2: select 1; select 2"],
    ],
    [
      "as usual where that line is not at its head",
      "select 1;\n-- tidemark: no-transaction\nselect 2",
      ["0-2: select 1; select 2"],
    ],
  ])("%s", async (_name, sql, expected) => {
    expect(await shape(sql)).toEqual(expected);
  });

  test("and what is left of them, from any statement on", async () => {
    const sql = "select 1; select 2; commit; vacuum; select 3";
    expect(await shape(sql, 1)).toEqual(["1-3: select 2", "3-4: [vacuum]", "4-5: select 3"]);
    expect(await shape(sql, 2)).toEqual(["2-3: ", "3-4: [vacuum]", "4-5: select 3"]);
    expect(await shape(sql, 3)).toEqual(["3-4: [vacuum]", "4-5: select 3"]);
    expect(await shape(sql, 5)).toEqual(["5-5: "]);
  });

  const statement = fc.constantFrom(
    "select 1",
    "vacuum",
    "commit",
    "begin",
    "create index concurrently i on t (a)",
    "alter type t add value 'x'",
    "set a.b to 'c'",
    "set local a.b to 'd'",
    "reset all",
  );

  test("each statement but the borders stands in one of them, once and in order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(statement, { maxLength: 12 }), fc.nat(12), async (list, from) => {
        const resumeAt = Math.min(from, list.length);
        const segments = await cut(list.join(";\n"), resumeAt);
        const left = list.slice(resumeAt).filter((text) => text !== "commit" && text !== "begin");
        expect(segments.flatMap(({ texts }) => texts)).toEqual(left);
        // They join without a gap, to the end.
        expect(segments.map(({ range }) => range[0])).toEqual([
          resumeAt === list.length ? resumeAt : expect.any(Number),
          ...segments.slice(0, -1).map(({ range }) => range[1]),
        ]);
        expect(segments.at(-1)?.range[1]).toBe(list.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe("what a file has set", () => {
  test("is made again in each later segment, the last of a name alone", async () => {
    const segments = await cut(
      "set a.b = '1'; set role x; select 1; commit; set a.b = '2'; vacuum; reset role; commit; select 2",
    );
    expect(segments.map(({ settings }) => settings)).toEqual([
      [],
      ["set a.b = '1'", "set role x"],
      ["set role x", "set a.b = '2'"],
      ["set role x", "set a.b = '2'"],
      ["set a.b = '2'"],
    ]);
  });

  test("is taken back by RESET ALL, but for the role", async () => {
    const segments = await cut("set a.b = '1'; set role x; reset all; commit; select 2");
    expect(segments.at(-1)?.settings).toEqual(["set role x"]);
  });

  test("with SET LOCAL holds until the file ends its transaction", async () => {
    const segments = await cut(
      "set local a.b = '1'; alter type t add value 'x'; select 1; commit; select 2",
    );
    expect(segments.map(({ local }) => local)).toEqual([[], ["set local a.b = '1'"], []]);
  });

  test.each([
    ["set_config", "select pg_catalog.set_config('a.b', 'c', false)", 1],
    ["a set_config of its transaction's", "select set_config('a.b', 'c', true)", 0],
    ["a query", "select set_config('a.b', 'c', false) from t", 0],
    [
      "SET SESSION AUTHORIZATION, which ends SET ROLE",
      "set role a; set session authorization b",
      1,
    ],
    ["RESET ALL", "set a.b = '1'; reset all", 0],
    ["SET … TO DEFAULT", "set a.b = '1'; set a.b to default", 0],
  ])("by %s", async (_name, sql, count) => {
    const segments = await cut(`${sql}; commit; select 1`);
    expect(segments.at(-1)?.settings).toHaveLength(count);
  });
});
