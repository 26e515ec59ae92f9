import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { THREE } from "../helpers/history.ts";
import { useProject } from "../helpers/project-fixture.ts";

const here = useProject();
const { tidemark } = here;

const byDrizzle = () =>
  migrateWithDrizzle("0.x", {
    url: here.database.url,
    dir: join(here.project.root, "drizzle"),
  });

const hasLedger = async () => {
  const [row] = await here.database.sql`select to_regclass('tidemark.runner') is not null as has`;
  return row?.has;
};

test("the first migrate takes over, in one line", async () => {
  await byDrizzle();
  expect(await tidemark("status")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  adopted  postgres@drizzle
    0001_add_author  DONE  <time>  adopted  postgres@drizzle
    0002_first_note  DONE  <time>  adopted  postgres@drizzle
    drizzle's table drizzle.__drizzle_migrations has 3 rows, each of a migration of this history. The next \`tidemark migrate\` takes them over.
    0 pending. The database is at 0002_first_note.
    "
  `);
  expect(await tidemark("migrate", "--dry-run")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    -- First, 3 migrations that drizzle.__drizzle_migrations has as applied would be taken over.
    -- 0 pending. Nothing was run.
    "
  `);
  expect(await hasLedger()).toBe(false);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Nothing pending. The database is at 0002_first_note.
    --- stderr
    created the ledger in schema tidemark
    took over 3 migrations that drizzle.__drizzle_migrations has as applied
    "
  `);
  expect(await tidemark("status")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  adopted  postgres@<host>
    0001_add_author  DONE  <time>  adopted  postgres@<host>
    0002_first_note  DONE  <time>  adopted  postgres@<host>
    0 pending. The database is at 0002_first_note.
    "
  `);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Nothing pending. The database is at 0002_first_note.
    "
  `);
});

test("before that, every command says what is known, and writes nothing", async () => {
  await byDrizzle();
  expect(await tidemark("wait", "--timeout", "1")).toContain("The database is at 0002_first_note.");
  expect(await tidemark("events")).toContain("No events.");
  expect(await tidemark("repair")).toContain("Nothing to repair.");
  const scratch = ["--scratch-url", inject("serverUrl")];
  expect(await tidemark("drift", "--quiet", ...scratch)).toContain(
    "No drift: the database is what its 3 applied migrations make.",
  );
  await here.database.sql.unsafe("alter table notes add column extra text");
  expect(await tidemark("drift", "--quiet", ...scratch)).toContain("column public.notes.extra");
  expect(await hasLedger()).toBe(false);
});

test("rows in doubt: shown, answered one by one, and recorded together", async () => {
  await byDrizzle();
  await here.project.write("drizzle/0001_add_author.sql", `${THREE["0001_add_author"]} -- edited`);
  await here.database.sql.unsafe(`
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('gone', 1600000000000);
    update drizzle.__drizzle_migrations set hash = '0002_first_note', created_at = 1800000000000 where id = 3;`);
  expect(await tidemark("adopt")).toMatchInlineSnapshot(`
    "exit code 4
    --- stdout
    drizzle.__drizzle_migrations has 4 rows:
    row  time  migration  verdict
    1  <time>  0000_create_notes  matched
    2  <time>  0001_add_author  the file of 0001_add_author was edited after it was applied
    3  <time>  0002_first_note  it was written by hand: it has the tag 0002_first_note in place of a hash
    4  <time>  no file has its hash or its time (<time>)

    --- stderr
    error (adopt_required) drizzle's own migrator ran here, and 3 of the 4 rows in drizzle.__drizzle_migrations do not clearly match a file of this history:
      row 2: the file of 0001_add_author was edited after it was applied
      row 3: it was written by hand: it has the tag 0002_first_note in place of a hash
      row 4: no file has its hash or its time (<time>)
    Nothing was run. \`tidemark adopt\` shows each row with its file, and takes your answers (--accept-edited, --accept-marked, --mark-applied <tag>, --forget <row>).
    "
  `);
  expect(await hasLedger()).toBe(false);
  expect(await tidemark("adopt", "--accept-edited", "--forget", "4")).toContain("row 3");
  expect(await hasLedger()).toBe(false);
  const answers = ["--accept-edited", "--forget", "4", "--mark-applied", "0002_first_note"];
  expect(await tidemark("adopt", ...answers, "--dry-run", "--json")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    {"table":"drizzle.__drizzle_migrations","adopted":["0000_create_notes","0001_add_author","0002_first_note"],"passedOver":[],"pending":[],"dryRun":true,"mirrored":false,"rows":[{"row":1,"hash":"58390edd8f9ad2c1d77393fc32bfd59ed5a6068079578d055a27b36843215b29","createdAt":1700000000000,"name":null,"verdict":"matched","tag":"0000_create_notes"},{"row":2,"hash":"97b5246b1f085532f2f8d115486d190fa99c7af37d450c028863844976e938fc","createdAt":1700000000001,"name":null,"verdict":"edited","tag":"0001_add_author"},{"row":3,"hash":"0002_first_note","createdAt":1800000000000,"name":null,"verdict":"marked","tag":"0002_first_note"},{"row":4,"hash":"gone","createdAt":1600000000000,"name":null,"verdict":"unknown","tag":null}],"problems":[]}
    "
  `);
  expect(await hasLedger()).toBe(false);
  const byKind = [
    "--accept-edited",
    "--accept-marked",
    "--forget",
    "unknown",
    "--forget",
    "duplicate",
  ];
  expect(await tidemark("adopt", ...byKind, "--dry-run")).toContain(
    "3 migrations would be recorded",
  );
  expect(await tidemark("adopt", ...answers)).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    drizzle.__drizzle_migrations has 4 rows:
    row  time  migration  verdict
    1  <time>  0000_create_notes  matched
    2  <time>  0001_add_author  the file of 0001_add_author was edited after it was applied
    3  <time>  0002_first_note  it was written by hand: it has the tag 0002_first_note in place of a hash
    4  <time>  no file has its hash or its time (<time>)

    3 migrations recorded as applied. None was run.
    drizzle.__drizzle_migrations is kept up to date: drizzle can go on from here.
    0 pending.
    --- stderr
    created the ledger in schema tidemark
    took over 3 migrations that drizzle.__drizzle_migrations has as applied
    "
  `);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Nothing pending. The database is at 0002_first_note.
    "
  `);
  expect(await here.database.sql`select count(*)::int as notes from notes`).toEqual([{ notes: 1 }]);
});

test("a database without drizzle's table: what a person marks, and nothing else", async () => {
  await here.database.sql.unsafe(THREE["0000_create_notes"]);
  const refusal = await tidemark("adopt");
  expect(refusal.replaceAll(here.database.name, "app")).toMatchInlineSnapshot(`
    "exit code 4
    --- stderr
    error (not_clean) The database app is not empty, and its ledger (schema tidemark) has no migration. It holds 1 object in schema public, owned by postgres: table public.notes.
    Nothing was run. Check that the URL leads to the right database. If \`drizzle-kit push\`, a dump or another tool created these objects, \`tidemark adopt --baseline\` finds the migration that they correspond to. If the migrations are meant to run beside them, run again with --allow-existing (at boot: MIGRATE_ALLOW_EXISTING=true).
    "
  `);
  expect(await tidemark("adopt", "--mark-applied", "0000_create_notes")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    1 migration recorded as applied. None was run.
    2 pending: 0001_add_author, 0002_first_note.
    --- stderr
    created the ledger in schema tidemark
    recorded 1 migration as applied
    "
  `);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Applied 2 migrations in <duration>. The database is at 0002_first_note.
    --- stderr
    2 pending
    ✓ 0001_add_author  <duration>
    ✓ 0002_first_note  <duration>
    "
  `);
});

test("bad answers are refused, and nothing is written", async () => {
  await byDrizzle();
  expect(await tidemark("adopt", "--forget", "x")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (usage) --forget takes the number of a row, \`unknown\` or \`duplicate\`, not "x".
    Nothing was written. \`tidemark adopt --dry-run\` shows the rows with their numbers.
    "
  `);
  expect(await tidemark("adopt", "--forget", "99")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (usage) drizzle's table has no row 99 that the ledger does not know yet.
    Nothing was written. \`tidemark adopt --dry-run\` shows the rows with their numbers.
    "
  `);
  expect(await tidemark("adopt", "--mark-applied", "0007_no")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (usage) There is no migration 0007_no in drizzle.
    Nothing was run. \`tidemark status\` lists the tags; the newest is 0002_first_note.
    "
  `);
  expect(await hasLedger()).toBe(false);
});

test("what drizzle passed over, and the end of the way back, are told in words", async () => {
  await byDrizzle();
  await here.database.sql`delete from drizzle.__drizzle_migrations where id = 2`;
  expect(await tidemark("migrate", "--no-mirror")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Nothing to apply. The database is at 0002_first_note.
    Still pending: 0001_add_author.
    --- stderr
    created the ledger in schema tidemark
    took over 2 migrations that drizzle.__drizzle_migrations has as applied; drizzle's migrator passed over 0001_add_author
    warning: drizzle's migrator passed over 0001_add_author, and Tidemark does not run them unasked: \`tidemark migrate --allow-out-of-order\` runs them, \`tidemark adopt --mark-applied <tag>\` records that they will never run.
    drizzle's table is not written from here on: its migrator would run again what Tidemark applies.
    "
  `);
  expect(await tidemark("events")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    <time>  adopted  0000_create_notes  by drizzle's table  postgres@<host>
    <time>  adopted  0001_add_author  not applied: drizzle passed it over  postgres@<host>
    <time>  adopted  0002_first_note  by drizzle's table  postgres@<host>
    "
  `);
  expect(
    await tidemark("adopt", "--mark-applied", "0001_add_author", "--no-mirror"),
  ).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    1 migration recorded as applied. None was run.
    0 pending.
    --- stderr
    recorded 1 migration as applied
    drizzle's table is not written from here on: its migrator would run again what Tidemark applies.
    "
  `);
});
