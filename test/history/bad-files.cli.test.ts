import { execFile } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { useProject } from "../helpers/project-fixture.ts";

const here = useProject();
const { tidemark } = here;

describe("a folder that cannot be run is refused before anything is created:", () => {
  afterEach(expectNothingRan);

  test("no such folder", async () => {
    expect(await tidemark("migrate", "--dir", "migrations")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (config) There is no migrations folder at migrations.
      Nothing was run. Name the folder with --dir, or as \`out\` in drizzle.config.ts; \`npx drizzle-kit generate\` makes one with a first migration.
      "
    `);
  });

  test.each([
    ["sqlite", "7", /of the dialect "sqlite": its migrations are not for PostgreSQL/],
    ["mysql", "5", /of the dialect "mysql"/],
    ["postgresql", "99", /has the version "99"; 5, 6 and 7 are known/],
  ])("a journal of %s, version %s", async (dialect, version, fact) => {
    const entries = [{ idx: 0, version, when: 1, tag: "0000_create_notes", breakpoints: true }];
    const journal = JSON.stringify({ version, dialect, entries });
    await here.project.write("drizzle/meta/_journal.json", journal);
    expect(await tidemark("migrate")).toMatch(fact);
    expect(await tidemark("status")).toMatch(/^exit code 2\n/);
  });

  test.each([
    ["a pipe", (path: string) => promisify(execFile)("mkfifo", [path])],
    ["a link to a device", (path: string) => symlink("/dev/zero", path)],
  ])("%s in a migration's place, which would be read for ever", async (_, make) => {
    await here.project.delete("drizzle/0001_add_author.sql");
    await make(join(here.project.root, "drizzle/0001_add_author.sql"));
    expect(await tidemark("migrate")).toMatch(
      /0001_add_author\.sql is neither a file nor a folder: a pipe, a socket or a device/,
    );
  });

  test("a file in the folder's place", async () => {
    expect(
      await tidemark("migrate", "--dir", "drizzle/0000_create_notes.sql"),
    ).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (config) drizzle/0000_create_notes.sql is a file; the migrations folder is expected there.
      Nothing was run. Name the folder with --dir, or as \`out\` in drizzle.config.ts; \`npx drizzle-kit generate\` makes one with a first migration.
      "
    `);
  });

  test("a folder without a journal", async () => {
    await here.project.write("sql/0000_a.sql", "select 1;");
    expect(await tidemark("status", "--dir", "sql")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) sql is not a migrations folder: neither sql/meta/_journal.json nor a folder with a migration.sql is there.
      Nothing was run. Name another folder with --dir; \`npx drizzle-kit generate\` makes a first migration.
      "
    `);
  });

  test("both of drizzle-kit's layouts in one folder", async () => {
    await here.project.write("drizzle/20251101120000_first/migration.sql", "select 1;");
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle has both layouts of drizzle-kit: drizzle/meta/_journal.json of 0.x, and 1 folder of 1.x (20251101120000_first).
      Nothing was run. If drizzle-kit 1.x made the folders, run \`npx drizzle-kit up\` with it: it turns the journal's migrations into folders. Otherwise move the folders elsewhere.
      "
    `);
  });

  test("a journal entry without its file", async () => {
    await here.project.delete("drizzle/0001_add_author.sql");
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (missing_file) drizzle/meta/_journal.json names files that are not in drizzle: 0001_add_author.sql.
      Nothing was run. Restore them (\`git log --stat -- drizzle\` shows what happened to them), or take their entries out if they were never applied anywhere.
      "
    `);
    expect(await tidemark("migrate", "--json")).toMatchInlineSnapshot(`
      "exit code 2
      --- stdout
      {"error":{"code":"missing_file","exitCode":2,"fact":"drizzle/meta/_journal.json names files that are not in drizzle: 0001_add_author.sql.","outcome":"nothing-run","remedy":"Restore them (\`git log --stat -- drizzle\` shows what happened to them), or take their entries out if they were never applied anywhere.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
      --- stderr
      error (missing_file) drizzle/meta/_journal.json names files that are not in drizzle: 0001_add_author.sql.
      Nothing was run. Restore them (\`git log --stat -- drizzle\` shows what happened to them), or take their entries out if they were never applied anywhere.
      "
    `);
  });

  test("a folder in a file's place", async () => {
    await here.project.delete("drizzle/0001_add_author.sql");
    await here.project.write("drizzle/0001_add_author.sql/oops", "");
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (config) drizzle/0001_add_author.sql cannot be read: it is a folder.
      Nothing was run. Restore the file and its permissions, then run again.
      "
    `);
  });

  test("a tag and an index twice", async () => {
    await here.project.write(
      "drizzle/meta/_journal.json",
      JSON.stringify({
        entries: [
          { idx: 0, tag: "0000_create_notes" },
          { idx: 1, tag: "0001_add_author" },
          { idx: 1, tag: "0002_first_note" },
          { idx: 3, tag: "0001_add_author" },
        ],
      }),
    );
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/meta/_journal.json is not a usable journal: the index 1 is in entries 1 and 2 (0002_first_note); the tag 0001_add_author is in entries 1 and 3.
      Nothing was run. After a merge, \`tidemark rebase --base <branch>\` puts the migrations of both branches in order; \`git log -p\` on the file shows its earlier versions.
      "
    `);
  });

  test("a journal with the marks of a merge", async () => {
    await here.project.write(
      "drizzle/meta/_journal.json",
      `{\n<<<<<<< HEAD\n  "entries": []\n=======\n  "entries": []\n>>>>>>> main\n}\n`,
    );
    // The engine's words and not ours, and other words in other releases of it.
    const text = await tidemark("migrate");
    expect(text.replace(/not JSON \(.*?\)\./, "not JSON (<reason>).")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/meta/_journal.json is not a usable journal: it is not JSON (<reason>).
      Nothing was run. After a merge, \`tidemark rebase --base <branch>\` puts the migrations of both branches in order; \`git log -p\` on the file shows its earlier versions.
      "
    `);
  });

  test("a journal that is something else", async () => {
    await here.project.write("drizzle/meta/_journal.json", "[]");
    expect(await tidemark("status", "--json")).toMatchInlineSnapshot(`
      "exit code 2
      --- stdout
      {"error":{"code":"history_invalid","exitCode":2,"fact":"drizzle/meta/_journal.json is not a usable journal: it has no list \`entries\`.","outcome":"nothing-run","remedy":"After a merge, \`tidemark rebase --base <branch>\` puts the migrations of both branches in order; \`git log -p\` on the file shows its earlier versions.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
      --- stderr
      error (history_invalid) drizzle/meta/_journal.json is not a usable journal: it has no list \`entries\`.
      Nothing was run. After a merge, \`tidemark rebase --base <branch>\` puts the migrations of both branches in order; \`git log -p\` on the file shows its earlier versions.
      "
    `);
  });

  test("SQL that does not parse, in the last file", async () => {
    await here.project.write(
      "drizzle/0002_first_note.sql",
      `INSERT INTO "notes"\n  ("body")\nVALUE ('hello');`,
    );
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/0002_first_note.sql:3:1: syntax error at or near "VALUE"

      1 | INSERT INTO "notes"
      2 |   ("body")
      3 | VALUE ('hello');
        | ^

      Nothing was run. Correct the file and run again.
      "
    `);
    expect(await tidemark("migrate", "--json")).toMatchInlineSnapshot(`
      "exit code 2
      --- stdout
      {"error":{"code":"history_invalid","exitCode":2,"fact":"drizzle/0002_first_note.sql:3:1: syntax error at or near \\"VALUE\\"\\n\\n1 | INSERT INTO \\"notes\\"\\n2 |   (\\"body\\")\\n3 | VALUE ('hello');\\n  | ^\\n","outcome":"nothing-run","remedy":"Correct the file and run again.","place":{"file":"drizzle/0002_first_note.sql","line":3,"column":1},"tag":null,"applied":[],"notRun":[],"details":null}}
      --- stderr
      error (history_invalid) drizzle/0002_first_note.sql:3:1: syntax error at or near "VALUE"

      1 | INSERT INTO "notes"
      2 |   ("body")
      3 | VALUE ('hello');
        | ^

      Nothing was run. Correct the file and run again.
      "
    `);
    expect(await tidemark("migrate", "--dry-run")).toBe(await tidemark("migrate"));
  });

  test("a NUL byte", async () => {
    await here.project.write(
      "drizzle/0002_first_note.sql",
      "select 1;\nselect\0 2;\ndrop table notes;",
    );
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/0002_first_note.sql:2:7: a NUL byte, which PostgreSQL cannot read

      1 | select 1;
      2 | select␀ 2;
        |       ^

      Nothing was run. Correct the file and run again. A NUL after each character is UTF-16, which some editors and shells write: save it as UTF-8.
      "
    `);
  });

  test("a file that is not UTF-8 text", async () => {
    await here.project.write(
      "drizzle/0002_first_note.sql",
      Buffer.from("select 'é';\n", "utf16le"),
    );
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/0002_first_note.sql:1:2: a NUL byte, which PostgreSQL cannot read

      1 | s␀e␀l␀e␀c␀t␀ ␀'␀�␀'␀;␀
        |  ^

      Nothing was run. Correct the file and run again. A NUL after each character is UTF-16, which some editors and shells write: save it as UTF-8.
      "
    `);
  });

  test("a file in an encoding of one byte a character", async () => {
    const latin1 = Buffer.from("select 1;\nselect 'café';\n", "latin1");
    await here.project.write("drizzle/0002_first_note.sql", latin1);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/0002_first_note.sql:2:12: bytes that are not UTF-8

      1 | select 1;
      2 | select 'caf�';
        |            ^

      Nothing was run. Save the file as UTF-8; \`iconv -f latin1 -t utf-8\` converts it from the most common other encoding.
      "
    `);
  });

  test("a stale sum file", async () => {
    await here.project.run(["sum"]);
    await here.project.write("drizzle/0001_add_author.sql", "-- edited");
    await here.project.write("drizzle/0003_new.sql", "select 1;");
    await here.project.list(["0000_create_notes", "0001_add_author", "0003_new"]);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/tidemark.sum does not match the migrations in its folder:
        0001_add_author.sql was sha256:97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc and is sha256:5f9e20cb6034268956be58ba0e9458066743b4c6c7640ed4acaeb075b06d44ea
        0003_new.sql is not listed
        0002_first_note.sql is listed but not in the history
      Nothing was run. If the change is intended, write the file again with \`tidemark sum\` (npm run db:sum) and commit it; if it came from a merge, check the order of the migrations first.
      "
    `);
    expect(await tidemark("status", "--json")).toMatchInlineSnapshot(`
      "exit code 2
      --- stdout
      {"error":{"code":"history_invalid","exitCode":2,"fact":"drizzle/tidemark.sum does not match the migrations in its folder:\\n  0001_add_author.sql was sha256:97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc and is sha256:5f9e20cb6034268956be58ba0e9458066743b4c6c7640ed4acaeb075b06d44ea\\n  0003_new.sql is not listed\\n  0002_first_note.sql is listed but not in the history","outcome":"nothing-run","remedy":"If the change is intended, write the file again with \`tidemark sum\` (npm run db:sum) and commit it; if it came from a merge, check the order of the migrations first.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
      --- stderr
      error (history_invalid) drizzle/tidemark.sum does not match the migrations in its folder:
        0001_add_author.sql was sha256:97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc and is sha256:5f9e20cb6034268956be58ba0e9458066743b4c6c7640ed4acaeb075b06d44ea
        0003_new.sql is not listed
        0002_first_note.sql is listed but not in the history
      Nothing was run. If the change is intended, write the file again with \`tidemark sum\` (npm run db:sum) and commit it; if it came from a merge, check the order of the migrations first.
      "
    `);
  });

  test("a sum file for another order", async () => {
    await here.project.run(["sum"]);
    await here.project.list(["0000_create_notes", "0002_first_note", "0001_add_author"]);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/tidemark.sum does not match the migrations in its folder:
        the files are the same, but their order changed: the head was sha256:f9ffbce40e9c70538eee9adc152f9e245bdd7db337fcb9d815179fe97c329b0c and is sha256:fd51e5e021ce931d6f0fb32c0fc281e45925370da4972cf5b66e5b6a6a28d90a
      Nothing was run. If the change is intended, write the file again with \`tidemark sum\` (npm run db:sum) and commit it; if it came from a merge, check the order of the migrations first.
      "
    `);
  });

  test("an unknown target", async () => {
    expect(await tidemark("migrate", "--to", "0001_add_autor")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) There is no migration 0001_add_autor in drizzle. Did you mean 0001_add_author?
      Nothing was run. \`tidemark status\` lists the tags; the newest is 0002_first_note.
      "
    `);
    expect(await tidemark("migrate", "--dry-run", "--to", "1")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) There is no migration 1 in drizzle.
      Nothing was run. \`tidemark status\` lists the tags; the newest is 0002_first_note.
      "
    `);
    expect(await tidemark("migrate", "--to", "")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) There is no migration "" in drizzle.
      Nothing was run. \`tidemark status\` lists the tags; the newest is 0002_first_note.
      "
    `);
  });
});

test("a file without a journal entry is a warning, and is not run", async () => {
  await here.project.write("drizzle/0003_stray.sql", "create table stray (id integer);");
  expect(await tidemark("migrate", "--quiet")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    0000_create_notes  <duration>
    0001_add_author  <duration>
    0002_first_note  <duration>
    Applied 3 migrations in <duration>. The database is at 0002_first_note.
    "
  `);
  expect(await tidemark("status")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  <duration>  postgres@<host>
    0001_add_author  DONE  <time>  <duration>  postgres@<host>
    0002_first_note  DONE  <time>  <duration>  postgres@<host>
    0 pending. The database is at 0002_first_note.
    --- stderr
    warning: 0003_stray.sql has no entry in meta/_journal.json and is not run.
    "
  `);
  expect(await relations()).not.toContain("public.stray");
});

test("an empty file, and one of comments alone, are migrations that do nothing", async () => {
  await here.project.write("drizzle/0001_add_author.sql", "");
  await here.project.write("drizzle/0002_first_note.sql", "-- Custom SQL migration file\n");
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Applied 3 migrations in <duration>. The database is at 0002_first_note.
    --- stderr
    created the ledger in schema tidemark
    3 pending
    ✓ 0000_create_notes  <duration>
    ✓ 0001_add_author  <duration>
    ✓ 0002_first_note  <duration>
    "
  `);
});

/** No table but the ledger's, which may have been made meanwhile, and nothing in that. */
async function expectNothingRan(): Promise<void> {
  const tables = await relations();
  expect(tables.filter((name) => !name.startsWith("tidemark."))).toEqual([]);
  if (tables.length === 0) return;
  expect(await here.database.sql`select * from tidemark.migration_events`).toEqual([]);
}

/** Tables of everybody but the system. */
async function relations(): Promise<readonly string[]> {
  const rows = await here.database.sql`
    select nspname || '.' || relname as name from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind = 'r' and nspname not in ('pg_catalog', 'information_schema') order by 1`;
  return rows.map(({ name }) => name);
}
