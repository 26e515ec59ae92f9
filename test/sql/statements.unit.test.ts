import fc from "fast-check";
import { parse } from "libpg-query";
import { describe, expect, test } from "vitest";
import { parseStatements } from "../../src/db/migrate/sql/statements.ts";

const textsOf = async (sql: string) =>
  (await parseStatements(sql, "f.sql")).map(({ text }) => text);

describe("a file is cut into its statements", () => {
  test.each<readonly [string, string, readonly string[]]>([
    ["nothing", "", []],
    ["white space", " \n\t", []],
    ["comments alone", "-- one\n/* two; /* nested */ */\n", []],
    ["empty statements", " ;; select 1;; select 2 ;", ["select 1", "select 2 "]],
    ["no semicolon at the end", "select 1; select 2", ["select 1", "select 2"]],
    ["a comment behind the last", "select 1 -- end", ["select 1 -- end"]],
    [
      "drizzle's breakpoint, a comment like any other",
      "select 1;\n--> statement-breakpoint\nselect 2;",
      ["select 1", "select 2"],
    ],
    [
      "a breakpoint without semicolons is no border",
      "select 1\n--> statement-breakpoint\n, 2;",
      ["select 1\n--> statement-breakpoint\n, 2"],
    ],
    [
      "a breakpoint in a literal",
      "select '--> statement-breakpoint; ';",
      ["select '--> statement-breakpoint; '"],
    ],
    [
      "dollar quotes",
      "do $a$ begin; $b$ ; $b$ end $a$; select 1",
      ["do $a$ begin; $b$ ; $b$ end $a$", "select 1"],
    ],
    [
      "identifiers with a dollar",
      "select 1 as a$b; select 2 as c$b",
      ["select 1 as a$b", "select 2 as c$b"],
    ],
    ["escape strings", "select E'\\'; ', 'a\\'; select 2", ["select E'\\'; ', 'a\\'", "select 2"]],
    [
      "SQL-standard bodies",
      "create function f() returns int begin atomic select 1; select 2; end; select 3",
      ["create function f() returns int begin atomic select 1; select 2; end", "select 3"],
    ],
    [
      "characters of several bytes",
      "select '🌊é漢'; -- ö\nselect 'ß'",
      ["select '🌊é漢'", "select 'ß'"],
    ],
  ])("%s", async (_name, sql, texts) => {
    expect(await textsOf(sql)).toEqual(texts);
  });

  test("knows where each one stands in the file, in UTF-16 units", async () => {
    const sql = "select '🌊';\n-- ö\n  select 'ß', 2;";
    for (const { text, offset } of await parseStatements(sql, "f.sql")) {
      expect(sql.slice(offset, offset + text.length)).toBe(text);
    }
  });

  test.each([
    ["create table t (id integr not nul);", 'f.sql:1:31: syntax error at or near "nul"'],
    ["select 'é',\n  * form t;", 'f.sql:2:5: syntax error at or near "form"'],
    ["select 1;\nselect 'open", "f.sql:2:8: unterminated quoted string"],
    ["select 1;\n/* open", "f.sql:2:1: unterminated /* comment"],
    ["select 1;\n\\d", 'f.sql:2:1: syntax error at or near "\\"'],
    ["select 1;\0", "f.sql:1:10: a NUL byte"],
  ])("%j is refused with its place", async (sql, message) => {
    await expect(parseStatements(sql, "f.sql")).rejects.toMatchObject({
      code: "history_invalid",
      message: expect.stringContaining(message),
    });
  });
});

describe("whatever way statements are joined", () => {
  const statement = fc.constantFrom(
    "select 1",
    "select ';'",
    "select E'a\\';b'",
    "select 'it''s -- no comment'",
    "select $$;$$, $x$ $$; $x$",
    "select '--> statement-breakpoint'",
    'create table "odd;name" (id integer /* ; */)',
    "select a$b from t",
    "select U&'d\\0061t\\+000061'",
    "create function f() returns text language sql as $f$ select ';' ; select 'x' $f$",
    "create function g() returns int begin atomic select 1; select case when true then 1 else 2 end; end",
    "insert into t values ('🌊; 漢字', 'é')",
    "do $$ begin perform 1; end $$",
    "comment on table t is 'x\n;\ny'",
  );
  const joint = fc.constantFrom(
    ";\n",
    ";",
    ";--> statement-breakpoint\n",
    ";\n--> statement-breakpoint\n",
    "; -- a comment; with a semicolon\n",
    ";\r\n\r\n",
    "; /* block; /* nested; */ */ ",
    ";;\n;",
    "\n-- ünïcode 🌊\n;\n",
  );

  test("they are cut back into the same statements", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(statement, joint), { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        async (parts, closed) => {
          const sql = parts
            .map(([text, join], i) => text + (i < parts.length - 1 || closed ? join : ""))
            .join("");
          const cut = await textsOf(sql);
          expect(cut.map(treeless)).toEqual(parts.map(([text]) => text));
          // Joined again they parse to the file's own trees.
          const trees = async (text: string) =>
            (await parse(text)).stmts?.map(({ stmt }) =>
              JSON.stringify(stmt).replace(
                /"(?:stmt_)?location":-?\d+|"(?:stmt_len|name_location|rexpr_list_(?:start|end)|list_(?:start|end))":\d+/g,
                "",
              ),
            );
          expect(await trees(cut.join("\n;\n"))).toEqual(await trees(sql));
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** What stands between the statement's end and its semicolon belongs to the cut, not to the statement. */
function treeless(text: string): string {
  return text.replace(/\n-- ünïcode 🌊\n$/, "");
}
