import { beforeEach, describe, expect, test } from "vitest";
import type { MessageName } from "../../src/db/migrate/run-types.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";
import { runInProcess } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

beforeEach(async () => {
  await database.sql`create table ticks (what text)`;
});

function migrator(options: { readonly deadlineMs?: number } = {}): FilledDatabaseMigrator {
  return new FilledDatabaseMigrator({ url: database.url, dir: folder.dir, ...options });
}

async function ticks(): Promise<readonly string[]> {
  const rows = await database.sql<{ what: string }[]>`select what from ticks`;
  return rows.map(({ what }) => what);
}

/** Runs a history, killed at a message, and then to its end. */
async function killAt(message: MessageName, phase: "before" | "after" = "before"): Promise<void> {
  const options = { url: database.url, dir: folder.dir };
  const end = await runInProcess({ options, failpoint: { phase, message } });
  expect(end.signal, message).toBe("SIGKILL");
  await migrator().migrate();
}

describe("a file with COMMIT in it", () => {
  const TRICK = `alter table ticks add column n integer;
insert into ticks values ('before');
COMMIT;--> statement-breakpoint
SET lock_timeout = 0;--> statement-breakpoint
CREATE INDEX CONCURRENTLY "ticks_idx" ON "ticks" USING btree ("what");--> statement-breakpoint
insert into ticks values ('after');`;

  test.each([
    ["migration:0000_trick#1", "before"],
    ["migration:0000_trick#1", "after"],
    ["begin:0000_trick#5", "before"],
    ["statement:0000_trick#5", "before"],
    ["statement:0000_trick#5", "after"],
    ["end:0000_trick#5", "after"],
    ["migration:0000_trick#6", "after"],
  ] as const)("runs exactly once, killed at %s, %s", async (message, phase) => {
    await folder.make({ "0000_trick": TRICK });
    await killAt(message, phase);
    expect(await ticks()).toEqual(["before", "after"]);
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows).toMatchObject([{ state: "DONE", statementsDone: 6 }]);
  });

  test("fails in its second transaction: the first stays, and is not run again", async () => {
    await folder.make({
      "0000_two": "insert into ticks values ('one');\ncommit;\nselect 1 / 0;",
    });
    await expect(migrator().migrate()).rejects.toThrow(
      "Statements 1 to 2 of 0000_two are committed. What came after was rolled back. The next run goes on at statement 3.",
    );
    const [{ state } = {}] = (await migrator().status()).migrations;
    expect(state).toMatchObject({ kind: "FAILED", error: { statement: 3, statements: 3 } });
    await folder.write("0000_two", "insert into ticks values ('1');\ncommit;\nselect 1;");
    await expect(migrator().migrate()).rejects.toMatchObject({ code: "checksum_mismatch" });
    await folder.write("0000_two", "insert into ticks values ('one');\ncommit;\nselect 1;");
    await migrator().migrate();
    expect(await ticks()).toEqual(["one"]);
  });

  test("around the whole of it is one transaction: what fails leaves nothing", async () => {
    await folder.make({
      "0000_whole": "BEGIN;\ninsert into ticks values ('x');\nselect 1 / 0;\nCOMMIT;",
    });
    await expect(migrator().migrate()).rejects.toThrow("0000_whole was rolled back.");
    expect(await ticks()).toEqual([]);
    await folder.write("0000_whole", "BEGIN;\ninsert into ticks values ('x');\nEND;");
    await killAt("migration:0000_whole", "after");
    expect(await ticks()).toEqual(["x"]);
  });

  test("may make a temporary table of one name in each of its transactions", async () => {
    const part = (what: string) =>
      `create temp table batch on commit drop as select '${what}' what;\ninsert into ticks select what from batch;\n`;
    await folder.make({ "0000_batches": `${part("one")}commit;\n${part("two")}` });
    await migrator().migrate();
    expect(await ticks()).toEqual(["one", "two"]);
  });

  test("and nothing else is done", async () => {
    await folder.make({ "0000_empty": "BEGIN;\nCOMMIT;", "0001_none": "COMMIT;" });
    await migrator().migrate();
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows.map(({ statementsDone }) => statementsDone)).toEqual([2, 1]);
  });
});

describe("an enum value that is added", () => {
  test("is used in the same file, by a function's body too, and in the next", async () => {
    await folder.make({
      // In one transaction with its type a value could be used at once.
      "0000_type": "create type mood as enum ('calm');",
      "0001_enum": `create table moods (mood mood);
alter type mood add value 'glad';
alter type mood add value 'sad' after 'glad';
create function cheer() returns void language plpgsql as $$ begin insert into moods values ('glad'); end $$;
select cheer();
insert into moods values ('sad');
alter type mood add value 'wild';`,
      "0002_next": "insert into moods values ('wild');",
    });
    await migrator().migrate();
    expect(await database.sql`select mood::text from moods`).toEqual([
      { mood: "glad" },
      { mood: "sad" },
      { mood: "wild" },
    ]);
  });

  test("stays when what follows fails, and is not added again", async () => {
    await folder.make({
      "0000_enum": "create type mood as enum ('calm');",
      "0001_add": "alter type mood add value 'glad';\nselect 1 / 0;",
    });
    await expect(migrator().migrate()).rejects.toThrow("Statement 1 of 0001_add is committed.");
    await folder.write("0001_add", "alter type mood add value 'glad';\nselect 'glad'::mood;");
    expect((await migrator().migrate()).outcome).toBe("applied");
  });
});

describe("what a file sets", () => {
  const SETTINGS = `create schema app;
create role app_owner_ROLE;
grant usage, create on schema app to app_owner_ROLE;
set search_path to app, public;
set role app_owner_ROLE;
select set_config('tidemark_test.who', 'me', false);
create table mine (id integer);
create index concurrently mine_idx on mine (id);
insert into public.ticks select current_user || ' ' || current_setting('search_path') || ' ' || current_setting('tidemark_test.who');
commit;
reset role;
vacuum mine;
insert into ticks select current_user || ' ' || current_setting('search_path');`;

  test("holds to its end, across transactions, statements outside them and a resume, and no longer", async () => {
    const role = database.name;
    const sql = SETTINGS.replaceAll("ROLE", role);
    await database.sql.unsafe("grant insert, select on ticks to public");
    await folder.make({
      "0000_settings": sql,
      "0001_next":
        "insert into ticks select current_user || ' ' || current_setting('search_path');",
    });
    await killAt("migration:0000_settings#9");
    const [{ me } = {}] = await database.sql`select current_user::text as me`;
    expect(await ticks()).toEqual([
      `app_owner_${role} app, public me`,
      `${me} app, public`,
      `${me} "$user", public`,
    ]);
    const [owner] = await database.sql`
      select relowner::regrole::text as owner, relnamespace::regnamespace::text as schema
      from pg_class where relname = 'mine_idx'`;
    expect(owner).toEqual({ owner: `app_owner_${role}`, schema: "app" });
    await database.sql.unsafe(`drop owned by app_owner_${role}; drop role app_owner_${role}`);
  });

  test("and takes back by RESET ALL leaves the run's own time-outs", async () => {
    await folder.make({
      "0000_reset": "reset all; insert into ticks select current_setting('lock_timeout');",
    });
    await migrator().migrate();
    expect(await ticks()).toEqual(["5s"]);
  });

  test("with SET LOCAL holds to the transaction that the file ends, and past one that it does not", async () => {
    await folder.make({
      "0000_local": `create type mood as enum ('calm');
set local tidemark_test.a = 'local';
alter type mood add value 'glad';
insert into ticks select 'same ' || current_setting('tidemark_test.a', true);
commit;
insert into ticks select 'next ' || coalesce(current_setting('tidemark_test.a', true), '');`,
    });
    await migrator().migrate();
    expect(await ticks()).toEqual(["same local", "next "]);
  });
});

describe("a deadline", () => {
  test("ends a concurrent build that waits for others, names them, and the next run goes on", async () => {
    await folder.make({
      "0000_index":
        "insert into ticks values ('a');\ncreate index concurrently what_idx on ticks (what);",
    });
    const holder = await database.sql.reserve();
    await holder.unsafe(
      "set application_name = 'checkout'; begin; lock table ticks in row exclusive mode",
    );
    const error = await migrator({ deadlineMs: 2_500 })
      .migrate()
      .catch((thrown: unknown) => thrown);
    await holder.unsafe("rollback");
    holder.release();
    expect(error).toMatchObject({ code: "lock_timeout", exitCode: 5 });
    const { message } = error as Error;
    expect(message).toContain("0000_index was canceled: the run's deadline of 2.5 s was reached.");
    expect(message).toMatch(/held by: pid \d+ \(.+, checkout\), idle in transaction/);
    expect(message).toContain("left an INVALID index");
    await migrator().migrate();
    expect(await ticks()).toEqual(["a"]);
  });

  test("ends the wait for another runner", async () => {
    await folder.make({ "0000_a": "select 1;" });
    await migrator().migrate();
    await folder.write("0001_b", "select 1;");
    await folder.list(["0000_a", "0001_b"]);
    await database.sql`
      update tidemark.runner set run_id = gen_random_uuid(), direct = false, host = 'h', process_id = 1,
        backend_pid = 1, db_user = 'x', acquired_at = now(), expires_at = now() + interval '1 h'`;
    await expect(migrator({ deadlineMs: 300 }).migrate()).rejects.toMatchObject({
      code: "lock_timeout",
      message: expect.stringContaining("The run's deadline of 300 ms was reached."),
    });
    await database.sql`update tidemark.runner set run_id = null`;
  });
});
