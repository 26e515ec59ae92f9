import { afterEach, expect, test } from "vitest";
import { THREE } from "../helpers/history.ts";
import { createEmptyLedger } from "../helpers/ledger.ts";
import { useProject } from "../helpers/project-fixture.ts";

const here = useProject();
const { tidemark } = here;

/** One more than was applied, which nothing here may run. */
const FOUR = { ...THREE, "0003_never": "create table never (id integer);" };

afterEach(async () => {
  const [row] = await here.database.sql`select to_regclass('public.never') as never`;
  expect(row).toEqual({ never: null });
});

/** All three applied; then there is one more to apply. */
async function migrateThree(): Promise<void> {
  expect(await here.project.run(["migrate"], { DATABASE_URL: here.database.url })).toMatchObject({
    code: 0,
  });
  await here.project.write("drizzle/0003_never.sql", FOUR["0003_never"]);
  await here.project.list(Object.keys(FOUR));
}

const DRIZZLE_TABLE = `create schema drizzle;
  create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
  insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 1)`;

test("an applied file that was edited", async () => {
  await migrateThree();
  await here.project.write("drizzle/0001_add_author.sql", "-- edited\n");
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 4
    --- stderr
    error (checksum_mismatch) drizzle/0001_add_author.sql was edited after it was applied on <time>.
      applied: sha256:97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc
      on disk: sha256:00a03228b214fc4bc6fa98ec2141820903b9470348ed6296e914746e4c9062b6
    Nothing was run. Restore the file as it was applied (\`git log -p -- drizzle/0001_add_author.sql\` shows how), and put the change into a new migration.
    "
  `);
  expect(await tidemark("migrate", "--json")).toMatchInlineSnapshot(`
    "exit code 4
    --- stdout
    {"error":{"code":"checksum_mismatch","exitCode":4,"fact":"drizzle/0001_add_author.sql was edited after it was applied on <time>.\\n  applied: sha256:97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc\\n  on disk: sha256:00a03228b214fc4bc6fa98ec2141820903b9470348ed6296e914746e4c9062b6","outcome":"nothing-run","remedy":"Restore the file as it was applied (\`git log -p -- drizzle/0001_add_author.sql\` shows how), and put the change into a new migration.","place":null,"tag":"0001_add_author","applied":[],"notRun":[],"details":null}}
    --- stderr
    error (checksum_mismatch) drizzle/0001_add_author.sql was edited after it was applied on <time>.
      applied: sha256:97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc
      on disk: sha256:00a03228b214fc4bc6fa98ec2141820903b9470348ed6296e914746e4c9062b6
    Nothing was run. Restore the file as it was applied (\`git log -p -- drizzle/0001_add_author.sql\` shows how), and put the change into a new migration.
    "
  `);
  expect(await tidemark("status", "--check")).toMatchInlineSnapshot(`
    "exit code 4
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  <duration>  postgres@<host>
    0001_add_author  DONE CHANGED  <time>  <duration>  postgres@<host>
    0002_first_note  DONE  <time>  <duration>  postgres@<host>
    0003_never  PENDING
    drizzle/0001_add_author.sql was edited after it was applied on <time>.
      applied: sha256:97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc
      on disk: sha256:00a03228b214fc4bc6fa98ec2141820903b9470348ed6296e914746e4c9062b6
    Nothing was run. Restore the file as it was applied (\`git log -p -- drizzle/0001_add_author.sql\` shows how), and put the change into a new migration.
    1 pending. The database is at 0002_first_note.
    "
  `);
});

test("an applied file that is gone, with its entry", async () => {
  await migrateThree();
  await here.project.list(["0000_create_notes", "0002_first_note", "0003_never"]);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (missing_file) The database has migrations that are not in the folder drizzle: 0001_add_author.
    Nothing was run. Bring the files and their journal entries back (\`git log --stat --all -- drizzle\` shows what happened to them, another branch may have them), or run the release that has them. An older release is fine only when it has all migrations up to its newest, unchanged.
    "
  `);
  expect(await tidemark("status", "--check")).toMatchInlineSnapshot(`
    "exit code 2
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  <duration>  postgres@<host>
    0001_add_author  DONE MISSING  <time>  <duration>  postgres@<host>
    0002_first_note  DONE  <time>  <duration>  postgres@<host>
    0003_never  PENDING
    The database has migrations that are not in the folder drizzle: 0001_add_author.
    Nothing was run. Bring the files and their journal entries back (\`git log --stat --all -- drizzle\` shows what happened to them, another branch may have them), or run the release that has them. An older release is fine only when it has all migrations up to its newest, unchanged.
    1 pending. The database is at 0002_first_note.
    --- stderr
    warning: 0001_add_author.sql has no entry in meta/_journal.json and is not run.
    "
  `);
});

test("an applied file that is gone, and its entry is not", async () => {
  await migrateThree();
  await here.project.delete("drizzle/0001_add_author.sql");
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (missing_file) drizzle/meta/_journal.json names files that are not in drizzle: 0001_add_author.sql.
    Nothing was run. Restore them (\`git log --stat -- drizzle\` shows what happened to them), or take their entries out if they were never applied anywhere.
    "
  `);
});

test("out of order", async () => {
  await migrateThree();
  await here.project.list([
    "0000_create_notes",
    "0003_never",
    "0001_add_author",
    "0002_first_note",
  ]);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 4
    --- stderr
    error (out_of_order) Pending, but older than 0002_first_note, which is applied: 0003_never.
    Nothing was run. If they are your branch's own, move them behind with \`tidemark rebase --base <branch>\` (\`origin/main\`); where their order does not matter, apply them with \`tidemark migrate --allow-out-of-order\`.
    "
  `);
  expect(await tidemark("status", "--json", "--check")).toMatch(
    /^exit code 4\n--- stdout\n\{"version":"0002_first_note".*"problems":\[\{"code":"out_of_order"/,
  );
});

test("a ledger that only a newer Tidemark reads", async () => {
  await migrateThree();
  await here.database.sql`update tidemark.runner set ledger_version = 6, min_reader = 5`;
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (ledger_newer) The ledger in schema tidemark is version 6 and needs a Tidemark that supports version 5; this one supports version 4.
    Nothing was run. A newer Tidemark has worked on this database: update this one (npm install tidemark@latest), or run the release that has it.
    "
  `);
  expect(await tidemark("status", "--json")).toMatchInlineSnapshot(`
    "exit code 2
    --- stdout
    {"error":{"code":"ledger_newer","exitCode":2,"fact":"The ledger in schema tidemark is version 6 and needs a Tidemark that supports version 5; this one supports version 4.","outcome":"nothing-run","remedy":"A newer Tidemark has worked on this database: update this one (npm install tidemark@latest), or run the release that has it.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
    --- stderr
    error (ledger_newer) The ledger in schema tidemark is version 6 and needs a Tidemark that supports version 5; this one supports version 4.
    Nothing was run. A newer Tidemark has worked on this database: update this one (npm install tidemark@latest), or run the release that has it.
    "
  `);
});

test("a ledger that somebody emptied", async () => {
  await migrateThree();
  await here.database.sql`alter table tidemark.runner disable trigger runner_kept`;
  await here.database.sql`delete from tidemark.runner`;
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The ledger tidemark.runner has no row.
    Nothing was run. It was emptied: restore the schema from a backup.
    "
  `);
});

test("a schema of the ledger's name that is somebody else's", async () => {
  await here.database.sql.unsafe(
    "create schema tidemark; create table tidemark.runner (id integer)",
  );
  expect(await tidemark("status")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The ledger in schema tidemark cannot be used: column r.backend_pid does not exist (SQLSTATE 42703).
    Nothing was run. Schema tidemark does not contain a ledger of Tidemark's, or it was altered: give the ledger a schema of its own with --ledger-schema.
    "
  `);
});

test("a database that drizzle's own migrator filled, and no ledger", async () => {
  await here.database.sql.unsafe(DRIZZLE_TABLE);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 4
    --- stderr
    error (adopt_required) drizzle's own migrator ran here, and 1 of the 1 row in drizzle.__drizzle_migrations does not clearly match a file of this history:
      row 1: no file has its hash or its time (<time>)
    Nothing was run. \`tidemark adopt\` shows each row with its file, and takes your answers (--accept-edited, --accept-marked, --mark-applied <tag>, --forget <row>).
    "
  `);
  expect(await tidemark("migrate", "--dry-run", "--json")).toMatchInlineSnapshot(`
    "exit code 4
    --- stdout
    {"error":{"code":"adopt_required","exitCode":4,"fact":"drizzle's own migrator ran here, and 1 of the 1 row in drizzle.__drizzle_migrations does not clearly match a file of this history:\\n  row 1: no file has its hash or its time (<time>)","outcome":"nothing-run","remedy":"\`tidemark adopt\` shows each row with its file, and takes your answers (--accept-edited, --accept-marked, --mark-applied <tag>, --forget <row>).","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
    --- stderr
    error (adopt_required) drizzle's own migrator ran here, and 1 of the 1 row in drizzle.__drizzle_migrations does not clearly match a file of this history:
      row 1: no file has its hash or its time (<time>)
    Nothing was run. \`tidemark adopt\` shows each row with its file, and takes your answers (--accept-edited, --accept-marked, --mark-applied <tag>, --forget <row>).
    "
  `);
  expect(await tidemark("status", "--check")).toMatchInlineSnapshot(`
    "exit code 4
    --- stdout
    migration  state  when  took  by
    0000_create_notes  PENDING
    0001_add_author  PENDING
    0002_first_note  PENDING
    drizzle's own migrator ran here, and 1 of the 1 row in drizzle.__drizzle_migrations does not clearly match a file of this history:
      row 1: no file has its hash or its time (<time>)
    Nothing was run. \`tidemark adopt\` shows each row with its file, and takes your answers (--accept-edited, --accept-marked, --mark-applied <tag>, --forget <row>).
    3 pending. The database is at no version.
    "
  `);
  const [row] = await here.database.sql`
    select to_regnamespace('tidemark') as ledger, to_regclass('public.notes') as notes`;
  expect(row).toEqual({ ledger: null, notes: null });
});

test("a database that drizzle's own migrator filled, beside an empty ledger", async () => {
  await createEmptyLedger(here.database);
  await here.database.sql.unsafe(DRIZZLE_TABLE);
  expect(await tidemark("migrate")).toMatch(/^exit code 4\n--- stderr\nerror \(adopt_required\)/);
  const [row] = await here.database.sql`select to_regclass('public.notes') as notes`;
  expect(row).toEqual({ notes: null });
  expect(await here.database.sql`select * from tidemark.migration_events`).toEqual([]);
});
