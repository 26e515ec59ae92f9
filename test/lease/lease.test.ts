import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { historyFolder, useHistory } from "../helpers/history.ts";
import { readLedgerContent, storyOf } from "../helpers/ledger.ts";
import { runHerd, runInProcess, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

const options = () => ({ url: database.url, dir: folder.dir });
const story = async () => storyOf((await readLedgerContent(database.url)).events);

/** One migration that takes a while and leaves a row, one behind it. */
const slow = (seconds: number) =>
  historyFolder({
    "0000_slow": `create table ticks (n integer); select pg_sleep(${seconds}); insert into ticks values (1);`,
    "0001_next": "insert into ticks values (2);",
  });

describe("a runner that finds another at work", () => {
  test("only looks: it never tries to take a lease that is held", async () => {
    await folder.take(await slow(1.5));
    const holder = await startRunner();
    const started = holder.seen("migration-started");
    holder.start({ options: options() });
    await started;
    // It would kill itself before it asked for the lease.
    const failpoint = { phase: "before", message: "take", mayBeMissed: true } as const;
    const waiter = await runInProcess({ options: options(), failpoint });
    expect(waiter.signal).toBeNull();
    expect(waiter.report?.outcome).toBe("current");
    expect((await holder.end).report?.applied).toHaveLength(2);
  });

  test("that was killed in the middle of a statement waits for what the server still runs, and does it no second time", async () => {
    await folder.take(await slow(2));
    const failpoint = { phase: "sent", message: "migration:0000_slow" } as const;
    const killed = await startRunner();
    const successor = await startRunner();
    killed.start({ options: options(), failpoint });
    await killed.end;
    const waiting = successor.seen("waiting");
    successor.start({ options: options() });
    expect(await waiting).toMatchObject({
      holder: { processId: killed.child.pid, activity: "0000_slow" },
    });
    const { report } = await successor.end;
    // The server ends the message by itself, its commit with it.
    expect(report?.applied.map(({ tag }) => tag)).toEqual(["0001_next"]);
    expect(await database.sql`select n from ticks order by n`).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await story()).toEqual([
      "0000_slow started 1",
      "0000_slow done 1",
      "0001_next started 1",
      "0001_next started 2",
      "0001_next done 2",
    ]);
  });
});

describe("the lease of a runner that is gone", () => {
  test("is taken long before it expires where its connection was direct", async () => {
    await folder.take(await slow(0));
    const failpoint = { phase: "before", message: "migration:0000_slow" } as const;
    await runInProcess({ options: options(), failpoint });
    const start = Date.now();
    expect((await new DatabaseMigrator(options()).migrate()).applied).toHaveLength(2);
    // The lease lives for fifteen; alone on a machine this takes a fifth of one.
    expect(Date.now() - start).toBeLessThan(8_000);
  });

  test("is taken when it has expired, and not before, where a pooler may be between", async () => {
    await folder.take(await slow(0));
    const failpoint = { phase: "before", message: "migration:0000_slow" } as const;
    await runInProcess({ options: options(), failpoint });
    await database.sql`
      update tidemark.runner set direct = false, expires_at = clock_timestamp() + interval '2 s'`;
    const [row] = await database.sql<{ at: Date }[]>`select expires_at as at from tidemark.runner`;
    const successor = await runInProcess({ options: options() });
    expect(successor.progress.map(({ kind }) => kind)).toContain("waiting");
    expect(successor.progress.map(({ kind }) => kind)).toContain("took-over");
    const { events } = await readLedgerContent(database.url);
    const done = events.find(({ type }) => type === "migration.done");
    expect(done?.at.getTime()).toBeGreaterThanOrEqual(row?.at.getTime() ?? Number.NaN);
  });

  test("was renewed at the end of its last migration too, so that a waiter does not find it expired between two", async () => {
    await folder.take(await slow(2));
    const runner = await startRunner();
    const failpoint = {
      phase: "after",
      message: "migration:0000_slow",
      signal: "SIGSTOP",
    } as const;
    runner.start({ options: options(), migrate: { to: "0000_slow" }, failpoint });
    await runner.atFailpoint;
    const [row] = await database.sql<{ left: number }[]>`
      select extract(epoch from r.expires_at - e.at)::float8 as left
      from tidemark.runner r, tidemark.migration_events e
      where e.type = 'migration.done'`;
    // Fifteen seconds from the end, not from the fence two seconds before it.
    expect(row?.left).toBeGreaterThan(14.9);
    runner.resume();
    await runner.end;
  });
});

describe("a migration that fails after it has outlived its lease", () => {
  test("is not tried again by a runner that waits, though the lease looks expired until the failure is recorded", async () => {
    await folder.make({
      "0000_slow": "select pg_advisory_xact_lock(17); select 1 / 0;",
    });
    const held = await database.sql.reserve();
    await held.unsafe("select pg_advisory_lock(17)");
    const holder = await startRunner();
    const waiter = await startRunner();
    const failpoint = { phase: "before", message: "failed", signal: "SIGSTOP" } as const;
    const started = holder.seen("migration-started");
    holder.start({ options: { ...options(), lockTimeoutMs: 60_000 }, failpoint });
    await started;
    const waiting = waiter.seen("waiting");
    waiter.start({ options: options() });
    await waiting;
    await held.unsafe("select pg_advisory_unlock(17)");
    held.release();
    await holder.atFailpoint;
    // As it is when the last renewal that was committed is sixteen seconds old.
    await database.sql`update tidemark.runner set expires_at = clock_timestamp()`;
    await waiter.looksAgain(2);
    holder.resume();
    expect((await holder.end).error?.code).toBe("migration_failed");
    expect((await waiter.end).error?.code).toBe("migration_failed");
    expect(await story()).toEqual(["0000_slow started 1", "0000_slow failed 1"]);
  });
});

describe("many processes of", () => {
  test("an older release boot against a newer database, all at once", async () => {
    await folder.take(await slow(0));
    await new DatabaseMigrator(options()).migrate();
    await folder.list(["0000_slow"]);
    const ends = await runHerd(8, { options: options() });
    expect(ends.map(({ report }) => report?.outcome)).toEqual(Array(8).fill("newer"));
  });

  test("a Tidemark that cannot read the ledger stop, and write nothing", async () => {
    await folder.take(await slow(0));
    await new DatabaseMigrator(options()).migrate();
    const before = await story();
    await database.sql`update tidemark.runner set ledger_version = 99, min_reader = 99`;
    await folder.write("0002_more", "select 1");
    await folder.list(["0000_slow", "0001_next", "0002_more"]);
    const ends = await runHerd(8, { options: options() });
    expect(ends.map(({ error }) => error?.code)).toEqual(Array(8).fill("ledger_newer"));
    expect(await story()).toEqual(before);
  });
});
