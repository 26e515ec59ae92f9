import { beforeEach, describe, expect, test } from "vitest";
import { MigrateError } from "../../src/db/migrate/index.ts";
import { tidemark } from "../helpers/cli.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";
import { createMigratingRole } from "../helpers/role.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

beforeEach(async () => {
  await database.sql.unsafe(`create table users (id integer primary key, email text);
    insert into users values (1, 'ada'), (2, 'ada');
    create table ticks (what text);`);
});

function migrator(): FilledDatabaseMigrator {
  return new FilledDatabaseMigrator({ url: database.url, dir: folder.dir });
}

async function failure(work: Promise<unknown>): Promise<MigrateError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MigrateError)) throw new Error(`no MigrateError: ${String(error)}`);
  return error;
}

async function indexes() {
  return database.sql`
    select i.indexrelid::regclass::text as name, indisvalid as valid
    from pg_index i where indrelid = 'users'::regclass and not indisprimary order by 1`;
}

describe("an index built concurrently that fails", () => {
  const UNIQUE = "create unique index concurrently if not exists email_key on users (email);";

  test("over duplicate rows is FAILED; with the data repaired the next run leaves it valid", async () => {
    await folder.make({ "0000_key": `insert into ticks values ('a');\n${UNIQUE}` });
    const error = await failure(migrator().migrate());
    expect(error).toMatchObject({ code: "migration_failed", exitCode: 1 });
    expect(error.message).toContain("SQLSTATE 23505");
    expect(error.message).toContain(
      "Statement 1 of 0000_key is committed. CREATE INDEX CONCURRENTLY email_key left an INVALID index public.email_key: the next run drops it first. The next run goes on at statement 2.",
    );
    expect(await indexes()).toEqual([{ name: "email_key", valid: false }]);
    // Again, with nothing repaired: IF NOT EXISTS does not make it good.
    await failure(migrator().migrate());
    await database.sql`update users set email = 'bob' where id = 2`;
    expect((await migrator().migrate()).outcome).toBe("applied");
    expect(await indexes()).toEqual([{ name: "email_key", valid: true }]);
    expect(await database.sql`select what from ticks`).toEqual([{ what: "a" }]);
    await expectFoldToMatch(database.url);
  });

  test("over one that was INVALID before is FAILED, although the server says nothing", async () => {
    await folder.make({ "0000_key": UNIQUE });
    await database.sql
      .unsafe("create unique index concurrently email_key on users (email)")
      .catch(() => undefined);
    await database.sql`update users set email = 'bob' where id = 2`;
    const error = await failure(migrator().migrate());
    expect(error.message).toContain(
      "the index is INVALID (kept up to date and never used), and it already was before",
    );
    await database.sql`drop index email_key`;
    await migrator().migrate();
    expect(await indexes()).toEqual([{ name: "email_key", valid: true }]);
  });

  test.each([
    ["another column", "create index email_key on users (id)"],
    ["another order", "create index email_key on users (email desc)"],
    ["a condition", "create index email_key on users (email) where id > 1"],
    ["no uniqueness", "create index email_key on users (email)"],
  ])("over a name that has %s is FAILED, although the server says nothing", async (_what, sql) => {
    await database.sql`update users set email = 'bob' where id = 2`;
    await database.sql.unsafe(sql);
    await folder.make({ "0000_key": UNIQUE });
    const error = await failure(migrator().migrate());
    expect(error.code).toBe("migration_failed");
    expect(error.message).toContain("already existed, with another definition:\n  there:  CREATE");
  });

  test("over a name that was there before is FAILED where nobody could try out whether it is the same", async () => {
    const role = await createMigratingRole(database, "");
    await database.sql.unsafe(`revoke temporary on database ${database.name} from public;
      alter table users owner to ${role.name};
      create index email_key on users (id)`);
    await folder.make({
      "0000_key": "create index concurrently if not exists email_key on users (email);",
    });
    const run = new FilledDatabaseMigrator({ url: role.url, dir: folder.dir }).migrate();
    expect((await failure(run)).message).toContain(
      "whether it is the same could not be checked (that takes the right to create temporary tables)",
    );
    await database.sql`drop index email_key`;
    await new FilledDatabaseMigrator({ url: role.url, dir: folder.dir }).migrate();
    expect(await indexes()).toEqual([{ name: "email_key", valid: true }]);
    await role.drop();
  });

  test("over an INVALID one without IF NOT EXISTS is told what to drop", async () => {
    await database.sql
      .unsafe("create unique index concurrently email_key on users (email)")
      .catch(() => undefined);
    await folder.make({
      "0000_key": "create unique index concurrently email_key on users (email);",
    });
    expect((await failure(migrator().migrate())).message).toContain(
      "public.email_key was already there, INVALID: drop it (drop index concurrently public.email_key), then run again.",
    );
  });

  test("over the same index is done, however it is written", async () => {
    await database.sql`update users set email = 'bob' where id = 2`;
    await database.sql`create unique index email_key on users (email)`;
    await folder.make({
      "0000_key":
        'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS email_key /* é */ ON "users" USING btree ("email" ASC NULLS LAST);',
    });
    expect((await migrator().migrate()).outcome).toBe("applied");
  });

  test("by a signal is FAILED as canceled, and leaves what the next run clears away", async () => {
    await folder.make({
      "0000_index": "create index concurrently email_idx on users (email);",
    });
    const holder = await database.sql.reserve();
    await holder.unsafe("begin; lock table users in row exclusive mode");
    const stop = new AbortController();
    const error = await failure(
      migrator().migrate({
        signal: stop.signal,
        onProgress: ({ kind }) => {
          if (kind === "blocked") stop.abort();
        },
      }),
    );
    await holder.unsafe("rollback");
    holder.release();
    expect(error).toMatchObject({ code: "canceled", exitCode: 130 });
    expect(error.message).toContain("left an INVALID index public.email_idx");
    await migrator().migrate();
    expect(await indexes()).toEqual([{ name: "email_idx", valid: true }]);
  });

  test("on a partitioned table is refused before anything runs, with the recipe", async () => {
    await database.sql`create table events (id integer) partition by range (id)`;
    await folder.make({
      "0000_first": "insert into ticks values ('first');",
      "0001_index": "create index concurrently events_idx on events (id);",
    });
    const error = await failure(migrator().migrate());
    expect(error).toMatchObject({ code: "unsupported_statement", exitCode: 2 });
    expect(error.message).toContain("CREATE INDEX … ON ONLY");
    expect(await database.sql`select from ticks`).toHaveLength(0);
  });

  test("on a table whose schema the role may not use is told as that, not as a broken ledger", async () => {
    await database.sql`create schema closed`;
    await database.sql`create table closed.events (id integer)`;
    await folder.make({
      "0000_index": "create index concurrently events_idx on closed.events (id);",
    });
    const role = await createMigratingRole(database, "");
    const error = await failure(
      new FilledDatabaseMigrator({ url: role.url, dir: folder.dir }).migrate(),
    );
    await role.drop();
    expect(error).toMatchObject({ code: "migration_failed", tag: "0000_index" });
    expect(error.message).toContain("permission denied for schema closed");
  });
});

describe("a build that waits for others", () => {
  test("is not ended by the role's transaction_timeout", async () => {
    const [server] = await database.sql<{ version: number }[]>`
      select current_setting('server_version_num')::int as version`;
    if ((server?.version ?? 0) < 170_000) return;
    await database.sql.unsafe(`alter database ${database.name} set transaction_timeout = '200ms'`);
    await folder.make({
      "0000_index": "create index concurrently email_idx on users (email);",
    });
    // A session from before the setting.
    const holder = await database.sql.reserve();
    await holder`set transaction_timeout = 0`;
    await holder.unsafe("begin; lock table users in row exclusive mode");
    const kinds: string[] = [];
    await migrator().migrate({
      onProgress: ({ kind }) => {
        kinds.push(kind);
        if (kind === "blocked") void holder.unsafe("rollback").then(() => holder.release());
      },
    });
    expect(kinds).toContain("blocked");
    expect(kinds).not.toContain("reconnecting");
    expect(await indexes()).toEqual([{ name: "email_idx", valid: true }]);
  });

  test("has no lock_timeout, whatever the role and the file set, and names whom it waits for", async () => {
    await database.sql.unsafe(`alter database ${database.name} set lock_timeout = '100ms'`);
    await database.sql.unsafe(`alter database ${database.name} set statement_timeout = '300ms'`);
    await folder.make({
      "0000_index":
        "set lock_timeout = '50ms';\ncreate index concurrently email_idx on users (email);",
    });
    const holder = await database.sql.reserve();
    await holder.unsafe(
      "set application_name = 'checkout'; begin; lock table users in row exclusive mode",
    );
    const [who] = await holder`select pg_backend_pid() as pid`;
    let seen = 0;
    const kinds: string[] = [];
    const report = await migrator().migrate({
      onProgress: (item) => {
        kinds.push(item.kind);
        if (item.kind !== "blocked") return;
        seen += 1;
        expect(item.blockers).toMatchObject([
          { pid: who?.pid, application: "checkout", state: "idle in transaction" },
        ]);
        if (seen === 2) void holder.unsafe("rollback").then(() => holder.release());
      },
    });
    expect(seen).toBeGreaterThanOrEqual(2);
    expect(kinds).not.toContain("lock-retry");
    expect(report.outcome).toBe("applied");
    expect(await indexes()).toEqual([{ name: "email_idx", valid: true }]);
  });
});

test("a partition that is detached concurrently does not stall its readers for longer than a try", async () => {
  await database.sql.unsafe(`create table events (day integer) partition by range (day);
    create table events_old partition of events for values from (0) to (10)`);
  await folder.make({
    "0000_detach": "alter table events detach partition events_old concurrently;",
  });
  const reader = await database.sql.reserve();
  await reader.unsafe("begin; select * from events_old");
  const kinds: string[] = [];
  const run = new FilledDatabaseMigrator({
    url: database.url,
    dir: folder.dir,
    lockTimeoutMs: 300,
    lockTries: 50,
  }).migrate({ onProgress: ({ kind }) => kinds.push(kind) });
  await expect.poll(() => kinds, { timeout: 10_000 }).toContain("lock-retry");
  const start = Date.now();
  await database.sql`select * from events_old`;
  expect(Date.now() - start).toBeLessThan(1_500);
  await reader.unsafe("rollback");
  reader.release();
  expect((await run).outcome).toBe("applied");
  expect(await database.sql`select inhrelid from pg_inherits`).toEqual([]);
});

describe("a file that asks for no transaction", () => {
  const FILE = `-- tidemark: no-transaction
create procedure refill() language plpgsql as $$
begin insert into ticks values ('one'); commit; insert into ticks values ('two'); commit; end $$;
set application_name = 'refill';
call refill();
insert into ticks select current_setting('application_name');`;

  test("runs its statements one by one, a procedure that commits too, each with the file's settings", async () => {
    await folder.make({ "0000_refill": FILE });
    await migrator().migrate();
    expect(await database.sql`select what from ticks`).toEqual([
      { what: "one" },
      { what: "two" },
      { what: "refill" },
    ]);
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows).toMatchObject([{ state: "DONE", statementsDone: 4 }]);
  });

  test("is in doubt when its runner dies in one of them, and nothing runs until somebody answers", async () => {
    await folder.make({ "0000_refill": FILE });
    const options = { url: database.url, dir: folder.dir };
    const runner = await startRunner();
    runner.start({ options, failpoint: { phase: "after", message: "statement:0000_refill#3" } });
    expect((await runner.end).signal).toBe("SIGKILL");
    const error = await failure(migrator().migrate());
    expect(error).toMatchObject({ code: "in_doubt", exitCode: 6 });
    expect(error.message).toContain("statement 3 of 4 (call refill()) was started");
    expect(error.message).toContain("`tidemark resolve 0000_refill --done`");
    const { migrations } = await migrator().status();
    expect(migrations[0]?.state).toMatchObject({
      kind: "STUCK",
      doubt: { statement: 3, needsAnswer: true },
    });
    const { stdout } = await tidemark(["status", "--url", database.url, "--dir", folder.dir], {
      cwd: folder.dir,
    });
    expect(stdout).toContain("which is no longer running. Statement 3 (call refill()) was started");
    expect(stdout).toContain("check the database, then run `tidemark resolve`");
    expect(await migrator().resolve({ tag: "0000_refill", answer: "done" })).toEqual({
      tag: "0000_refill",
      answer: "done",
      statement: 3,
      statements: 4,
      label: "call refill()",
    });
    await migrator().migrate();
    expect(await database.sql`select what from ticks`).toHaveLength(3);
    await expectFoldToMatch(database.url);
  });

  test("runs the statement again where the answer is that it was not done", async () => {
    await folder.make({ "0000_refill": FILE });
    const options = { url: database.url, dir: folder.dir };
    const runner = await startRunner();
    runner.start({ options, failpoint: { phase: "before", message: "statement:0000_refill#3" } });
    expect((await runner.end).signal).toBe("SIGKILL");
    await failure(migrator().migrate());
    await migrator().resolve({ tag: "0000_refill", answer: "retry" });
    await migrator().migrate();
    expect(await database.sql`select what from ticks`).toHaveLength(3);
  });

  test("runs a statement again that the server has reported as failed", async () => {
    await folder.make({
      "0000_fill": "-- tidemark: no-transaction\ninsert into later values (1);",
    });
    const error = await failure(migrator().migrate());
    expect(error.message).toContain("It ran outside a transaction: whatever it committed stays.");
    await database.sql`create table later (id integer)`;
    await migrator().migrate();
    expect(await database.sql`select id from later`).toEqual([{ id: 1 }]);
  });

  test("names whom a statement waited for, and does not try it again", async () => {
    await folder.make({
      "0000_fill": "-- tidemark: no-transaction\ninsert into ticks values ('x');",
    });
    const holder = await database.sql.reserve();
    await holder.unsafe("set application_name = 'checkout'; begin; lock table ticks");
    const run = new FilledDatabaseMigrator({
      url: database.url,
      dir: folder.dir,
      lockTimeoutMs: 2_500,
    });
    const error = await failure(run.migrate());
    await holder.unsafe("rollback");
    holder.release();
    expect(error).toMatchObject({ code: "lock_timeout", exitCode: 5 });
    expect(error.message).toContain("tried 1 time, each up to 2.5 s");
    expect(error.message).toContain("checkout");
    await migrator().migrate();
  });

  test("keeps what stands between BEGIN and COMMIT together", async () => {
    await folder.make({
      "0000_fill":
        "-- tidemark: no-transaction\nbegin;\ninsert into ticks values ('x');\nselect 1 / 0;\ncommit;",
    });
    await failure(migrator().migrate());
    expect(await database.sql`select what from ticks`).toEqual([]);
  });
});

describe("an answer", () => {
  test.each([
    ["of a migration that is done", "0000_done", "it is DONE"],
    ["of one that is not known", "0009_other", "it was never started"],
  ])("%s is refused", async (_what, tag, text) => {
    await folder.make({ "0000_done": "select 1;" });
    await migrator().migrate();
    const error = await failure(migrator().resolve({ tag, answer: "done" }));
    expect(error).toMatchObject({ code: "usage", exitCode: 2 });
    expect(error.message).toContain(text);
    // The lease is free again.
    expect((await migrator().status()).problems).toEqual([]);
    expect(await database.sql`select run_id from tidemark.runner`).toEqual([{ run_id: null }]);
  });

  test("on a table of the ledger that somebody has locked is a lock time-out, not a lost lease", async () => {
    await folder.make({ "0000_done": "select 1;" });
    await migrator().migrate();
    const held = await database.sql.reserve();
    await held.unsafe("begin; lock table tidemark.schema_migrations in access exclusive mode");
    const error = await failure(migrator().resolve({ tag: "0000_done", answer: "done" }));
    await held.unsafe("rollback");
    held.release();
    expect(error).toMatchObject({ code: "lock_timeout", exitCode: 5 });
  });
});
