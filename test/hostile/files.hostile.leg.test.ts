import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { outcomeOf } from "../helpers/outcome.ts";

const database = useDatabase();
const folder = useHistory({ "0000_first": "create table first (id int);" });
const outcome = (sum = {}) =>
  outcomeOf(new DatabaseMigrator({ url: database.url, dir: folder.dir, ...sum }).migrate());

const utf16 = (text: string) =>
  Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);

/** What stands in a second file, and how the run of both ends. */
const CONTENTS: readonly (readonly [what: string, text: string | Buffer, end: string])[] = [
  ["nothing", "", "applied 2"],
  ["a byte order mark alone", "\uFEFF", "applied 2"],
  ["white space", " \t\r\n\v\f", "applied 2"],
  ["semicolons", ";;;;", "applied 2"],
  ["a comment alone", "-- nothing", "applied 2"],
  ["nested comments alone", "/* a /* b */ ; */", "applied 2"],
  ["a byte order mark and SQL", "\uFEFFselect 1;", "applied 2"],
  ["a byte order mark in the middle", "select 1;\uFEFFselect 2;", "history_invalid"],
  ["CRLF", "create table a (\r\n id int\r\n);\r\nselect 1;\r\n", "applied 2"],
  ["CR alone", "create table a (id int);\rselect 1;\r", "applied 2"],
  ["CR behind a comment, which ends it", "-- a\rcreate table a (id int);\n", "applied 2"],
  ["a no-break space", "select\u00A01;", "history_invalid"],
  ["NUL", "select 1;\0", "history_invalid"],
  ["UTF-16", utf16("select 1;"), "history_invalid"],
  ["UTF-16 without SQL", utf16(""), "history_invalid"],
  ["LATIN1", Buffer.from("select 'gr\xF6\xDFe';", "latin1"), "history_invalid"],
  ["half a character", Buffer.from([0x2d, 0x2d, 0xe2, 0x82]), "history_invalid"],
  ["a surrogate alone, as UTF-8", Buffer.from([0x2d, 0x2d, 0xed, 0xa0, 0x80]), "history_invalid"],
  ["a program", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]), "history_invalid"],
  ["an open string", "select 'open", "history_invalid"],
  ["an open dollar quote", "do $a$ begin end $b$;", "history_invalid"],
  ["an open comment", "select 1; /* open", "history_invalid"],
  ["an open name", 'create table "open (id int);', "history_invalid"],
  ["a name of nothing", 'create table "" (id int);', "history_invalid"],
  ["a parameter", "select $1;", "migration_failed 42P02"],
  ["psql's \\i", "\\i /etc/passwd", "history_invalid"],
  ["psql's \\! after SQL", "select 1; \\! id", "history_invalid"],
  ["psql's \\g", "select 1 \\g /tmp/stolen", "history_invalid"],
  ["psql's \\copy", "\\copy first from '/etc/passwd'", "history_invalid"],
  ["psql's variables", "select :'name';", "history_invalid"],
  ["rows of a dump", "copy first from stdin;\n1\n2\n\\.\n", "unsupported_statement"],
  ["COPY from the client", "copy first from stdin;", "unsupported_statement"],
  ["COPY to the client", "copy first to stdout;", "unsupported_statement"],
  [
    "COPY of a file that is not there",
    "copy first from '/nonexistent/x';",
    "migration_failed 58P01",
  ],
  [
    "SQL behind a string that ends with a backslash",
    "select 'a\\'; drop table if exists nothing; --';",
    "applied 2",
  ],
  ["an E-string that hides SQL", "select E'\\'; drop table first; --';", "applied 2"],
  ["a dollar quote that hides SQL", "select $$'; drop table first; --$$;", "applied 2"],
  ["U& with another escape", "select U&'!0041' uescape '!';", "applied 2"],
  ["U& with half a pair", "select U&'\\D83D';", "history_invalid"],
  ["COMMIT hidden in a comment", "/* commit; */ select 1;", "applied 2"],
  [
    "COMMIT in the file",
    "insert into first values (1); commit; insert into first values (2);",
    "applied 2",
  ],
  ["ROLLBACK", "rollback;", "unsupported_statement"],
  ["SAVEPOINT", "savepoint a;", "unsupported_statement"],
  ["PREPARE TRANSACTION", "prepare transaction 'a';", "unsupported_statement"],
  [
    "BEGIN SERIALIZABLE",
    "begin isolation level serializable; select 1; commit;",
    "unsupported_statement",
  ],
  ["BEGIN without an end", "begin; insert into first values (1);", "applied 2"],
  ["END before BEGIN", "end; begin;", "applied 2"],
  ["COMMIT in DO", "do $$ begin commit; end $$;", "migration_failed 2D000"],
  [
    "dblink-like smuggling by EXECUTE",
    "do $$ begin execute 'commit'; end $$;",
    "migration_failed 0A000",
  ],
  ["CREATE DATABASE", "create database stolen;", "unsupported_statement"],
  ["ALTER SYSTEM", "alter system set work_mem = 64;", "unsupported_statement"],
  ["the lease's own words", "update tidemark.runner set run_id = null;", "unsupported_statement"],
  ["an advisory lock that stays", "select pg_advisory_lock(1);", "applied 2"],
  ["its own backend ended", "select pg_terminate_backend(pg_backend_pid());", "connect"],
  [
    "its own statement canceled",
    "select pg_cancel_backend(pg_backend_pid()), pg_sleep(1);",
    "migration_failed 57014",
  ],
  [
    "a lock time-out of its own",
    "do $$ begin raise sqlstate '57014'; end $$;",
    "migration_failed 57014",
  ],
  [
    "a crash that is only said",
    "do $$ begin raise sqlstate '57P02'; end $$;",
    "migration_failed 57P02",
  ],
  [
    "an error text of a megabyte",
    "do $$ begin raise '%', repeat('x', 1000000); end $$;",
    "migration_failed P0001",
  ],
  ["an error that is nothing", "do $$ begin raise ''; end $$;", "migration_failed P0001"],
  [
    "an error in ESC and bells",
    "do $$ begin raise E'\\x1b[31m\\x07'; end $$;",
    "migration_failed P0001",
  ],
  ["1,000 parentheses", `select ${"(".repeat(1000)}1${")".repeat(1000)};`, "applied 2"],
  ["a line of a megabyte", `select '${"x".repeat(1_000_000)}';`, "applied 2"],
  ["10,000 lines of comment", "-- x\n".repeat(10_000), "applied 2"],
  ["5,000 empty statements", ";\n".repeat(5_000), "applied 2"],
  ["a name that is cut short", `create table ${"t".repeat(100)} (id int);`, "applied 2"],
  ["LISTEN", "listen a; notify a, 'b';", "applied 2"],
  ["a temporary table", "create temp table a (id int) on commit drop;", "applied 2"],
  ["a cursor that stays", "declare c cursor with hold for select 1;", "applied 2"],
  ["DISCARD ALL", "discard all;", "unsupported_statement"],
  ["another search_path", "set search_path to nowhere; select 1;", "applied 2"],
  [
    "SET LOCAL of the time-outs",
    "set local statement_timeout = 1; select pg_sleep(1);",
    "migration_failed 57014",
  ],
  ["an unknown directive", "-- tidemark: no-such-thing\nselect 1;", "applied 2"],
  [
    "a directive that is not at the top",
    "select 1;\n-- tidemark: no-transaction\nselect 2;",
    "applied 2",
  ],
];

test.each(CONTENTS)("a file that holds %s ends as it should", async (_, text, end) => {
  await writeFile(join(folder.dir, "0001_second.sql"), text);
  await folder.list(["0000_first", "0001_second"]);
  expect(await outcome()).toBe(end);
  // Refused before it runs is refused before anything does; else the first stays, and nothing hangs.
  const [{ first } = { first: null }] = await database.sql`select to_regclass('first') as first`;
  const isRefused = end === "history_invalid" || end === "unsupported_statement";
  expect(first).toBe(isRefused ? null : "first");
  await writeFile(join(folder.dir, "0001_second.sql"), "select 'mended';");
  if (!end.startsWith("applied")) {
    expect(await outcome()).toBe(isRefused ? "applied 2" : "applied 1");
  }
});

/** What is done to the folder, and how the run ends. */
const FOLDERS: readonly (readonly [what: string, make: () => Promise<unknown>, end: string])[] = [
  [
    "a link to a file beside it",
    async () => {
      await writeFile(join(folder.dir, "real"), "select 1;");
      await symlink("real", join(folder.dir, "0001_second.sql"));
    },
    "applied 2",
  ],
  [
    "a link to nothing",
    () => symlink("nowhere", join(folder.dir, "0001_second.sql")),
    "missing_file",
  ],
  [
    "a link to itself",
    () => symlink("0001_second.sql", join(folder.dir, "0001_second.sql")),
    "config",
  ],
  ["a folder", () => mkdir(join(folder.dir, "0001_second.sql")), "config"],
  ["a link to a folder", () => symlink("meta", join(folder.dir, "0001_second.sql")), "config"],
  [
    "a link to /dev/null",
    () => symlink("/dev/null", join(folder.dir, "0001_second.sql")),
    "history_invalid",
  ],
  ["a tag of 300 characters", () => folder.list(["0000_first", "a".repeat(300)]), "config"],
  ["nothing", async () => undefined, "missing_file"],
  [
    "a sum file that is a folder",
    async () => {
      await folder.write("0001_second", "select 1;");
      await mkdir(join(folder.dir, "tidemark.sum"));
    },
    "config",
  ],
  [
    "a sum file of NULs",
    async () => {
      await folder.write("0001_second", "select 1;");
      await writeFile(join(folder.dir, "tidemark.sum"), "\0\0\0");
    },
    "history_invalid",
  ],
  [
    "a journal that is a folder",
    async () => {
      await rm(join(folder.dir, "meta/_journal.json"));
      await mkdir(join(folder.dir, "meta/_journal.json"));
    },
    "config",
  ],
];

describe("where the second file should be there is", () => {
  test.each(FOLDERS)("%s", async (_, make, end) => {
    await folder.list(["0000_first", "0001_second"]);
    await make();
    expect(await outcome()).toBe(end);
  });
});

describe("a tag that leads elsewhere is refused:", () => {
  test.each([
    "../0000_first",
    "meta/../0000_first",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a\\b",
    "0000_first\0",
    "0000_first\n",
  ])("%j", async (tag) => {
    await folder.list(["0000_first", tag]);
    expect(await outcome()).toBe("history_invalid");
    expect(await database.sql`select to_regclass('first') as first`).toEqual([{ first: null }]);
  });
});
