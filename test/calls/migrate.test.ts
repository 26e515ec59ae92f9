import { describe, expect, test } from "vitest";
import { DatabaseMigrator, MigrateError, type Progress } from "../../src/db/migrate/index.ts";
import { urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { historyFolder, THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch, storyOf } from "../helpers/ledger.ts";

const database = useDatabase();
const folder = useHistory(THREE);

const migrator = (options: { readonly dir?: string; readonly url?: string } = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });

describe("a fresh database", () => {
  test("gets a ledger, all migrations, a record of each, and a version", async () => {
    const seen: Progress[] = [];
    const report = await migrator().migrate({ onProgress: (progress) => seen.push(progress) });

    expect(report).toMatchObject({
      outcome: "applied",
      version: "0002_first_note",
      applied: [
        { tag: "0000_create_notes" },
        { tag: "0001_add_author" },
        { tag: "0002_first_note" },
      ],
      warnings: [],
    });
    expect(seen.map(({ kind }) => kind)).toEqual([
      "ledger-created",
      "planned",
      "migration-started",
      "migration-done",
      "migration-started",
      "migration-done",
      "migration-started",
      "migration-done",
    ]);
    expect(await database.sql`select body, author from notes`).toEqual([
      { body: "hello", author: "ada" },
    ]);
    const { events } = await expectFoldToMatch(database.url);
    expect(storyOf(events)).toEqual([
      "0000_create_notes started 1",
      "0000_create_notes done 1",
      "0001_add_author started 1",
      "0001_add_author done 1",
      "0002_first_note started 1",
      "0002_first_note done 1",
    ]);
    expect(await migrator().currentVersion()).toBe("0002_first_note");
  });

  test.each([
    "update tidemark.migration_events set tag = 'x'",
    "delete from tidemark.migration_events",
    "truncate tidemark.migration_events",
    "set session_replication_role = replica; delete from tidemark.migration_events",
  ])("keeps its log append-only: %s is refused", async (sql) => {
    await migrator().migrate();
    const reserved = await database.sql.reserve();
    try {
      await expect(reserved.unsafe(sql)).rejects.toThrow(/append-only/);
    } finally {
      await reserved.unsafe("reset all");
      reserved.release();
    }
    expect((await expectFoldToMatch(database.url)).events).toHaveLength(6);
  });

  test("runs its files with settings of its own, whatever the database's are", async () => {
    await database.sql.unsafe(`alter database ${database.name} set statement_timeout = '50ms';
      alter database ${database.name} set lock_timeout = '10ms';
      alter database ${database.name} set default_transaction_isolation = 'serializable';
      alter database ${database.name} set default_transaction_read_only = on;
      alter database ${database.name} set search_path = 'elsewhere', 'public'`);
    await folder.write(
      "0003_settings",
      `select pg_sleep(0.1);
create table settings as select name, setting from pg_settings where name in (
  'lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout',
  'transaction_isolation', 'transaction_read_only', 'standard_conforming_strings', 'search_path');`,
    );
    await folder.list([...Object.keys(THREE), "0003_settings"]);
    await migrator().migrate();
    const rows = await database.sql`select name, setting from settings`;
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      lock_timeout: "5000",
      statement_timeout: "0",
      idle_in_transaction_session_timeout: "15000",
      transaction_isolation: "read committed",
      transaction_read_only: "off",
      standard_conforming_strings: "on",
      search_path: "elsewhere, public",
    });
  });

  test("leaves nothing of one file to the next: settings, role, temporary objects, cursors, locks", async () => {
    await folder.write(
      "0003_messy",
      `create table kept (n integer);
create temp table kept (n integer);
set search_path = nowhere;
set session_replication_role = replica;
set role pg_monitor;
prepare plan as select 1;
declare held cursor with hold for select 1;
select pg_advisory_lock(42);
listen gossip;`,
    );
    await folder.write(
      "0004_next",
      `insert into kept values (1);
create table seen as select
  current_setting('search_path') as path, current_setting('session_replication_role') as replication,
  current_user = session_user as own_role,
  (select count(*)::int from pg_prepared_statements) as plans,
  (select count(*)::int from pg_cursors where name = 'held') as cursors,
  (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
  (select count(*)::int from pg_listening_channels()) as channels;`,
    );
    await folder.list([...Object.keys(THREE), "0003_messy", "0004_next"]);
    await migrator().migrate();
    expect(await database.sql`select * from public.kept`).toEqual([{ n: 1 }]);
    expect(await database.sql`select * from seen`).toEqual([
      {
        path: '"$user", public',
        replication: "origin",
        own_role: true,
        plans: 0,
        cursors: 0,
        locks: 0,
        channels: 0,
      },
    ]);
  });

  test("keeps the lease free and the head set behind it", async () => {
    const { head } = await migrator().migrate();
    const [runner] = await database.sql`select head, run_id, expires_at from tidemark.runner`;
    expect(runner).toEqual({ head, run_id: null, expires_at: null });
  });

  test("accepts an empty file, and one of comments alone", async () => {
    await folder.write("0003_empty", "");
    await folder.write("0004_comment", "-- nothing to do here\n/* nor here */\n");
    await folder.list([...Object.keys(THREE), "0003_empty", "0004_comment"]);
    expect((await migrator().migrate()).version).toBe("0004_comment");
  });

  test("gets migrations whose files hold many ways to write a statement", async () => {
    await folder.write(
      "0003_syntax",
      `-- a comment; with a semicolon
create function f() returns text language plpgsql as $body$
begin return 'a;b --> statement-breakpoint'; end $body$;
--> statement-breakpoint
create function g() returns integer begin atomic select 1; select 2; end;
insert into notes (body) values (E'it\\'s; ünïcode 🌊'), ('--> statement-breakpoint');
/* nested /* comment; */ */ insert into notes (body) values ('last -- no semicolon') -- end`,
    );
    await folder.list([...Object.keys(THREE), "0003_syntax"]);
    await migrator().migrate();
    const rows = await database.sql`select body from notes order by id`;
    expect(rows.map(({ body }) => body)).toEqual([
      "hello",
      "it's; ünïcode 🌊",
      "--> statement-breakpoint",
      "last -- no semicolon",
    ]);
  });
});

describe("a second run", () => {
  test("does nothing and records nothing", async () => {
    const first = await migrator().migrate();
    const before = await expectFoldToMatch(database.url);
    const second = await migrator().migrate();
    expect(second).toMatchObject({ outcome: "current", applied: [], version: "0002_first_note" });
    expect(second.head).toBe(first.head);
    expect(await expectFoldToMatch(database.url)).toEqual(before);
    expect(await database.sql`select count(*)::int as n from notes`).toEqual([{ n: 1 }]);
  });

  test("applies what was added since, and that alone", async () => {
    await migrator().migrate();
    await folder.write("0003_second_note", "insert into notes (body) values ('again');");
    await folder.list([...Object.keys(THREE), "0003_second_note"]);
    const report = await migrator().migrate();
    expect(report.applied.map(({ tag }) => tag)).toEqual(["0003_second_note"]);
    expect(await database.sql`select count(*)::int as n from notes`).toEqual([{ n: 2 }]);
  });

  test("of an older release on a newer database succeeds and says so", async () => {
    await migrator().migrate();
    await folder.list(Object.keys(THREE).slice(0, 2));
    const report = await migrator().migrate();
    expect(report).toMatchObject({ outcome: "newer", applied: [], version: "0002_first_note" });
    expect((await migrator().status()).newer).toBe(true);
  });
});

describe("a run that stopped half-way", () => {
  test("goes on behind --to", async () => {
    const part = await migrator().migrate({ to: "0001_add_author" });
    expect(part).toMatchObject({ outcome: "applied", version: "0001_add_author" });
    expect(await migrator().currentVersion()).toBe("0001_add_author");
    const rest = await migrator().migrate();
    expect(rest.applied.map(({ tag }) => tag)).toEqual(["0002_first_note"]);
  });

  test("goes on after the failed migration was corrected, with a second attempt", async () => {
    await folder.write("0001_add_author", "alter table nots add column author text;");
    await expect(migrator().migrate()).rejects.toMatchObject({ code: "migration_failed" });
    await folder.write("0001_add_author", THREE["0001_add_author"]);
    const report = await migrator().migrate();
    expect(report.applied.map(({ tag }) => tag)).toEqual(["0001_add_author", "0002_first_note"]);
    const { events } = await expectFoldToMatch(database.url);
    expect(storyOf(events)).toEqual([
      "0000_create_notes started 1",
      "0000_create_notes done 1",
      "0001_add_author started 1",
      "0001_add_author failed 1",
      "0001_add_author started 2",
      "0001_add_author done 2",
      "0002_first_note started 1",
      "0002_first_note done 1",
    ]);
  });

  test("is stopped by an abort signal, recorded as canceled, and goes on later", async () => {
    await folder.write("0001_add_author", `select pg_sleep(60);\n${THREE["0001_add_author"]}`);
    const controller = new AbortController();
    const start = Date.now();
    const run = migrator().migrate({
      signal: controller.signal,
      onProgress: ({ kind, ...rest }) => {
        if (kind === "migration-started" && "tag" in rest && rest.tag === "0001_add_author") {
          controller.abort();
        }
      },
    });
    await expect(run).rejects.toMatchObject({ code: "canceled", exitCode: 130 });
    expect(Date.now() - start).toBeLessThan(10_000);
    const { migrations } = await migrator().status();
    expect(migrations.map(({ state }) => state.kind)).toEqual(["DONE", "FAILED", "PENDING"]);
    await folder.write("0001_add_author", THREE["0001_add_author"]);
    expect((await migrator().migrate()).version).toBe("0002_first_note");
  });
});

describe("status", () => {
  test("of a database without a ledger shows all as pending and writes nothing", async () => {
    const status = await migrator().status();
    expect(status).toMatchObject({ version: undefined, pending: 3, newer: false, problems: [] });
    expect(status.migrations.map(({ tag, state }) => [tag, state.kind])).toEqual(
      Object.keys(THREE).map((tag) => [tag, "PENDING"]),
    );
    expect(await ledgerExists()).toBe(false);
  });

  test("shows version, list, times and who", async () => {
    const before = await databaseClock();
    await migrator().migrate();
    const after = await databaseClock();
    const status = await migrator().status();
    expect(status).toMatchObject({ version: "0002_first_note", pending: 0 });
    for (const { state, attempt, flags } of status.migrations) {
      expect({ attempt, flags }).toEqual({ attempt: 1, flags: [] });
      if (state.kind !== "DONE") throw new Error(`it is ${state.kind}`);
      expect(state.at.getTime()).toBeGreaterThanOrEqual(before);
      expect(state.at.getTime()).toBeLessThanOrEqual(after);
      expect(state.durationMs).toBeGreaterThanOrEqual(0);
      expect(state.owner).toMatchObject({
        user: new URL(database.url).username,
        processId: process.pid,
      });
    }
  });

  test("needs no right to write", async () => {
    await migrator().migrate();
    const role = `reader_${database.name}`;
    await database.sql.unsafe(`create role ${role} login password 'secret';
      grant usage on schema tidemark to ${role};
      grant select on all tables in schema tidemark to ${role};
      alter role ${role} set default_transaction_read_only = on;`);
    try {
      const url = urlOfDatabase(database.name, { user: role, password: "secret" });
      expect(await migrator({ url }).status()).toMatchObject({ pending: 0 });
      expect(await migrator({ url }).migrate()).toMatchObject({ outcome: "current" });
    } finally {
      await database.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

test("a role whose transactions are read-only builds an index outside of them too", async () => {
  await folder.write("0002_first_note", "create index concurrently notes_body on notes (body)");
  await database.sql.unsafe(
    `alter database ${database.name} set default_transaction_read_only = on`,
  );
  expect((await migrator().migrate()).version).toBe("0002_first_note");
});

describe("the plan", () => {
  test("shows the statements that would run, and runs none", async () => {
    const plan = await migrator().plan({ to: "0001_add_author" });
    expect(plan.outcome).toBe("pending");
    expect(plan.steps.map(({ tag, statements }) => [tag, statements.length])).toEqual([
      ["0000_create_notes", 1],
      ["0001_add_author", 2],
    ]);
    expect(await ledgerExists()).toBe(false);
  });

  test("refuses what a run would refuse", async () => {
    await expect(migrator().plan({ to: "0009_nowhere" })).rejects.toMatchObject({ code: "usage" });
    await folder.write("0002_first_note", "insert into notes valuse (1)");
    await expect(migrator().plan()).rejects.toMatchObject({ code: "history_invalid" });
  });
});

test("two ledgers in one database know nothing of each other", async () => {
  await migrator().migrate();
  const other = await historyFolder({ "0000_other": "create table other (id integer);" });
  const second = new DatabaseMigrator({
    url: database.url,
    dir: other.dir,
    ledgerSchema: 'odd "name"',
  });
  expect((await second.migrate({ allowExisting: true })).version).toBe("0000_other");
  await expectFoldToMatch(database.url, 'odd "name"');
  expect((await migrator().status()).migrations).toHaveLength(3);
  await other.remove();
});

test("a MigrateError is what every refusal is", async () => {
  const error = await migrator()
    .migrate({ to: "nothing" })
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MigrateError);
});

async function ledgerExists(): Promise<boolean> {
  const [row] = await database.sql`select to_regclass('tidemark.runner') is not null as found`;
  return row?.found === true;
}

async function databaseClock(): Promise<number> {
  const [row] = await database.sql<{ now: Date }[]>`select clock_timestamp() as now`;
  return row?.now.getTime() ?? Number.NaN;
}
