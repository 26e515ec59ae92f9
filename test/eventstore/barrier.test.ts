import { expect, test } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { credited, opened, useStore } from "../helpers/account.ts";
import { createDatabase } from "../helpers/database.ts";

const fixture = useStore();

const positions = async () => {
  const found: number[] = [];
  for await (const { position } of fixture.store.readInstance(fixture.instance))
    found.push(position);
  return found;
};

test("a reader stops before an event that is still to come, though later ones are there", async () => {
  const { store, pool } = fixture;
  const first = await store.push([fixture.at("a").append({ expected: "any", events: [opened()] })]);
  let reading: Promise<readonly number[]> | undefined;
  const slow = await pool.transaction(async (transaction) => {
    const events = [credited(1)];
    const pushed = await store.push([fixture.at("a").append({ expected: "any", events })], {
      transaction,
    });
    // Drawn later, there earlier: a reader that took it for the newest would miss the one before.
    const late = await store.push([
      fixture.at("b").append({ expected: "any", events: [opened()] }),
    ]);
    expect(late.position).toBeGreaterThan(pushed.position);
    expect(await store.barrier(fixture.instance, { onBusy: "give-up" })).toBeUndefined();
    reading = positions();
    return { pushed, late };
  });
  expect(await reading).toEqual([first.position, slow.pushed.position, slow.late.position]);
});

test("a long transaction that appends holds no other append up, readers waiting or not", async () => {
  const { store, pool } = fixture;
  const took: number[] = [];
  await pool.transaction(async (transaction) => {
    await store.push([fixture.at("a").append({ expected: "any", events: [opened()] })], {
      transaction,
    });
    const reading = new AbortController();
    const readers = Array.from({ length: 3 }, () =>
      store.barrier(fixture.instance, { signal: reading.signal }).catch(() => undefined),
    );
    for (let i = 0; i < 40; i += 1) {
      const start = performance.now();
      await store.push([fixture.at(`b${i}`).append({ expected: "any", events: [opened()] })]);
      took.push(performance.now() - start);
    }
    reading.abort();
    await Promise.all(readers);
  });
  // Each of the three readers stands in the queue for a tenth of a second at most, and then pauses.
  expect(Math.max(...took)).toBeLessThan(1_000);
});

test("an instance's appends do not keep another one's readers waiting", async () => {
  const { store, pool } = fixture;
  await pool.transaction(async (transaction) => {
    await store.push([fixture.at("a").append({ expected: "any", events: [opened()] })], {
      transaction,
    });
    expect(await store.barrier("other", { onBusy: "give-up" })).toBeGreaterThan(0);
  });
});

test("the first event of a new database is behind no barrier", async () => {
  const database = await createDatabase({ template: "migrated" });
  const pool = new DatabasePool({ url: database.url });
  try {
    const store = createEventStore({ pool });
    const before = (await store.barrier("i")) ?? 0;
    const { position } = await store.push([
      fixture.at("a", "i").append({ expected: "none", events: [opened()] }),
    ]);
    expect(position).toBeGreaterThan(before);
    expect(await store.barrier("i")).toBeGreaterThanOrEqual(position);
  } finally {
    await pool.close();
    await database.drop();
  }
});

test("the barrier leaves no setting behind on its connection", async () => {
  const pool = new DatabasePool({ url: fixture.url, max: 1 });
  try {
    const before = await pool.query("show lock_timeout");
    await createEventStore({ pool }).barrier(fixture.instance);
    expect(await pool.query("show lock_timeout")).toEqual(before);
  } finally {
    await pool.close();
  }
});
