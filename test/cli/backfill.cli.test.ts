import { expect, test } from "vitest";
import { backfillText } from "../helpers/backfill.ts";
import { THREE } from "../helpers/history.ts";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();
const TIMES = /\d[\d,.]* (?:ms|s)\b/g;

async function tidemark(...args: readonly string[]): Promise<string> {
  return (await shop.tidemark(...args)).replace(TIMES, "<time>");
}

async function fill(definition: string): Promise<void> {
  await shop.project.write(
    "drizzle/0002_first_note.ts",
    backfillText(`table: "notes", set: "author = 'nobody'", ${definition}`),
  );
  await shop.project.write(
    "drizzle/0002_first_note.sql",
    "insert into notes (body) select 'n' || i from generate_series(1, 20) i;",
  );
}

test("what waits for a worker is listed, held back, run, and then done", async () => {
  await fill("background: true");
  await shop.project.write(
    "drizzle/0003_use.sql",
    "-- tidemark: requires 0002_first_note\nselect 1;",
  );
  await shop.project.list([...Object.keys(THREE), "0003_use"]);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 3
    --- stdout
    Applied 3 migrations in <duration>. The database is at 0002_first_note.
    Still pending: 0003_use.
    0003_use is held back: it requires 0002_first_note, which has a backfill that is PENDING. It runs in a worker of the application, or by \`tidemark backfill run\`; then migrate again.
    --- stderr
    created the ledger in schema tidemark
    3 pending
    ✓ 0000_create_notes  <duration>
    ✓ 0001_add_author  <duration>
    0002_first_note fills public.notes in the background: a worker runs it
    ✓ 0002_first_note  <duration>
    "
  `);
  expect(await tidemark("backfill")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    backfill  state  rows  per second  left  worker
    0002_first_note  PENDING  0 rows
    "
  `);
  expect(await tidemark("status")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  <duration>  postgres@<host>
    0001_add_author  DONE  <time>  <duration>  postgres@<host>
    0002_first_note  DONE  <time>  <duration>  postgres@<host>
    0003_use  PENDING HELD_BACK
    0002_first_note fills public.notes: PENDING, 0 rows
    1 pending. The database is at 0002_first_note.
    "
  `);
  expect(await tidemark("backfill", "run")).toMatchInlineSnapshot(`
    "exit code 0
    --- stderr
    0002_first_note done
    "
  `);
  expect(await tidemark("backfill", "run")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    No backfill waits for a worker.
    "
  `);
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Applied 1 migration in <duration>. The database is at 0003_use.
    --- stderr
    1 pending
    ✓ 0003_use  <duration>
    "
  `);
});

test("paused, resumed and canceled by its tag; other words are refused", async () => {
  await fill("background: true");
  await tidemark("migrate");
  expect(await tidemark("backfill", "pause", "0002_first_note")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    0002_first_note fills public.notes: PAUSED, 0 rows
    "
  `);
  expect(await tidemark("backfill", "run")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    No backfill waits for a worker.
    "
  `);
  expect(await tidemark("backfill", "resume", "0002_first_note")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    0002_first_note fills public.notes: PENDING, 0 rows
    "
  `);
  expect(await tidemark("backfill", "cancel", "0002_first_note")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    0002_first_note fills public.notes: CANCELED, 0 rows
    "
  `);
  expect(await tidemark("backfill", "stop")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (usage) There is no \`tidemark backfill stop\`.
    Nothing was run. \`tidemark backfill list\`, \`run [tag]\`, \`pause <tag>\`, \`resume <tag>\`, \`cancel <tag>\`.
    "
  `);
  expect(await tidemark("backfill", "pause")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (usage) \`tidemark backfill pause\` has no tag.
    Nothing was run. \`tidemark backfill list\`, \`run [tag]\`, \`pause <tag>\`, \`resume <tag>\`, \`cancel <tag>\`.
    "
  `);
});

test("rows that cannot be filled are named, and what to do", async () => {
  await fill("maxQuarantined: 1");
  await tidemark("migrate", "--to", "0001_add_author");
  await shop.database
    .sql`alter table notes add constraint no_seven check (body <> 'n7' or author is null)`;
  expect(await tidemark("migrate")).toMatchInlineSnapshot(`
    "exit code 1
    --- stderr
    1 pending
    error (migration_failed) drizzle/0002_first_note.ts: 1 row of public.notes could not be filled:
      id = 7: new row for relation "notes" violates check constraint "no_seven"
    backfill, statement 2 of 2, SQLSTATE 23514
    detail: values of rows are left out (--record-row-values shows and records them)
    state: Statement 1 of 0002_first_note is committed. What came after was rolled back. The next run goes on with its backfill.
    Next: correct drizzle/0002_first_note.ts, then run \`tidemark migrate\` again. What was filled is committed, and is not filled again.
    "
  `);
});
