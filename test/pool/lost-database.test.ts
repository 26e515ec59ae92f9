import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { DatabasePool } from "../../src/db/pool/index.ts";
import { createSession, type Session } from "../../src/db/pool/session.ts";
import { resolveTargets } from "../../src/db/pool/target.ts";
import { tcpProxy } from "../helpers/network.ts";
import { ownPid, TESTED, usePools, write } from "../helpers/pool-fixture.ts";
import { started, startProxy } from "../helpers/pool-network.ts";

const pools = usePools("empty");

describe("a connection that dies at rest", () => {
  test("is known to be lost before anybody uses it", async () => {
    const proxy = await started(startProxy(pools.url));
    const [target] = resolveTargets({ url: proxy.url });
    if (target === undefined) throw new Error("the URL names no host");
    const session = await new Promise<Session>((resolve, reject) => {
      const opened = createSession(target, () => resolve(opened));
      opened.connect().then(() => proxy.cutAll(), reject);
    });
    expect(session.lost).toMatchObject({ code: "connection_lost" });
    await expect(session.run({ text: "select 1" })).rejects.toBe(session.lost);
    expect(proxy.accepted()).toBe(1);
  });

  test("is replaced by the pool: no query meets it", async () => {
    const proxy = await started(startProxy(pools.url));
    const pool = pools.open({ max: 1, url: proxy.url });
    await pool.query("select 1");
    await proxy.hangUp();
    expect(await pool.queryOne("select 1 as a")).toEqual({ a: 1 });
  });
});

describe("a ping", () => {
  test("that gets no answer in time drops its connection, so that the pool has room again", async () => {
    const proxy = await tcpProxy(pools.url);
    onTestFinished(proxy.close);
    const pool = pools.open({ max: 1, url: proxy.url });
    await pool.ping(10_000);
    proxy.mute();
    await expect(pool.ping(100)).rejects.toMatchObject({
      code: "connection_lost",
      message: expect.stringContaining("did not answer within 100 ms"),
    });
    await expect.poll(() => pools.backends()).toEqual([]);
    proxy.reset();
    expect(await pool.queryOne("select 1 as a")).toEqual({ a: 1 });
  });

  test("that gets no connection in time leaves those that others have, and asks for nothing later", async () => {
    const pool = pools.open({ max: 1 });
    const rows = await pool.transaction(async (transaction) => {
      await expect(pool.ping(50)).rejects.toMatchObject({ code: "connect" });
      return transaction.query("select 1 as a");
    });
    expect(rows).toEqual([{ a: 1 }]);
    await pool.ping(10_000);
  });
});

describe("a connection that dies in a transaction", () => {
  test("between two statements: the rest is refused, nothing stays", async () => {
    const pool = pools.open();
    let refused: unknown;
    const dying = pool.transaction(async (transaction) => {
      await write(transaction, 1, 1);
      await pools.terminate(await ownPid(transaction));
      refused = await write(transaction, 1, 2).catch((error) => error);
      await write(transaction, 1, 3).catch(() => "ignored");
      return "done";
    });
    await expect(dying).rejects.toMatchObject({ name: "DatabaseError", code: "connection_lost" });
    expect(refused).toMatchObject({ code: "connection_lost" });
    expect(await pools.notes()).toEqual([]);
    await write(pool, 2, 1);
    expect(await pools.notes()).toEqual([{ run: 2, part: 1 }]);
  });

  test("before COMMIT, and no statement noticed", async () => {
    const dying = pools.open().transaction(async (transaction) => {
      await write(transaction, 1, 1);
      await pools.terminate(await ownPid(transaction));
    });
    await expect(dying).rejects.toMatchObject({
      code: expect.stringMatching(/^(connection_lost|commit_in_doubt)$/),
    });
    expect(await pools.notes()).toEqual([]);
  });

  test("under a running statement, with others in line behind it", async () => {
    const queued: Promise<unknown>[] = [];
    const dying = pools.open().transaction(async (transaction) => {
      await write(transaction, 1, 1);
      queued.push(transaction.query("select pg_sleep(600)"));
      for (const part of [2, 3, 4]) queued.push(write(transaction, 1, part));
      const settled = Promise.allSettled(queued);
      await pools.terminate(await pools.blocked());
      await settled;
    });
    await expect(dying).rejects.toMatchObject({ code: "connection_lost" });
    for (const { status } of await Promise.allSettled(queued)) expect(status).toBe("rejected");
    expect(await pools.notes()).toEqual([]);
  });

  test("in a nested drizzle transaction", async () => {
    const dying = pools.open().drizzle.transaction(async (outer) => {
      await outer.execute("insert into notes values (1, 1)");
      await outer
        .transaction(async (inner) => {
          const [row] = await inner.execute<{ pid: number }>("select pg_backend_pid() as pid");
          await pools.terminate(row?.pid ?? 0);
          await inner.execute("insert into notes values (1, 2)");
        })
        .catch(() => "ignored");
      await outer.execute("insert into notes values (1, 3)").catch(() => "ignored");
    });
    await expect(dying).rejects.toMatchObject({ code: "connection_lost" });
    expect(await pools.notes()).toEqual([]);
  });

  test.each([
    ["before", []],
    ["after", [{ run: 1, part: 1 }]],
  ] as const)("cut %s COMMIT reached the server: in doubt", async (when, expected) => {
    const proxy = await started(startProxy(pools.url, { text: "commit", when }));
    const pool = pools.open({ url: proxy.url });
    let pid = 0;
    const dying = pool.transaction(async (transaction) => {
      await write(transaction, 1, 1);
      pid = await ownPid(transaction);
    });
    await expect(dying).rejects.toMatchObject({
      code: "commit_in_doubt",
      cause: { code: "connection_lost" },
    });
    await pools.gone(pid);
    expect(await pools.notes()).toEqual(expected);
  });

  test("at random, under load: each transaction is there wholly or not at all", async () => {
    const proxy = await started(startProxy(pools.url));
    const victims = [pools.open({ max: 4 }), pools.open({ max: 4, url: proxy.url })];
    const parts = [1, 2, 3, 4, 5];
    const outcomes = new Map<number, string>();
    let working = true;
    let last = 0;

    async function work(pool: DatabasePool): Promise<void> {
      while (working) {
        last += 1;
        const run = last;
        const done = pool.transaction(async (transaction) => {
          const writes = parts.map((part) => write(transaction, run, part));
          // Every other one ignores its errors, as careless code does.
          await (run % 2 ? Promise.all(writes) : Promise.allSettled(writes));
        });
        const outcome = await done.then(
          () => "committed",
          (error) => String(error.code),
        );
        outcomes.set(run, outcome);
      }
    }

    async function disturb(): Promise<void> {
      for (let round = 0; round < 60; round++) {
        const reached = outcomes.size + 10;
        await vi.waitFor(() => expect(outcomes.size).toBeGreaterThan(reached), 20_000);
        if (round % 3 === 0) proxy.cutAll();
        await pools.admin.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where ${TESTED} order by random() limit 2`,
        );
      }
    }

    const workers = victims.flatMap((pool) => Array.from({ length: 4 }, () => work(pool)));
    await disturb().finally(() => {
      working = false;
    });
    await Promise.all(workers);
    await Promise.all(victims.map((pool) => pool.close()));
    await vi.waitFor(async () => expect(await pools.backends()).toEqual([]), 10_000);

    const stored = new Map<number, number>();
    for (const { run } of await pools.notes()) stored.set(run, (stored.get(run) ?? 0) + 1);
    for (const [run, outcome] of outcomes) {
      const allowed = { committed: [parts.length], commit_in_doubt: [0, parts.length] }[outcome];
      expect(allowed ?? [0], `run ${run}: ${outcome}`).toContain(stored.get(run) ?? 0);
    }
    const seen = new Set(outcomes.values());
    expect(seen).toContain("committed");
    expect(seen).toContain("connection_lost");
    const known = ["committed", "connection_lost", "commit_in_doubt", "connect"];
    expect([...seen].filter((outcome) => !known.includes(outcome))).toEqual([]);
  });
});
