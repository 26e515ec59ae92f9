import { beforeEach, describe, expect, test } from "vitest";
import { createPoll } from "../../src/projections/poll.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";

const db = useProjections();

/** How many queries each poll sent: what it costs once all is settled is one. */
let sent = 0;
const counted = () => ({
  query: <T>(text: string, params?: readonly unknown[]) => {
    sent += 1;
    return db.pool.query<T>(text, params);
  },
});

async function allHandled(): Promise<void> {
  await db.pool.query(
    `insert into projections.current_states (instance_id, projection_name, position)
     select instance_id, 'tallies', max(global_sequence) from eventstore.events group by 1
     on conflict (instance_id, projection_name) do update set position = excluded.position`,
  );
}

async function settled(poll: () => Promise<readonly unknown[]>): Promise<void> {
  await expect.poll(async () => (await costOf(poll)).queries, { timeout: 5_000 }).toBe(1);
}

async function costOf(poll: () => Promise<readonly unknown[]>) {
  sent = 0;
  const behind = await poll();
  return { behind: behind.length, queries: sent };
}

describe("a poll", () => {
  beforeEach(async () => {
    await appendRaw(db.pool, many(5));
    await allHandled();
  });

  test("asks for no more than the last number once nothing is behind", async () => {
    const poll = createPoll(counted(), ["tallies"]);
    expect(await poll()).toEqual([]);
    expect(await poll()).toEqual([]);
    expect(await costOf(poll)).toEqual({ behind: 0, queries: 1 });
  });

  test("finds what is appended after that, in a new instance too", async () => {
    const poll = createPoll(counted(), ["tallies"]);
    await settled(poll);
    await appendRaw(db.pool, many(2, 1, { instanceId: "another" }));
    expect(await poll()).toMatchObject([{ instanceId: "another", name: "tallies", isNew: true }]);
    // And again, for as long as nobody has handled it.
    expect(await poll()).toHaveLength(1);
    expect(await poll()).toHaveLength(1);
    await allHandled();
    await settled(poll);
  });

  test("misses no append that had drawn its number before all was handled, and commits later", async () => {
    const poll = createPoll(counted(), ["tallies"]);
    await db.pool.transaction(async (appending) => {
      await appendRaw(appending, many(1));
      for (let n = 0; n < 5; n += 1) {
        expect(await costOf(poll)).toEqual({ behind: 0, queries: n === 0 ? 1 : 2 });
      }
    });
    expect(await poll()).toMatchObject([{ instanceId: "i1", name: "tallies" }]);
  });

  test("settles after an append that was rolled back", async () => {
    const poll = createPoll(counted(), ["tallies"]);
    await settled(poll);
    const undone = db.pool.transaction(async (transaction) => {
      await appendRaw(transaction, many(1));
      throw new Error("no");
    });
    await expect(undone).rejects.toThrow("no");
    expect((await costOf(poll)).behind).toBe(0);
    await settled(poll);
  });

  test("looks at everything again when its trust is over: a position may have been set back by hand", async () => {
    const poll = createPoll(counted(), ["tallies"], 200);
    await settled(poll);
    await db.pool.query("update projections.current_states set position = 0");
    await expect.poll(poll, { timeout: 5_000 }).not.toEqual([]);
  });
});
