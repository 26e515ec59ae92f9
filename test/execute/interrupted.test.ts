import { beforeEach, describe, expect, test } from "vitest";
import type { Progress } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";
import { type Runner, startRunner } from "../helpers/runner-process.ts";

/** Made before the history, so that a test can hold on to it. */
const USERS = `create table users (id integer primary key, email text);
insert into users select n, 'u' || n from generate_series(1, 100) n;
create index doomed_idx on users (email, id);`;

const database = useDatabase();
const folder = useHistory();

beforeEach(async () => {
  await database.sql.unsafe(USERS);
});

async function history(files: Readonly<Record<string, string>>): Promise<void> {
  await folder.make(files);
}

function migrator(): FilledDatabaseMigrator {
  return new FilledDatabaseMigrator({ url: database.url, dir: folder.dir });
}

async function migrate() {
  const progress: Progress[] = [];
  const report = await migrator().migrate({ onProgress: (item) => progress.push(item) });
  const found = progress.flatMap((item) => (item.kind === "statement-found" ? [item.message] : []));
  return { report, progress, found };
}

/** Another session's open transaction on the table: concurrent work waits for its end. */
async function holdTable(table = "users") {
  const session = await database.sql.reserve();
  await session.unsafe(`begin; lock table ${table} in row exclusive mode`);
  return {
    pid: (await session`select pg_backend_pid() as pid`)[0]?.pid as number,
    release: async () => {
      await session.unsafe("rollback");
      session.release();
    },
  };
}

/** Starts a runner and resolves with it once its statement waits for another session. */
async function runUntilBlocked(): Promise<Runner> {
  const runner = await startRunner();
  runner.start({ options: { url: database.url, dir: folder.dir } });
  await runner.seen("statement-started");
  await expect.poll(waiting, { timeout: 20_000 }).toBe(1);
  return runner;
}

async function waiting(): Promise<number> {
  const rows = await database.sql`
    select from pg_stat_activity
    where datname = current_database() and query like '/* tidemark %' and wait_event_type = 'Lock'`;
  return rows.length;
}

async function kill(runner: Runner): Promise<void> {
  runner.child.kill("SIGKILL");
  expect((await runner.end).signal).toBe("SIGKILL");
}

/** Ends what a killed runner's session still does. */
async function endZombie(): Promise<void> {
  await database.sql`
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and query like '/* tidemark %'`;
}

async function index(name: string) {
  const [row] = await database.sql<{ oid: number; valid: boolean }[]>`
    select i.indexrelid::int as oid, i.indisvalid as valid
    from pg_index i where i.indexrelid = to_regclass(${name})`;
  return row;
}

describe("a runner killed while an index is built concurrently", () => {
  const BUILD = { "0000_index": "create index concurrently email_idx on users (email);" };

  test("leaves a build that the next one waits for, reports, and finds done", async () => {
    await history(BUILD);
    const table = await holdTable();
    await kill(await runUntilBlocked());
    // As if its lease had run out.
    await database.sql`update tidemark.runner set expires_at = now() - interval '1 s'`;
    const next = await startRunner();
    next.start({ options: { url: database.url, dir: folder.dir } });
    const waits = await next.seen("waiting");
    expect(waits).toMatchObject({
      holder: { zombie: expect.any(Number), activity: expect.stringContaining("email_idx") },
    });
    await table.release();
    const { report, progress, error } = await next.end;
    expect(error).toBeUndefined();
    expect(report?.outcome).toBe("applied");
    expect(progress.find(({ kind }) => kind === "statement-found")).toMatchObject({
      message: "CREATE INDEX CONCURRENTLY email_idx was interrupted, and is done",
    });
    expect(await index("email_idx")).toMatchObject({ valid: true });
  });

  test("and its session too: the INVALID index is dropped, and built again", async () => {
    await history(BUILD);
    const table = await holdTable();
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    const before = await index("email_idx");
    expect(before).toMatchObject({ valid: false });
    const { found } = await migrate();
    expect(found).toEqual([
      "CREATE INDEX CONCURRENTLY email_idx was interrupted: dropping the INVALID index public.email_idx",
    ]);
    const after = await index("email_idx");
    expect(after).toMatchObject({ valid: true });
    expect(after?.oid).not.toBe(before?.oid);
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows).toMatchObject([{ state: "DONE", attempt: 2, underWay: null }]);
  });

  test("while the next one clears its INVALID index away: the one after that does", async () => {
    await history(BUILD);
    const table = await holdTable();
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    for (const phase of ["before", "sent", "after"] as const) {
      const second = await startRunner();
      const failpoint = { phase, message: "clear", mayBeMissed: phase !== "before" } as const;
      second.start({ options: { url: database.url, dir: folder.dir }, failpoint });
      const { signal } = await second.end;
      // What was dropped is not dropped again.
      if (phase === "before") expect(signal).toBe("SIGKILL");
    }
    await migrate();
    expect(await index("email_idx")).toMatchObject({ valid: true });
  });

  test("is STUCK meanwhile, and status says in which statement", async () => {
    await history(BUILD);
    const table = await holdTable();
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    const { migrations } = await migrator().status();
    expect(migrations[0]?.state).toMatchObject({
      kind: "STUCK",
      doubt: {
        statement: 1,
        needsAnswer: false,
        reason: expect.stringContaining("statement 1 (CREATE INDEX CONCURRENTLY email_idx)"),
      },
    });
    // A repair leaves it to the run, which can look.
    expect(await migrator().repair()).toMatchObject({
      repaired: [],
      kept: [{ tag: "0000_index" }],
    });
    await migrate();
  });

  test("and the statement replaced in the file: its INVALID index goes, the new statement runs", async () => {
    await history(BUILD);
    const table = await holdTable();
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    await folder.write("0000_index", "create index email_idx on users (lower(email));");
    const { progress } = await migrate();
    expect(progress.filter(({ kind }) => kind === "migration-started")).toHaveLength(1);
    const [row] = await database.sql`select pg_get_indexdef('email_idx'::regclass) as definition`;
    expect(row?.definition).toContain("lower(email)");
  });

  test("and the next one stopped while it clears away: its INVALID index is not said to be gone", async () => {
    await history(BUILD);
    const table = await holdTable();
    await kill(await runUntilBlocked());
    await endZombie();
    const stop = new AbortController();
    const stopped = migrator().migrate({
      signal: stop.signal,
      onProgress: ({ kind }) => {
        if (kind === "statement-found") stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({
      code: "canceled",
      message: expect.stringContaining(
        "What CREATE INDEX CONCURRENTLY email_idx left behind is not settled: the next run checks again.",
      ),
    });
    await table.release();
    await migrate();
    expect(await index("email_idx")).toMatchObject({ valid: true });
  });

  test("after it was done, and the statement replaced: nothing is run, and the mismatch is told", async () => {
    await history(BUILD);
    const runner = await startRunner();
    const failpoint = { phase: "before", message: "end:0000_index#1" } as const;
    runner.start({ options: { url: database.url, dir: folder.dir }, failpoint });
    expect((await runner.end).signal).toBe("SIGKILL");
    await folder.write("0000_index", "create index concurrently email_idx on users (id, email);");
    await expect(migrator().migrate()).rejects.toMatchObject({
      code: "checksum_mismatch",
      message: expect.stringContaining(
        "CREATE INDEX CONCURRENTLY email_idx, and that one was done",
      ),
    });
    await folder.write("0000_index", BUILD["0000_index"]);
    expect((await migrate()).report.version).toBe("0000_index");
  });
});

describe("other statements outside transactions that were interrupted", () => {
  test("DROP INDEX CONCURRENTLY leaves an INVALID index, and is run again", async () => {
    await history({ "0000_drop": "drop index concurrently doomed_idx;" });
    const table = await holdTable();
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    expect(await index("doomed_idx")).toMatchObject({ valid: false });
    await migrate();
    expect(await index("doomed_idx")).toBeUndefined();
  });

  test("DROP INDEX CONCURRENTLY that was done is not run again, on whatever has the name now", async () => {
    await history({ "0000_drop": "drop index concurrently doomed_idx;" });
    const runner = await startRunner();
    const failpoint = { phase: "before", message: "end:0000_drop#1" } as const;
    runner.start({ options: { url: database.url, dir: folder.dir }, failpoint });
    expect((await runner.end).signal).toBe("SIGKILL");
    await database.sql`create index doomed_idx on users (id)`;
    const error = await migrator()
      .migrate()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "in_doubt", exitCode: 6 });
    expect(await index("doomed_idx")).toMatchObject({ valid: true });
    await database.sql`drop index doomed_idx`;
    const { found } = await migrate();
    expect(found).toEqual(["DROP INDEX CONCURRENTLY doomed_idx was interrupted, and is done"]);
  });

  test("REINDEX CONCURRENTLY leaves an INVALID copy, which goes before it runs again", async () => {
    await database.sql`create table other (id integer)`;
    await database.sql`create index other_ccnew on other (id)`;
    await database.sql`create index users_old_ccold on users (email)`;
    await database.sql`
      update pg_index set indisvalid = false
      where indexrelid in ('other_ccnew'::regclass, 'users_old_ccold'::regclass)`;
    await history({ "0000_reindex": "reindex table concurrently users;" });
    const table = await holdTable();
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    const leftovers = await database.sql`
      select relname::text as name from pg_class where relname ~ '_cc(new|old)[0-9]*$' order by 1`;
    expect(leftovers.length).toBeGreaterThan(2);
    const { found } = await migrate();
    expect(found.length).toBe(leftovers.length - 2);
    // Another table's is not touched, nor what was there before.
    expect(
      await database.sql`select relname::text as name from pg_class where relname ~ '_cc(new|old)[0-9]*$' order by 1`,
    ).toEqual([{ name: "other_ccnew" }, { name: "users_old_ccold" }]);
  });

  test("DETACH PARTITION CONCURRENTLY that is half done is ended", async () => {
    await database.sql.unsafe(`create table events (day integer) partition by range (day);
      create table events_old partition of events for values from (0) to (10);
      create table events_new partition of events for values from (10) to (20);`);
    await history({
      "0000_detach": "alter table events detach partition events_old concurrently; select 1;",
    });
    const table = await holdTable("events");
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    expect(
      await database.sql`select inhdetachpending as pending from pg_inherits where inhrelid = 'events_old'::regclass`,
    ).toEqual([{ pending: true }]);
    const { found } = await migrate();
    expect(found).toEqual([
      "DETACH PARTITION events_old CONCURRENTLY was interrupted half-way: finishing it",
    ]);
    expect(await database.sql`select inhrelid::regclass::text as name from pg_inherits`).toEqual([
      { name: "events_new" },
    ]);
  });

  test("DETACH PARTITION CONCURRENTLY is ended with the file's search_path", async () => {
    await database.sql.unsafe(`create schema app;
      create table app.events (day integer) partition by range (day);
      create table app.events_old partition of app.events for values from (0) to (10);`);
    await history({
      "0000_detach":
        "set search_path to app; alter table events detach partition events_old concurrently;",
    });
    const table = await holdTable("app.events");
    await kill(await runUntilBlocked());
    await endZombie();
    await table.release();
    await migrate();
    expect(await database.sql`select from pg_inherits`).toHaveLength(0);
  });

  test("DETACH PARTITION CONCURRENTLY is ended with a lock_timeout, on several tries", async () => {
    await database.sql.unsafe(`create table events (day integer) partition by range (day);
      create table events_old partition of events for values from (0) to (10);`);
    await history({
      "0000_detach": "alter table events detach partition events_old concurrently;",
    });
    const table = await holdTable("events");
    await kill(await runUntilBlocked());
    await endZombie();
    const kinds: string[] = [];
    const options = { url: database.url, dir: folder.dir, lockTimeoutMs: 200 };
    await new FilledDatabaseMigrator(options).migrate({
      onProgress: ({ kind }) => {
        kinds.push(kind);
        if (kind === "lock-retry") void table.release();
      },
    });
    expect(kinds).toContain("lock-retry");
    expect(await database.sql`select from pg_inherits`).toHaveLength(0);
  });

  test("DETACH PARTITION CONCURRENTLY of what never was a partition is refused by the server", async () => {
    await database.sql`create table events (day integer) partition by range (day)`;
    await database.sql`create table events_old (day integer)`;
    await history({
      "0000_detach": "alter table events detach partition events_old concurrently;",
    });
    const runner = await startRunner();
    runner.start({
      options: { url: database.url, dir: folder.dir },
      failpoint: { phase: "after", message: "begin:0000_detach#1" },
    });
    await runner.end;
    await expect(migrate()).rejects.toMatchObject({ code: "migration_failed" });
  });

  test("VACUUM is run again", async () => {
    await history({ "0000_vacuum": "vacuum users;" });
    const runner = await startRunner();
    const failpoint = { phase: "after", message: "begin:0000_vacuum#1" } as const;
    runner.start({ options: { url: database.url, dir: folder.dir }, failpoint });
    expect((await runner.end).signal).toBe("SIGKILL");
    expect((await migrate()).report.outcome).toBe("applied");
  });
});
