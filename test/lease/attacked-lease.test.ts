import postgres from "postgres";
import { afterEach, describe, expect, test } from "vitest";
import { DatabaseMigrator, type MigratorOptions } from "../../src/db/migrate/index.ts";
import { expectOnce } from "../helpers/counted-once.ts";
import { useDatabase } from "../helpers/database.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";
import { readLedgerContent, storyOf } from "../helpers/ledger.ts";
import { tcpProxy } from "../helpers/network.ts";
import { createMigratingRole, type TestRole } from "../helpers/role.ts";
import { runInProcess, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory(countingHistory(3));
/** Of one test, run before its database is dropped. */
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });

/** A role for as long as the test lasts. */
async function roleWith(
  attributes: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<TestRole> {
  const role = await createMigratingRole(database, attributes, settings);
  cleanUps.push(role.drop);
  return role;
}

test("a direct connection that is gone is taken over in less than two seconds by one that has waited for long", {
  timeout: 30_000,
}, async () => {
  const holder = await startRunner();
  const failpoint = { phase: "before", message: "start", signal: "SIGSTOP" } as const;
  holder.start({ options: { url: database.url, dir: folder.dir }, failpoint });
  await holder.atFailpoint;
  const waiter = await startRunner();
  const waiting = waiter.seen("waiting");
  waiter.start({ options: { url: database.url, dir: folder.dir } });
  await waiting;
  // By now it looks once in a second.
  await waiter.looksAgain(7);
  const tookOver = waiter.seen("took-over");
  const start = Date.now();
  holder.child.kill("SIGKILL");
  await tookOver;
  expect(Date.now() - start).toBeLessThan(2_000);
  expect((await waiter.end).report?.applied).toHaveLength(3);
});

describe("a role that may connect once", () => {
  test("migrates, waits for a lock, repairs and reads", { timeout: 30_000 }, async () => {
    const role = await roleWith("connection limit 1");
    await folder.write("0001_tick", "select pg_sleep(1.2); insert into ticks values (1);");
    await folder.write("0002_tick", "select 1 / 0");
    const one = migrator({ url: role.url });
    await expect(one.migrate()).rejects.toMatchObject({ code: "migration_failed" });
    expect((await one.repair()).repaired.map(({ tag }) => tag)).toEqual(["0002_tick"]);
    await folder.write("0002_tick", "lock table ticks; insert into ticks values (2);");
    const held = await database.sql.reserve();
    await held.unsafe("begin; lock table ticks in share mode");
    const run = migrator({ url: role.url, lockTimeoutMs: 200 }).migrate({
      onProgress: ({ kind }) => {
        if (kind === "lock-retry") held.unsafe("rollback").catch(() => undefined);
      },
    });
    expect((await run).version).toBe("0002_tick");
    held.release();
    expect((await one.status()).pending).toBe(0);
    expect((await one.events()).length).toBeGreaterThan(6);
    await expectOnce(database);
  });

  test("waits for its own other process as for any runner, longer than for a server that is not up", {
    timeout: 30_000,
  }, async () => {
    const role = await roleWith("connection limit 1");
    await folder.write("0001_tick", "select pg_sleep(3); insert into ticks values (1);");
    const holder = await startRunner();
    const started = holder.seen("migration-started");
    holder.start({ options: { url: role.url, dir: folder.dir } });
    await started;
    const end = await runInProcess({
      options: { url: role.url, dir: folder.dir, connectTimeoutMs: 500 },
    });
    expect(end.report?.outcome).toBe("current");
    expect(end.progress).toContainEqual({
      kind: "server-unavailable",
      reason: expect.stringContaining("53300"),
      waitedMs: expect.any(Number),
    });
    expect((await holder.end).report?.outcome).toBe("applied");
    await expectOnce(database);
  });

  test("gives up after the bound on waiting, and says that nothing is free", async () => {
    const role = await roleWith("connection limit 0");
    const start = Date.now();
    const error = await migrator({ url: role.url, connectTimeoutMs: 100, waitTimeoutMs: 800 })
      .migrate()
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "connect",
      message: expect.stringMatching(
        /53300.*\nNothing was run\. The server is up but has no free connection/,
      ),
    });
    expect(Date.now() - start).toBeGreaterThan(400);
    expect(Date.now() - start).toBeLessThan(5_000);
  });
});

test("a connection that is lost while its run waits counts as waiting, however often", {
  timeout: 30_000,
}, async () => {
  await folder.write(
    "0001_tick",
    "select pg_advisory_xact_lock(19); insert into ticks values (1);",
  );
  const held = await database.sql.reserve();
  await held.unsafe("select pg_advisory_lock(19)");
  const holder = await startRunner();
  const started = holder.seen("migration-started");
  holder.start({ options: { url: database.url, dir: folder.dir, lockTimeoutMs: 60_000 } });
  await started;
  const proxy = await tcpProxy(database.url);
  cleanUps.push(proxy.close);
  let cuts = 0;
  const waiter = new DatabaseMigrator(
    { url: proxy.url, dir: folder.dir },
    {
      onFailpoint: ({ phase, message }) => {
        // The first look of each connection is answered.
        if (phase !== "before" || message !== "look" || cuts > 14) return;
        cuts += 1;
        if (cuts % 2 === 0) proxy.reset();
        if (cuts > 14) held.unsafe("select pg_advisory_unlock(19)").catch(() => undefined);
      },
    },
  );
  expect((await waiter.migrate()).outcome).toBe("current");
  expect(cuts).toBeGreaterThan(14);
  held.release();
  expect((await holder.end).report?.outcome).toBe("applied");
});

test("a load balancer that accepts connections before its server is up is waited for, within the bound", {
  timeout: 30_000,
}, async () => {
  const server = await tcpProxy(database.url);
  const balancer = await tcpProxy(server.url);
  cleanUps.push(async () => {
    await balancer.close();
    await server.close();
  });
  server.refuse();
  const start = Date.now();
  await expect(
    migrator({ url: balancer.url, connectTimeoutMs: 1_000 }).migrate(),
  ).rejects.toMatchObject({ code: "connect" });
  expect(Date.now() - start).toBeLessThan(4_000);
  const run = migrator({ url: balancer.url }).migrate();
  await server.accept();
  expect((await run).version).toBe("0002_tick");
});

describe("a role with settings of its own", () => {
  test.each([
    ["default_transaction_isolation", "'serializable'"],
    ["default_transaction_read_only", "on"],
    ["statement_timeout", "'100ms'"],
    ["idle_in_transaction_session_timeout", "'100ms'"],
  ])(
    "(%s) migrates, waits for locks, fails and repairs as any other",
    {
      timeout: 30_000,
    },
    async (name, value) => {
      const role = await roleWith("", { [name]: value });
      const options = { url: role.url, lockTimeoutMs: 200 };
      await folder.write("0001_tick", "select pg_sleep(0.2); insert into ticks values (1);");
      await folder.write("0002_tick", "lock table ticks; select 1 / 0;");
      const first = migrator(options);
      await first.migrate({ to: "0000_create_ticks" });
      // Longer than a time-out: the ledger's readers wait for it, and then a migration does.
      const held = postgres(database.url, { max: 1, onnotice: () => undefined });
      cleanUps.push(() => held.end({ timeout: 1 }));
      await held.unsafe("begin; lock table ticks in share mode; savepoint rows").simple();
      await held.unsafe("lock table tidemark.schema_migrations");
      const reads = Promise.all([first.status(), first.plan(), first.currentVersion()]);
      const failed = first
        .migrate({
          onProgress: ({ kind }) => {
            if (kind === "lock-retry") held.unsafe("rollback").catch(() => undefined);
          },
        })
        .catch((error: unknown) => error);
      const waitedFor = async () => {
        const rows = await database.sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
          and clock_timestamp() - query_start > interval '150 ms'`;
        return rows.length;
      };
      await expect.poll(waitedFor, { timeout: 4_000 }).toBe(4);
      await held.unsafe("rollback to rows");
      expect((await reads)[0].pending).toBe(2);
      expect(await failed).toMatchObject({
        code: "migration_failed",
        tag: "0002_tick",
        recorded: { sqlState: "22012" },
      });
      const { events } = await readLedgerContent(database.url);
      expect(storyOf(events).at(-1)).toBe("0002_tick failed 1");
      expect((await first.repair()).repaired.map(({ tag }) => tag)).toEqual(["0002_tick"]);
      await folder.write("0002_tick", "insert into ticks values (2);");
      expect((await first.migrate()).version).toBe("0002_tick");
      await expectOnce(database);
    },
  );
});
