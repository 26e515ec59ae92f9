import { describe, expect, test } from "vitest";
import { useProject } from "../helpers/project-fixture.ts";
import { startRunner } from "../helpers/runner-process.ts";

const here = useProject();
const { tidemark } = here;

/** Replaces the last of the three migrations. */
function last(sql: string): Promise<void> {
  return here.project.write("drizzle/0002_first_note.sql", sql);
}

test("what is printed of statements outside transactions: before they run, and in the log", async () => {
  await last(
    "insert into notes (body) values ('one');\ncreate index concurrently notes_idx on notes (body);\nselect 1;",
  );
  await tidemark("migrate", "--to", "0001_add_author");
  expect(await tidemark("migrate", "--dry-run")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    -- 0002_first_note (drizzle/0002_first_note.sql, 3 statements)
    -- in one transaction:
    insert into notes (body) values ('one');
    -- outside a transaction:
    create index concurrently notes_idx on notes (body);
    -- in one transaction:
    select 1;

    -- statement          lock                    on     for   rows  size   writes/s
    -- 0002_first_note 1  ROW EXCLUSIVE           notes  rows  0     24 kB  0
    -- 0002_first_note 2  SHARE UPDATE EXCLUSIVE  notes  scan  0     24 kB  0
    --
    -- Nobody is in the way now.
    -- Writes were counted for <duration>.
    -- 1 pending. Nothing was run.
    "
  `);
  await tidemark("migrate");
  expect(await tidemark("events", "--tag", "0002_first_note")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    <time>  started  0002_first_note  postgres@<host>
    <time>  statement.done  0002_first_note  1 of 3  postgres@<host>
    <time>  statement.started  0002_first_note  2 of 3  CREATE INDEX CONCURRENTLY notes_idx  postgres@<host>
    <time>  statement.done  0002_first_note  <duration>  2 of 3  postgres@<host>
    <time>  done  0002_first_note  <duration>  postgres@<host>
    "
  `);
});

describe("what is printed where a migration fails", () => {
  test("with SQL that does not parse: nothing has run", async () => {
    await last("select 1;\nselect '🌊 漢字', 'é' frm notes where;\n");
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle/0002_first_note.sql:2:24: syntax error at or near "notes"

      1 | select 1;
      2 | select '🌊 漢字', 'é' frm notes where;
        |                           ^

      Nothing was run. Correct the file and run again.
      "
    `);
  });

  test("with a name that is not there, behind characters of several bytes", async () => {
    await last(
      "insert into notes (body) values ('🌊 漢字');\nselect '🌊🌊', 'é', nope from notes;\n",
    );
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      created the ledger in schema tidemark
      3 pending
      ✓ 0000_create_notes  <duration>
      ✓ 0001_add_author  <duration>
      error (migration_failed) drizzle/0002_first_note.sql:2:19: column "nope" does not exist

      1 | insert into notes (body) values ('🌊 漢字');
      2 | select '🌊🌊', 'é', nope from notes;
        |                     ^

      statement 2 of 2, SQLSTATE 42703
      state: 0002_first_note was rolled back. 2 migrations before it applied.
      Next: correct drizzle/0002_first_note.sql (or the data it met), then run \`tidemark migrate\` again.
      "
    `);
  });

  test("by a constraint in a later statement of its file", async () => {
    await last(`-- the first is fine
insert into notes (id, body) values (1, 'one');
insert into notes (id, body) values (2, 'zwölf 🌊');

insert into notes (id, body)
  values (1, 'again');
insert into notes (id, body) values (3, 'never');`);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      created the ledger in schema tidemark
      3 pending
      ✓ 0000_create_notes  <duration>
      ✓ 0001_add_author  <duration>
      error (migration_failed) drizzle/0002_first_note.sql:5:1: duplicate key value violates unique constraint "notes_pkey"

      3 | insert into notes (id, body) values (2, 'zwölf 🌊');
      4 | 
      5 | insert into notes (id, body)
        | ^

      statement 3 of 4, SQLSTATE 23505
      detail: notes_pkey of table public.notes; values of rows are left out (--record-row-values shows and records them)
      state: 0002_first_note was rolled back. 2 migrations before it applied.
      Next: correct drizzle/0002_first_note.sql (or the data it met), then run \`tidemark migrate\` again.
      "
    `);
    expect(await tidemark("status")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      migration  state  when  took  by
      0000_create_notes  DONE  <time>  <duration>  postgres@<host>
      0001_add_author  DONE  <time>  <duration>  postgres@<host>
      0002_first_note  FAILED  <time>  <duration>  postgres@<host>
      0002_first_note drizzle/0002_first_note.sql:5:1: duplicate key value violates unique constraint "notes_pkey"

      3 | insert into notes (id, body) values (2, 'zwölf 🌊');
      4 | 
      5 | insert into notes (id, body)
        | ^

      statement 3 of 4, SQLSTATE 23505
      detail: notes_pkey of table public.notes; values of rows are left out (--record-row-values shows and records them)
      state: 0002_first_note was rolled back. 2 migrations before it applied.
      1 pending. The database is at 0001_add_author.
      "
    `);
  });

  test("inside a DO block, with the server's context", async () => {
    await last(`do $$
declare n integer := 0;
begin
  n := 1 / n;
end $$;`);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      created the ledger in schema tidemark
      3 pending
      ✓ 0000_create_notes  <duration>
      ✓ 0001_add_author  <duration>
      error (migration_failed) drizzle/0002_first_note.sql:1:1: division by zero

      1 | do $$
        | ^

      statement 1 of 1, SQLSTATE 22012
      context: PL/pgSQL function inline_code_block line 4 at assignment
      state: 0002_first_note was rolled back. 2 migrations before it applied.
      Next: correct drizzle/0002_first_note.sql (or the data it met), then run \`tidemark migrate\` again.
      "
    `);
  });

  test("inside a function that another one calls, with the server's context", async () => {
    await last(`create function inner_one() returns void language plpgsql as $$
begin
  insert into notes (body) values (null);
end $$;
create function outer_one() returns void language plpgsql as $$
begin
  perform inner_one();
end $$;
select outer_one();`);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      created the ledger in schema tidemark
      3 pending
      ✓ 0000_create_notes  <duration>
      ✓ 0001_add_author  <duration>
      error (migration_failed) drizzle/0002_first_note.sql:9:1: null value in column "body" of relation "notes" violates not-null constraint

      7 |   perform inner_one();
      8 | end $$;
      9 | select outer_one();
        | ^

      statement 3 of 3, SQLSTATE 23502
      detail: column body of table public.notes; values of rows are left out (--record-row-values shows and records them)
      context: SQL statement "insert into notes (body) values (null)"
               PL/pgSQL function inner_one() line 3 at SQL statement
               SQL statement "SELECT inner_one()"
               PL/pgSQL function outer_one() line 3 at PERFORM
      state: 0002_first_note was rolled back. 2 migrations before it applied.
      Next: correct drizzle/0002_first_note.sql (or the data it met), then run \`tidemark migrate\` again.
      "
    `);
  });

  test("behind a transaction of its file that is committed", async () => {
    await last("insert into notes (body) values ('kept');\ncommit;\nselect 1 / 0;\n");
    expect(await tidemark("migrate", "--json")).toMatchInlineSnapshot(`
      "exit code 1
      --- stdout
      {"error":{"code":"migration_failed","exitCode":1,"fact":"drizzle/0002_first_note.sql:3:1: division by zero\\n\\n1 | insert into notes (body) values ('kept');\\n2 | commit;\\n3 | select 1 / 0;\\n  | ^\\n\\nstatement 3 of 3, SQLSTATE 22012\\nstate: Statements 1 to 2 of 0002_first_note are committed. What came after was rolled back. The next run goes on at statement 3. 2 migrations before it applied.","outcome":"partly-committed","remedy":"Next: correct drizzle/0002_first_note.sql (or the data it met), then run \`tidemark migrate\` again.","place":{"file":"drizzle/0002_first_note.sql","line":3,"column":1},"tag":"0002_first_note","applied":["0000_create_notes","0001_add_author"],"notRun":[],"details":{"sqlState":"22012","detail":null,"hint":null,"where":null,"file":"drizzle/0002_first_note.sql","line":3,"column":1,"statement":3,"statements":3,"message":"division by zero","text":"drizzle/0002_first_note.sql:3:1: division by zero\\n\\n1 | insert into notes (body) values ('kept');\\n2 | commit;\\n3 | select 1 / 0;\\n  | ^\\n\\nstatement 3 of 3, SQLSTATE 22012\\nstate: Statements 1 to 2 of 0002_first_note are committed. What came after was rolled back. The next run goes on at statement 3. 2 migrations before it applied."}}}
      --- stderr
      created the ledger in schema tidemark
      3 pending
      ✓ 0000_create_notes  <duration>
      ✓ 0001_add_author  <duration>
      error (migration_failed) drizzle/0002_first_note.sql:3:1: division by zero

      1 | insert into notes (body) values ('kept');
      2 | commit;
      3 | select 1 / 0;
        | ^

      statement 3 of 3, SQLSTATE 22012
      state: Statements 1 to 2 of 0002_first_note are committed. What came after was rolled back. The next run goes on at statement 3. 2 migrations before it applied.
      Next: correct drizzle/0002_first_note.sql (or the data it met), then run \`tidemark migrate\` again.
      "
    `);
  });

  test("by an index built concurrently, which is left INVALID", async () => {
    await last(`insert into notes (body) values ('twice'), ('twice');
create unique index concurrently notes_body_key on notes (body);`);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      created the ledger in schema tidemark
      3 pending
      ✓ 0000_create_notes  <duration>
      ✓ 0001_add_author  <duration>
      error (migration_failed) drizzle/0002_first_note.sql:2:1: could not create unique index "notes_body_key"

      1 | insert into notes (body) values ('twice'), ('twice');
      2 | create unique index concurrently notes_body_key on notes (body);
        | ^

      statement 2 of 2, SQLSTATE 23505
      detail: notes_body_key of table public.notes; values of rows are left out (--record-row-values shows and records them)
      state: Statement 1 of 0002_first_note is committed. CREATE INDEX CONCURRENTLY notes_body_key left an INVALID index public.notes_body_key: the next run drops it first. The next run goes on at statement 2. 2 migrations before it applied.
      Next: correct drizzle/0002_first_note.sql (or the data it met), then run \`tidemark migrate\` again.
      "
    `);
  });

  test("by a lock that somebody holds", async () => {
    await tidemark("migrate", "--to", "0001_add_author");
    const holder = await here.database.sql.reserve();
    await holder.unsafe("set application_name = 'checkout'; begin; lock table notes");
    const [who] = await holder<{ pid: number; user: string }[]>`
      select pg_backend_pid() as pid, current_user as user`;
    const screen = await tidemark("migrate", "--lock-timeout", "0.6", "--lock-tries", "2");
    await holder.unsafe("rollback");
    holder.release();
    expect(
      screen.replaceAll(`pid ${who?.pid}`, "pid <pid>").replaceAll(who?.user ?? "", "<user>"),
    ).toMatchInlineSnapshot(`
      "exit code 5
      --- stderr
      1 pending
      0002_first_note waits for a lock held by pid <pid> (<user>, checkout), idle in transaction for <duration>: select pg_backend_pid() as pid, current_user as user
      0002_first_note: canceling statement due to lock timeout (try 1 of 2), rolled back, again in <duration>; held by pid <pid> (<user>, checkout), idle in transaction for <duration>: select pg_backend_pid() as pid, current_user as user
      0002_first_note waits for a lock held by pid <pid> (<user>, checkout), idle in transaction for <duration>: select pg_backend_pid() as pid, current_user as user
      error (lock_timeout) drizzle/0002_first_note.sql:1:13: canceling statement due to lock timeout

      1 | INSERT INTO "notes" ("body", "author") VALUES ('hello', 'ada');
        |             ^

      statement 1 of 1, SQLSTATE 55P03
      tried 2 times, each up to <duration>
      held by: pid <pid> (<user>, checkout), idle in transaction for <duration>: select pg_backend_pid() as pid, current_user as user
      state: 0002_first_note was rolled back.
      Next: wait for the other session to end, or end it (select pg_terminate_backend(pid)), then run \`tidemark migrate\` again. --lock-timeout and --lock-tries set how long it tries.
      "
    `);
  });

  test("in doubt whether a statement was done", async () => {
    await last(`-- tidemark: no-transaction
create procedure refill() language plpgsql as $$
begin insert into notes (body) values ('one'); commit; end $$;
call refill();`);
    const runner = await startRunner();
    runner.start({
      options: { url: here.database.url, dir: `${here.project.root}/drizzle` },
      failpoint: { phase: "after", message: "statement:0002_first_note#2" },
    });
    await runner.end;
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 6
      --- stderr
      took over from a runner that is no longer running: postgres@<host> (process <pid>), backend <pid>, running 0002_first_note, call refill(), since <time>
      1 pending
      error (in_doubt) drizzle/0002_first_note.sql: statement 2 of 2 (call refill()) was started, and its end is not recorded: it leaves no trace that shows whether it was done.
      Nothing was run. Check in the database whether it was done, then record the answer: \`tidemark resolve 0002_first_note --done\` goes on after it, \`tidemark resolve 0002_first_note --retry\` runs it again.
      "
    `);
    expect(await tidemark("status", "--check")).toMatchInlineSnapshot(`
      "exit code 3
      --- stdout
      migration  state  when  took  by
      0000_create_notes  DONE  <time>  <duration>  postgres@<host>
      0001_add_author  DONE  <time>  <duration>  postgres@<host>
      0002_first_note  STUCK  <time>  postgres@<host>
      0002_first_note was started by postgres@<host> (process <pid>), which is no longer running. Statement 2 (call refill()) was started, and its end is not recorded; the catalog does not show it: check the database, then run \`tidemark resolve\`.
      1 pending. The database is at 0001_add_author.
      "
    `);
    expect(await tidemark("repair")).toMatchInlineSnapshot(`
      "exit code 6
      --- stdout
      0002_first_note was not changed: statement 2 (call refill()) was started, and its end is not recorded; the catalog does not show it: check the database, then run \`tidemark resolve\`.
      "
    `);
    expect(await tidemark("resolve", "0002_first_note")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) Neither or both of --done and --retry were given.
      Nothing was written. Give one: --done if the statement took effect, --retry if not. \`tidemark status\` names the statement.
      "
    `);
    expect(await tidemark("resolve", "0002_first_note", "--done")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      0002_first_note: the next run continues after it (statement 2 of 2, call refill()).
      Next: tidemark migrate
      "
    `);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Applied 1 migration in <duration>. The database is at 0002_first_note.
      --- stderr
      1 pending
      ✓ 0002_first_note  <duration>
      "
    `);
    expect(await tidemark("resolve", "0002_first_note", "--retry")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) Nothing of 0002_first_note is in doubt: it is DONE, and none of its statements is open.
      Nothing was written. \`tidemark status\` shows what is in doubt.
      "
    `);
  });

  test("with a file whose committed part was edited", async () => {
    await last("insert into notes (body) values ('kept');\ncommit;\nselect 1 / 0;\n");
    await tidemark("migrate");
    await last("insert into notes (body) values ('other');\ncommit;\nselect 1;\n");
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 4
      --- stderr
      error (checksum_mismatch) drizzle/0002_first_note.sql was edited within its first 2 statements, which are committed.
        committed: sha256:42ebb0658cf4a0bc6118ee57af44fcbcf8d843878ac75883eef36fb4b7a5ff05
        on disk: sha256:2daabe49185635be5fc7ae43686464b92c8291e2ca5f3bdabb77d2446d0794fc
      Nothing was run. Restore these statements; what comes after them may change.
      "
    `);
  });
});
