import { describe, expect, test } from "vitest";
import { loadParser } from "../../src/db/migrate/sql/grammar.ts";
import { parseStatements, readStatements } from "../../src/db/migrate/sql/statements.ts";
import { cutByWords } from "../../src/db/migrate/sql/unread.ts";

const FILE = `-- a comment; with a semicolon
create table a (id int);
create table b (system_user text, note text default ';');
create function f(n int) returns int begin atomic
  select case when n > 1 then 1 else 2 end;
  select 2;
end;
do $$ begin perform 1; end $$;
create table é (json_exists int);
select (1);`;

describe("a file that PostgreSQL 18's grammar does not read", () => {
  test("is cut by its words, as the grammar would", async () => {
    const read = FILE.replace("system_user", "x");
    const parser = await loadParser();
    const pieces = cutByWords(parser, read)?.map(({ text, offset }) => ({ text, offset }));
    const parsed = (await parseStatements(read, "f.sql")).map(({ text, offset }) => {
      const start = text.search(/(?:create|do|select) /);
      return { text: text.slice(start), offset: offset + start };
    });
    expect(pieces).toEqual(parsed);
  });

  test("is read but for the statements that it is about, each with its place in the file", async () => {
    const statements = await readStatements(FILE, "f.sql");
    expect(statements).toHaveLength(6);
    expect(statements.map(({ tree }) => Object.keys(tree)[0])).toEqual([
      "CreateStmt",
      undefined,
      "CreateFunctionStmt",
      "DoStmt",
      "CreateStmt",
      "SelectStmt",
    ]);
    expect(statements[1]?.unread?.refusal.message).toContain(
      'f.sql:3:17: syntax error at or near "system_user"',
    );
    await expect(parseStatements(FILE, "f.sql")).rejects.toMatchObject({
      code: "history_invalid",
      place: { line: 3, column: 17 },
      remedy:
        "Correct the file and run again. Tidemark reads files with PostgreSQL 18's grammar, in which SYSTEM_USER is a keyword since 16: " +
        'quote the name ("system_user"), or let `tidemark migrate` ask the server\'s grammar.',
    });
  });

  test("is cut with control characters in its words too, and with nothing in it", async () => {
    const parser = await loadParser();
    const sql = "select '\u0001;\b'; -- \f;\n\fcommit";
    expect(cutByWords(parser, sql)?.map(({ text }) => text)).toEqual([
      "select '\u0001;\b'",
      "commit",
    ]);
    expect(cutByWords(parser, " \n")).toEqual([]);
  });

  test("ends with what is a letter to PostgreSQL, and white space elsewhere", async () => {
    const pieces = cutByWords(await loadParser(), "select 1;select 2 as a\u00a0 \n");
    expect(pieces?.map(({ text }) => text)).toEqual(["select 1", "select 2 as a\u00a0"]);
    await expect(parseStatements("\u00a0", "f.sql")).rejects.toMatchObject({
      code: "history_invalid",
    });
  });

  test("is cut where `begin atomic` are names", async () => {
    const pieces = cutByWords(await loadParser(), "drop function f(begin atomic); select 1;");
    expect(pieces?.map(({ text }) => text)).toEqual(["drop function f(begin atomic)", "select 1"]);
  });

  test("is refused as a whole where not even its words can be read", async () => {
    await expect(readStatements("select 1; select 'open", "f.sql")).rejects.toMatchObject({
      code: "history_invalid",
    });
  });
});
