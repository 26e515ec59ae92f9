import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openSession } from "../../src/db/connection/session.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";
import { type TcpProxy, tcpProxy } from "../helpers/network.ts";

const database = useDatabase();
const folder = useHistory();
let proxy: TcpProxy;

beforeEach(async () => {
  proxy = await tcpProxy(database.url);
});

afterEach(async () => {
  await proxy.close();
});

const isSleeping = async () => {
  const [row] = await database.sql`select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event = 'PgSleep'`;
  return row?.n === 1;
};

/** Starts a run, aborts it once its server sleeps, and says what it threw. */
async function abortWhileSleeping(before: () => void = () => undefined): Promise<unknown> {
  const controller = new AbortController();
  const run = new DatabaseMigrator({
    url: proxy.url,
    dir: folder.dir ?? "",
  })
    .migrate({ signal: controller.signal })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  await expect.poll(isSleeping, { timeout: 10_000 }).toBe(true);
  before();
  controller.abort();
  return run;
}

describe("an abort", () => {
  test("of a statement that swallows the first cancel is asked again, and recorded", {
    timeout: 20_000,
  }, async () => {
    const deaf = `do $$ begin
      begin perform pg_sleep(30); exception when query_canceled then null; end;
      perform pg_sleep(30);
    end $$`;
    await folder.make({ "0000_deaf": deaf });
    expect(await abortWhileSleeping()).toMatchObject({ code: "canceled", tag: "0000_deaf" });
    expect(await database.sql`select state from tidemark.schema_migrations`).toEqual([
      { state: "FAILED" },
    ]);
  });

  test("of a statement that takes its time to give in ends the run, with others sent ahead behind it", {
    timeout: 20_000,
  }, async () => {
    const slow = `do $$ begin perform pg_sleep(30);
      exception when query_canceled then perform pg_sleep(1); raise; end $$`;
    await folder.make({ ...countingHistory(1), "0001_slow": slow, ...laterTicks() });
    expect(await abortWhileSleeping()).toMatchObject({
      code: "canceled",
      tag: "0001_slow",
      applied: ["0000_create_ticks"],
    });
    const rows = await database.sql`select tag, state from tidemark.schema_migrations order by tag`;
    expect(rows.map(({ tag, state }) => [tag, state])).toEqual([
      ["0000_create_ticks", "DONE"],
      ["0001_slow", "FAILED"],
    ]);
  });

  test("whose cancel request cannot be delivered is no uncaught error, and ends within seconds", {
    timeout: 30_000,
  }, async () => {
    await folder.make({ ...countingHistory(1), "0001_slow": "select pg_sleep(60)" });
    const uncaught: unknown[] = [];
    const note = (error: unknown) => uncaught.push(error);
    process.on("unhandledRejection", note);
    try {
      const error = await abortWhileSleeping(() => proxy.refuse());
      expect(error).toMatchObject({ code: "canceled", applied: ["0000_create_ticks"] });
      expect(uncaught).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
      await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'tidemark'`;
    }
  });
});

test("a run longer than its bound on waiting comes back after a lost connection", {
  timeout: 30_000,
}, async () => {
  await folder.make({
    ...countingHistory(1),
    "0001_slow": "select pg_sleep(2)",
    ...laterTicks(),
  });
  const run = new DatabaseMigrator({
    url: proxy.url,
    dir: folder.dir,
    waitTimeoutMs: 3_000,
  }).migrate();
  await expect.poll(isSleeping, { timeout: 10_000 }).toBe(true);
  const asleepSince = Date.now();
  await expect.poll(() => Date.now() - asleepSince > 1_200, { timeout: 5_000 }).toBe(true);
  proxy.reset();
  expect(await run).toMatchObject({ outcome: "applied", version: "0003_tick" });
});

test("a server that goes away for good: the error says what was applied before", {
  timeout: 30_000,
}, async () => {
  await folder.make({ ...countingHistory(1), "0001_slow": "select pg_sleep(60)" });
  const run = new DatabaseMigrator({ url: proxy.url, dir: folder.dir, connectTimeoutMs: 500 })
    .migrate()
    .catch((error: unknown) => error);
  await expect.poll(isSleeping, { timeout: 10_000 }).toBe(true);
  proxy.refuse();
  proxy.reset();
  const error = await run;
  expect(error).toMatchObject({ code: "connect", applied: ["0000_create_ticks"] });
  expect((error as Error).message).not.toContain("Nothing was run");
});

function laterTicks(): Record<string, string> {
  return {
    "0002_tick": "insert into ticks values (2)",
    "0003_tick": "insert into ticks values (3)",
  };
}

test("a session that is given up at once leaves no cancel behind, which would be torn off half-way", async () => {
  const gone = new AbortController();
  const { session } = await openSession(
    {
      ...{ url: proxy.url, connectTimeoutMs: 5_000, signal: gone.signal, graceMs: 0 },
      onNotice: () => undefined,
      onFailpoint: undefined,
    },
    "select 1",
  );
  const { reply } = await session.send("sleep", "select pg_sleep(30)");
  const lost = expect(reply).rejects.toThrow();
  await expect.poll(isSleeping, { timeout: 10_000 }).toBe(true);
  gone.abort();
  await lost;
  await session.close();
  // A cancel would have been asked for at once.
  await database.sql`select pg_sleep(0.2)`;
  expect(proxy.traffic().clients).toBe(1);
  await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event = 'PgSleep'`;
});
