import { describe, expect, test } from "vitest";
import {
  defineReactor,
  lagText,
  on,
  projectionStatus,
  waitFor,
} from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { POISON, tally, tallyProjection } from "../helpers/tally.ts";

const db = useProjections();

describe("waitFor", () => {
  test("resolves when the projection has handled the position, at once when it is inline", async () => {
    const projection = tallyProjection();
    const runner = db.runner({ projections: [projection] });
    runner.start();
    await appendRaw(db.pool, many(3));
    const position = db.base + 3;
    const options = { pool: db.pool, instanceId: "i1", position };
    runner.wake();
    await waitFor({ ...options, projection });
    expect(await db.steps()).toBe(3);
    await waitFor({ ...options, projection: tallyProjection({ mode: "inline" }), timeoutMs: 0 });
  });

  test("takes a barrier, which may be above all events of the instance", async () => {
    const projection = tallyProjection();
    await appendRaw(db.pool, many(3));
    await db.runner({ projections: [projection] }).catchUp();
    await appendRaw(db.pool, many(3, 3, { instanceId: "i2" }));
    const position = (await db.store.barrier("i1")) ?? 0;
    expect(position).toBe(db.base + 6);
    const options = { pool: db.pool, projection, position, timeoutMs: 0 };
    await waitFor({ ...options, instanceId: "i1" });
    await waitFor({ ...options, instanceId: "without events" });
    await expect(waitFor({ ...options, instanceId: "i2" })).rejects.toMatchObject({
      code: "wait_timeout",
    });
  });

  test("says how far it is when that takes too long", async () => {
    await appendRaw(db.pool, many(3));
    const waiting = waitFor({
      pool: db.pool,
      projection: "tallies",
      instanceId: "i1",
      position: db.base + 3,
      timeoutMs: 30,
    });
    await expect(waiting).rejects.toMatchObject({
      code: "wait_timeout",
      fact: `After 30 ms the projection tallies is at position 0 in the instance i1, not yet at ${db.base + 3}.`,
    });
  });
});

describe("the status", () => {
  const status = async (more: Partial<Parameters<typeof projectionStatus>[0]> = {}) => {
    const [one] = await projectionStatus({
      pool: db.pool,
      projections: [tallyProjection()],
      ...more,
    });
    if (one === undefined) throw new Error("no status");
    return one;
  };

  test("shows the worst instance: events and seconds behind its last event", async () => {
    await appendRaw(db.pool, many(4));
    await db.runner({ projections: [tallyProjection()] }).catchUp();
    expect(await status()).toMatchObject({
      name: "tallies",
      kind: "projection",
      state: "running",
      instances: 1,
      quarantined: 0,
      worst: { lagEvents: 0, lagSeconds: 0, isLagCut: false },
    });
    await appendRaw(db.pool, many(2, 2, { instanceId: "i2" }));
    await appendRaw(db.pool, many(3));
    const lagging = await status();
    expect(lagging.worst).toMatchObject({ instanceId: "i2", lagEvents: 2, state: "running" });
    expect(lagging.worst?.lagSeconds).toBeGreaterThan(0);
    expect(await status({ behindAfterMs: 0 })).toMatchObject({ state: "behind" });
    const { byInstance = [] } = await status({ perInstance: true });
    const lags = byInstance.map(({ instanceId, lagEvents }) => [instanceId, lagEvents]);
    expect(lags).toEqual([
      ["i2", 2],
      ["i1", 3],
    ]);
  });

  test("counts no further than it must", async () => {
    await db.pool.query(
      `insert into eventstore.events
         (instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner)
       select 'i1', 'tally', 't1', n, 'tally.ignored', 1, 'c', 'o' from generate_series(1, 100001) n`,
    );
    const { byInstance = [] } = await status({ perInstance: true });
    const lag = byInstance.find(({ instanceId }) => instanceId === "i1");
    expect(lag).toMatchObject({ lagEvents: 100_000, isLagCut: true });
    expect(lag && lagText(lag)).toBe("100,000+");
  });

  test("counts what is held back, and shows where a projection has halted", async () => {
    await appendRaw(db.pool, many(25, 25, { payload: { by: POISON } }));
    await appendRaw(db.pool, many(5, 5, { instanceId: "i2" }));
    await appendRaw(db.pool, [{ instanceId: "i2", payload: { by: POISON } }]);
    await db
      .runner({ projections: [tallyProjection()] })
      .catchUp()
      .catch(() => undefined);
    expect(await status()).toMatchObject({
      state: "halted",
      worst: { instanceId: "i1", state: "halted", lagEvents: 5, quarantined: 20 },
    });
    const { byInstance } = await status({ perInstance: true });
    expect(byInstance?.filter(({ state }) => state === "halted")).toHaveLength(1);
  });

  test("covers reactors, and says that an inline projection has no position", async () => {
    await appendRaw(db.pool, many(2));
    const reactor = defineReactor({
      name: "mailer",
      handles: [on(tally)],
      react: async () => undefined,
    });
    const all = await projectionStatus({
      pool: db.pool,
      projections: [tallyProjection({ mode: "inline" })],
      reactors: [reactor],
    });
    expect(all).toMatchObject([
      { name: "tallies", state: "inline", worst: undefined },
      { name: "mailer", kind: "reactor", worst: { lagEvents: 2 } },
    ]);
  });
});
