import { expect, test } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { account, accountDecider, credited, opened, useStore } from "../helpers/account.ts";
import { lossyProxy } from "../helpers/lossy-proxy.ts";

const fixture = useStore();

test("the same push again under its key appends nothing, and returns the first one's events", async () => {
  const { store } = fixture;
  const push = () =>
    store.push(
      [
        fixture.at("a").append({ expected: "none", events: [opened(), credited(1)] }),
        fixture.at("b").append({ expected: "any", events: [credited(2)] }),
      ],
      { idempotencyKey: "k" },
    );
  const first = await push();
  await store.push([fixture.at("b").append({ expected: "any", events: [credited(3)] })]);
  const second = await push();
  expect(second).toEqual({ ...first, replayed: true });
  expect(await fixture.eventsOf("a")).toHaveLength(2);
});

test("simultaneous pushes under one key append once, and all return the same events", async () => {
  const { store } = fixture;
  const results = await Promise.all(
    Array.from({ length: 8 }, () =>
      store.push([fixture.at("a").append({ expected: "any", events: [credited(1)] })], {
        idempotencyKey: "k",
      }),
    ),
  );
  expect(new Set(results.map(({ position }) => position)).size).toBe(1);
  expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1);
  expect(await fixture.eventsOf("a")).toHaveLength(1);
});

test("a key that was used for another request is refused", async () => {
  const { store } = fixture;
  const push = (amount: number) =>
    store.push([fixture.at("a").append({ expected: "any", events: [credited(amount)] })], {
      idempotencyKey: "k",
    });
  await push(1);
  await expect(push(2)).rejects.toMatchObject({ code: "idempotency_mismatch" });
  expect(await fixture.eventsOf("a")).toHaveLength(1);
});

test("a key of another instance is another key", async () => {
  const { store } = fixture;
  for (const instance of [fixture.instance, `${fixture.instance}-2`]) {
    const intent = fixture.at("a", instance).append({ expected: "none", events: [opened()] });
    const { replayed } = await store.push([intent], { idempotencyKey: "k" });
    expect(replayed).toBe(false);
  }
});

test("a command again under its key is not decided again", async () => {
  const { store } = fixture;
  const target = { instanceId: fixture.instance, id: "a", owner: "bank", creator: "teller" };
  const open = { kind: "open", holder: "Ada" } as const;
  await store.execute(accountDecider, target, open);
  const close = () =>
    store.execute(accountDecider, target, { kind: "close" }, { idempotencyKey: "k" });
  const first = await close();
  const second = await close();
  expect(second.events).toEqual(first.events);
  expect(second).toMatchObject({ replayed: true, version: 2, state: undefined });
  const other = store.execute(accountDecider, target, open, { idempotencyKey: "k" });
  await expect(other).rejects.toMatchObject({ code: "idempotency_mismatch" });
});

// The statement has reached the server and its answer never comes back.
test("a push whose answer was lost is read back by its key, and appended once", async () => {
  const proxy = await lossyProxy(fixture.url);
  const pool = new DatabasePool({ url: proxy.url, max: 2 });
  try {
    const store = createEventStore({ pool });
    const push = (id: string) =>
      store.push([fixture.at(id).append({ expected: "any", events: [credited(1)] })], {
        idempotencyKey: id,
      });
    for (let i = 0; i < 10; i += 1) {
      // A connection is there: the next answer is the push's.
      await pool.query("select 1");
      proxy.loseAnswer("SELECT 1");
      const { replayed } = await push(`a${i}`);
      expect(replayed).toBe(true);
      expect(await fixture.eventsOf(`a${i}`)).toHaveLength(1);
    }
    expect(proxy.lost()).toBe(10);
  } finally {
    await pool.close({ timeoutMs: 0 });
    await proxy.close();
  }
});

test("a push without a key whose answer was lost says so, and is never tried again", async () => {
  const proxy = await lossyProxy(fixture.url);
  const pool = new DatabasePool({ url: proxy.url, max: 2 });
  try {
    const alone = createEventStore({ pool });
    const inline = createEventStore({ pool, inline: [async () => undefined] });
    const lost = [
      [alone, "INSERT 0 1"],
      [inline, "COMMIT"],
    ] as const;
    for (const [i, [store, tag]] of lost.entries()) {
      proxy.loseAnswer(tag);
      const intent = account
        .at({ instanceId: fixture.instance, id: `b${i}`, owner: "bank", creator: "teller" })
        .append({ expected: "any", events: [credited(1)] });
      await expect(store.push([intent])).rejects.toMatchObject({ code: "commit_in_doubt" });
      expect(await fixture.eventsOf(`b${i}`)).toHaveLength(1);
    }
  } finally {
    await pool.close({ timeoutMs: 0 });
    await proxy.close();
  }
});

test("a push whose connection the server ends is in doubt, and with a key tried again", async () => {
  const { store, pool, instance } = fixture;
  const push = (id: string, idempotencyKey?: string) =>
    store.push([fixture.at(id).append({ expected: "none", events: [opened()] })], {
      idempotencyKey,
    });
  const end = async (work: () => Promise<unknown>) => {
    const { result } = await pool.transaction(async (transaction) => {
      await transaction.query(
        "select pg_advisory_xact_lock(hashtextextended('eventstore.events:' || $1, 0))",
        [instance],
      );
      const result = work().catch((error: unknown) => error);
      const ended = () =>
        pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and wait_event = 'advisory'`,
        );
      await expect.poll(ended).toHaveLength(1);
      return { result };
    });
    return result;
  };
  expect(await end(() => push("a"))).toMatchObject({ code: "commit_in_doubt" });
  expect(await fixture.eventsOf("a")).toHaveLength(0);
  expect(await end(() => push("b", "k"))).toMatchObject({ replayed: false });
  expect(await fixture.eventsOf("b")).toHaveLength(1);
});
