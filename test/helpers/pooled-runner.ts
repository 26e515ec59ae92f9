import postgres from "postgres";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { tidemark } from "./cli.ts";
import { createDatabase, onServer, type TestDatabase, urlOfDatabase } from "./database.ts";
import { countingHistory, type HistoryFolder, historyFolder } from "./history.ts";
import { expectFoldToMatch, readLedgerContent, storyOf } from "./ledger.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { runHerd, runInProcess, startRunner } from "./runner-process.ts";

let database: TestDatabase;
let folder: HistoryFolder;

/** The database's URL through a pooler with a pool of that size. */
async function pooled(
  size: number,
  settings: Readonly<Record<string, string | number>> = {},
  url = database.url,
): Promise<string> {
  const pooler = await startPgBouncer([url], { default_pool_size: size, ...settings });
  onTestFinished(pooler.stop);
  return pooler.through(url);
}

/** Each migration once, in each process's view and in the database's. */
async function expectOnce(count: number): Promise<void> {
  const ticks = await database.sql`select n from ticks order by n`;
  expect(ticks.map(({ n }) => n)).toEqual(Array.from({ length: count - 1 }, (_, i) => i + 1));
  const { events } = await expectFoldToMatch(database.url);
  expect(events.filter(({ type }) => type === "migration.done")).toHaveLength(count);
}

/** The runner through a PgBouncer with a pool of that size; a file for each, so that they run side by side. */
export function testPooledRunner(size: number): void {
  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(async () => {
    await folder.remove();
    await database.drop();
  });

  test("eight processes boot at one moment, connections living two seconds: each migration once, nobody fails, nobody is robbed", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder({
      ...countingHistory(6),
      "0003_tick":
        "select pg_sleep(5); insert into ticks values (3);\ncreate index concurrently ticks_idx on ticks (n);",
    });
    const url = await pooled(size, { server_lifetime: 2 });
    const start = Date.now();
    const ends = await runHerd(8, { options: { url, dir: folder.dir } });
    console.log(`pool ${size}: ${Date.now() - start} ms`);
    expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
    expect(ends.filter(({ report }) => report?.outcome === "applied")).toHaveLength(1);
    const kinds = ends.flatMap(({ progress }) => progress.map(({ kind }) => kind));
    expect(kinds).not.toContain("took-over");
    expect(kinds).not.toContain("lease-lost");
    expect(kinds.filter((kind) => kind === "warning")).toHaveLength(1);
    await expectOnce(6);
    expect(
      await database.sql`select indisvalid from pg_index where indexrelid = 'ticks_idx'::regclass`,
    ).toEqual([{ indisvalid: true }]);
  });

  test("a runner killed while an index is built concurrently is waited for, longer than its lease, and its build is found", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder({
      ...countingHistory(2),
      "0002_index": "create index concurrently ticks_idx on ticks (n);",
    });
    const url = await pooled(size);
    const options = { url, dir: folder.dir };
    const holder = await database.sql.reserve();
    await new DatabaseMigrator(options).migrate({ to: "0001_tick" });
    await holder.unsafe("begin; lock table ticks in row exclusive mode");
    const killed = await startRunner();
    killed.start({ options });
    const building = async () => {
      const rows = await database.sql`
        select from pg_stat_activity
        where query like '/* tidemark %' and wait_event_type = 'Lock' and datname = current_database()`;
      return rows.length;
    };
    await expect.poll(building, { timeout: 10_000 }).toBe(1);
    killed.child.kill("SIGKILL");
    await killed.end;
    await database.sql`update tidemark.runner set expires_at = now() - interval '1 s'`;
    // The pool's only connection may be the one that still builds: this one sees it from outside.
    const next = await startRunner();
    next.start({ options: { url: database.url, dir: folder.dir } });
    const waits = await next.seen("waiting");
    expect(waits).toMatchObject({ holder: { zombie: expect.any(Number) } });
    await next.looksAgain(3);
    await holder.unsafe("rollback");
    holder.release();
    const end = await next.end;
    expect(end.error).toBeUndefined();
    expect(end.progress.find(({ kind }) => kind === "statement-found")).toMatchObject({
      message: "CREATE INDEX CONCURRENTLY ticks_idx was interrupted, and is done",
    });
  });

  test("a file whose search_path decides what a concurrent index means is refused, with the setting", async () => {
    folder = await historyFolder({
      "0000_path":
        "create table t (id integer);\nset search_path to public;\ncreate index concurrently t_idx on t (id);",
    });
    const options = { url: await pooled(size), dir: folder.dir };
    await expect(new DatabaseMigrator(options).migrate()).rejects.toMatchObject({
      code: "config",
      message: expect.stringContaining("set search_path to public"),
    });
    expect(await database.sql`select to_regclass('t') as t`).toEqual([{ t: null }]);
  });

  test("a runner between two transactions, its connections closed behind it, is not robbed while it lives", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder(countingHistory(3));
    const options = { url: await pooled(size, { server_lifetime: 2 }), dir: folder.dir };
    const holder = await startRunner();
    holder.start({
      options,
      failpoint: { phase: "before", message: "migration:0001_tick", signal: "SIGSTOP" },
    });
    await holder.atFailpoint;
    const waiter = await startRunner();
    const waiting = waiter.seen("waiting");
    waiter.start({ options });
    expect(await waiting).toMatchObject({ holder: { processId: holder.child.pid } });
    // The connection that took the lease is gone from the server.
    const isGone = async () => {
      const [row] = await database.sql`
        select count(*)::int as n from tidemark.runner r
        join pg_stat_activity a on a.pid = r.backend_pid and a.backend_start = r.backend_start`;
      return row?.n === 0;
    };
    await expect.poll(isGone, { timeout: 10_000 }).toBe(true);
    await waiter.looksAgain(2);
    holder.resume();
    const ends = await Promise.all([holder.end, waiter.end]);
    expect(ends.map(({ error }) => error)).toEqual([undefined, undefined]);
    expect(ends.map(({ report }) => report?.outcome)).toEqual(["applied", "current"]);
    expect(ends[0]?.progress.map(({ kind }) => kind)).not.toContain("lease-lost");
    await expectOnce(3);
  });

  test("a runner that is gone is replaced within the life of its lease", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder(countingHistory(3));
    const options = { url: await pooled(size, { server_lifetime: 2 }), dir: folder.dir };
    const successor = await startRunner();
    const failpoint = { phase: "before", message: "migration:0000_create_ticks" } as const;
    await runInProcess({ options, failpoint });
    const start = Date.now();
    successor.start({ options });
    expect((await successor.end).report?.applied).toHaveLength(3);
    const tookMs = Date.now() - start;
    console.log(`pool ${size}: replaced after ${tookMs} ms`);
    expect(tookMs).toBeGreaterThan(12_000);
    expect(tookMs).toBeLessThan(16_000);
    await expectOnce(3);
  });

  test("a runner killed in the middle of a statement is waited for: nothing is done twice", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder({
      ...countingHistory(3),
      "0001_tick": "select pg_sleep(3); insert into ticks values (1);",
    });
    const options = { url: await pooled(size), dir: folder.dir };
    const successor = await startRunner();
    await runInProcess({ options, failpoint: { phase: "sent", message: "migration:0001_tick" } });
    successor.start({ options });
    expect((await successor.end).error).toBeUndefined();
    await expectOnce(3);
  });

  test("SIGTERM ends a statement, gives the lease back and is recorded", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder({ ...countingHistory(1), "0001_slow": "select pg_sleep(60)" });
    const url = await pooled(size);
    const start = Date.now();
    const stop = new AbortController();
    const end = tidemark(["migrate", "--url", url, "--dir", folder.dir], {
      cwd: folder.dir,
      stop: stop.signal,
    });
    const isAsleep = async () => {
      const [row] = await database.sql`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`;
      return row?.n === 1;
    };
    await expect.poll(isAsleep, { timeout: 10_000 }).toBe(true);
    stop.abort();
    expect(await end).toMatchObject({ code: 143 });
    expect(Date.now() - start).toBeLessThan(15_000);
    expect(await database.sql`select run_id from tidemark.runner`).toEqual([{ run_id: null }]);
    const { events } = await readLedgerContent(database.url);
    expect(storyOf(events).at(-1)).toBe("0001_slow failed 1");
  });

  test("leaves no setting, role or temporary table of a file to the pool's next client, failed and retried files too", async () => {
    folder = await historyFolder({
      "0000_settings": `create table kept (n integer);
create temp table kept (n integer);
set search_path = nowhere;
set statement_timeout = '1h';
set my.setting = 'mine';
set role pg_monitor;`,
      "0001_broken": `select set_config('my.setting', 'again', false);
set session authorization pg_monitor;
listen gossip;
select 1 / 0;`,
    });
    const url = await pooled(size);
    await expect(new DatabaseMigrator({ url, dir: folder.dir }).migrate()).rejects.toMatchObject({
      code: "migration_failed",
      tag: "0001_broken",
      recorded: { sqlState: "22012" },
    });
    const client = postgres(url, { max: 1, prepare: false, fetch_types: false });
    const seen = await client.unsafe(`select
      current_setting('search_path') as path, current_setting('statement_timeout') as timeout,
      current_setting('lock_timeout') as locks, current_setting('idle_in_transaction_session_timeout') as idle,
      coalesce(current_setting('my.setting', true), '') as mine, current_setting('standard_conforming_strings') as strings,
      session_user = 'postgres' and current_user = 'postgres' as own_role,
      (select count(*)::int from pg_listening_channels()) as channels,
      (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema()) as temporary,
      exists (select from tidemark.migration_events where backend_pid = pg_backend_pid()) as same_backend`);
    await client.end();
    expect(seen).toEqual([
      {
        path: '"$user", public',
        timeout: "0",
        locks: "0",
        idle: "0",
        mine: "",
        strings: "on",
        own_role: true,
        channels: 0,
        temporary: 0,
        same_backend: true,
      },
    ]);
  });

  test.each([
    ["default_transaction_isolation", "'serializable'"],
    ["default_transaction_read_only", "on"],
    ["statement_timeout", "'100ms'"],
    ["idle_in_transaction_session_timeout", "'100ms'"],
    ["standard_conforming_strings", "off"],
    ["client_encoding", "'LATIN1'"],
  ])("runs as it should for a role with %s", { timeout: 30_000 }, async (name, value) => {
    folder = await historyFolder({
      ...countingHistory(4),
      "0002_tick": "select pg_sleep(0.3); insert into ticks values (2);",
      "0003_tick": `create table texts (body text); insert into texts values ('ü\\'), ('b'); insert into ticks values (3);`,
    });
    const role = `set_${database.name}`;
    await onServer(async (admin) => {
      await admin.ask(`create role ${role} superuser login password 'pw'`);
      await admin.ask(`alter role ${role} set ${name} = ${value}`);
    });
    try {
      const own = urlOfDatabase(database.name, { user: role, password: "pw" });
      const url = await pooled(size, {}, own);
      const ends = await runHerd(3, { options: { url, dir: folder.dir } });
      expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
      await expectOnce(4);
      expect(await database.sql`select body from texts`).toEqual([{ body: "ü\\" }, { body: "b" }]);
    } finally {
      await database.sql.unsafe(`reassign owned by ${role} to current_user; drop owned by ${role}`);
      await onServer((admin) => admin.ask(`drop role ${role}`));
    }
  });

  test("a pool that is busy for longer than it lets its clients wait is waited for", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder({
      ...countingHistory(3),
      "0001_tick": "select pg_sleep(10); insert into ticks values (1);",
    });
    const url = await pooled(size, { query_wait_timeout: 1 });
    const busy = size === 1 ? [] : [postgres(url, { max: 1, prepare: false })];
    for (const client of busy) void client`select pg_sleep(10)`.catch(() => undefined);
    const options = { url, dir: folder.dir, connectTimeoutMs: 2_000 };
    const ends = await runHerd(4, { options });
    await Promise.all(busy.map((client) => client.end()));
    expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
    await expectOnce(3);
  });

  test("a pool that is never free ends a run after its bound on waiting", {
    timeout: 60_000,
  }, async () => {
    folder = await historyFolder(countingHistory(3));
    const url = await pooled(size, { query_wait_timeout: 0 });
    const busy = postgres(url, { max: size, prepare: false });
    const all = Array.from({ length: size }, () =>
      busy`select pg_sleep(30)`.catch(() => undefined),
    );
    const isAsleep = async () => {
      const rows = await database.sql`select from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`;
      return rows.length === size;
    };
    await expect.poll(isAsleep, { timeout: 10_000 }).toBe(true);
    const start = Date.now();
    await expect(
      new DatabaseMigrator({
        url,
        dir: folder.dir,
        connectTimeoutMs: 1_000,
        waitTimeoutMs: 2_000,
      }).migrate(),
    ).rejects.toMatchObject({ code: "connect", exitCode: 1 });
    expect(Date.now() - start).toBeLessThan(8_000);
    await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event = 'PgSleep'`;
    await Promise.all(all);
    await busy.end({ timeout: 1 });
  });
}
