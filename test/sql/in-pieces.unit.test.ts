import { expect, test } from "vitest";
import { loadParser } from "../../src/db/migrate/sql/grammar.ts";
import { LARGE, readInPieces, statementsOf } from "../../src/db/migrate/sql/in-pieces.ts";
import { parseStatements } from "../../src/db/migrate/sql/statements.ts";

const TRICKY = [
  "insert into notes (id, body) values (1, 'a;\nb''c;\n'), (2, null);\n",
  "insert into notes (id, body) values (3, E'\\';\n');\n--> statement-breakpoint\n",
  "create function f() returns text language sql as $x$ select 'ü;\n'; $x$;\n",
  "create function g() returns int language sql begin atomic select 1;\nselect 2;\nend;\n",
  "/* a comment;\n /* within;\n one */ */ select 'größe' as \"ä;\nb\";\r\n",
  "do $$ begin perform 1;\nperform 2;\nend $$;\n",
  "create rule r as on insert to notes do also (select 1;\nselect 2);\n",
  "insert into notes (id) select 1;\n-- the end;\n",
];

/** Longer than what is read as a whole. */
function large(seed: number): string {
  let text = "";
  for (let i = seed; text.length <= LARGE * 1.5; i = (i * 7 + 3) % 1_009) {
    text += TRICKY[i % TRICKY.length];
    // So that pieces end elsewhere each time.
    text += `insert into notes (id, body) values (${i}, '${"x".repeat(i)}');\n`;
  }
  return text;
}

test.each([1, 2, 3])("a large file is cut as it is as a whole (%i)", async (seed) => {
  const parser = await loadParser();
  const sql = large(seed);
  const whole = statementsOf(sql, parser.parse(sql).stmts ?? []);
  const pieces = readInPieces(parser, sql) ?? [];
  expect(pieces.length).toBe(whole.length);
  for (const [i, { text, offset, tree }] of pieces.entries()) {
    expect([text, offset]).toEqual([whole[i]?.text, whole[i]?.offset]);
    expect(Object.keys(tree)).toEqual(Object.keys(whole[i]?.tree ?? {}));
  }
});

test("INSERTs of constants share one tree, and only these", async () => {
  const parser = await loadParser();
  const trees = (sql: string) =>
    new Set((readInPieces(parser, sql) ?? []).map(({ tree }) => tree)).size;
  expect(trees("insert into a (x) values (1);\ninsert into a (x) values (2), (null);\n")).toBe(1);
  expect(trees("insert into a (x) values (1);\ninsert into b (x) values (1);\n")).toBe(2);
  expect(trees("insert into a (x) values (f());\ninsert into a (x) values (g());\n")).toBe(2);
});

test("a mistake in a large file has its place in the whole", async () => {
  const sql = `${large(4)}insert into notes;\n`;
  const lines = sql.split("\n").length - 1;
  await expect(parseStatements(sql, "big.sql")).rejects.toMatchObject({
    code: "history_invalid",
    place: { file: "big.sql", line: lines },
  });
});
