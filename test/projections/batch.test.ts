import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineAggregate, event } from "../../src/eventstore/index.ts";
import { defineProjection, on } from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { POISON, tally, tallyProjection } from "../helpers/tally.ts";
import { until } from "../helpers/until.ts";

const db = useProjections();

describe("a projection", () => {
  test("handles every event of its types once, in order, in batches, up to the barrier", async () => {
    await appendRaw(db.pool, [
      ...many(2_500),
      ...many(5, 5, { type: "tally.ignored", payload: {} }),
    ]);
    const sizes: number[] = [];
    const projection = tallyProjection({ before: (size) => void sizes.push(size) });
    await db.runner({ projections: [projection] }).catchUp();
    expect(sizes).toEqual([1_000, 1_000, 500]);
    expect(await db.steps()).toBe(2_500);
    const tallies = await db.tallies();
    expect(tallies.map(({ total }) => total)).toEqual(Array(10).fill(250));
    expect(tallies[3]?.sequences).toEqual(Array.from({ length: 250 }, (_, n) => n + 1));
    // Beyond the events that it does not handle.
    expect(await db.state()).toMatchObject({
      position: db.base + 2_505,
      aggregate_id: "t9",
      sequence: 250,
    });
  });

  test("keeps each instance's position for itself", async () => {
    await appendRaw(db.pool, many(30, 3));
    await appendRaw(db.pool, many(20, 2, { instanceId: "i2" }));
    const runner = db.runner({ projections: [tallyProjection()] });
    await runner.catchUp();
    await appendRaw(db.pool, many(10, 2, { instanceId: "i2" }));
    await runner.catchUp();
    expect(await db.steps()).toBe(60);
    expect(runner.of("advanced").map(({ instanceId, events }) => [instanceId, events])).toEqual(
      expect.arrayContaining([
        ["i1", 30],
        ["i2", 20],
        ["i2", 10],
      ]),
    );
  });

  test("moves on over ten thousands of events that it does not handle, a page at a time", async () => {
    await appendRaw(db.pool, many(25_000, 10, { type: "tally.ignored", payload: {} }));
    await appendRaw(db.pool, many(3));
    const runner = db.runner({ projections: [tallyProjection()] });
    await runner.catchUp();
    expect(await db.steps()).toBe(3);
    expect(
      runner.of("advanced").map(({ events, position }) => [events, position - db.base]),
    ).toEqual([
      [0, 10_000],
      [0, 20_000],
      [3, 25_003],
    ]);
  });

  test("commits rows and position together or not at all", async () => {
    await appendRaw(db.pool, many(10));
    const failure = new Error("no disk, no net, no luck");
    let runs = 0;
    const projection = tallyProjection();
    const broken = {
      ...projection,
      handle: async (...args: Parameters<typeof projection.handle>) => {
        await projection.handle(...args);
        runs += 1;
        if (runs === 1) throw failure;
      },
    };
    const runner = db.runner({ projections: [broken] });
    await runner.catchUp();
    expect(runner.of("bisecting")).toMatchObject([{ events: 10, error: failure.message }]);
    expect(await db.steps()).toBe(10);
    expect(await db.failures()).toEqual([]);
  });

  test("is not passed by an append that is still open, and gets its events when it commits", async () => {
    const runner = db.runner({ projections: [tallyProjection()] });
    await db.pool.transaction(async (open) => {
      // Its number is drawn, and lower than those that commit first.
      await appendRaw(open, [{ id: "late", instanceId: "i1" }]);
      expect(await db.store.barrier("i1", { onBusy: "give-up" })).toBeUndefined();
      // Other instances go on.
      await appendRaw(db.pool, many(5, 5, { instanceId: "i2" }));
      expect(await db.store.barrier("i2")).toBe(db.base + 6);
    });
    await runner.catchUp();
    expect(await db.steps()).toBe(6);
  });
});

describe("an event that cannot be handled", () => {
  test("puts its aggregate aside, alone, with its later events; the others go on", async () => {
    await appendRaw(db.pool, many(400));
    await appendRaw(db.pool, [{ id: "t3", payload: { by: POISON } }]);
    await appendRaw(db.pool, many(600));
    const runner = db.runner({ projections: [tallyProjection()] });
    await runner.catchUp();
    const tallies = await db.tallies();
    expect(tallies.map(({ id, total }) => [id, total])).toEqual(
      Array.from({ length: 10 }, (_, n) => [`t${n}`, n === 3 ? 40 : 100]),
    );
    expect(await db.failures()).toMatchObject([
      {
        aggregate_type: "tally",
        aggregate_id: "t3",
        failed_sequence: 41,
        failure_count: 1,
        error: expect.stringContaining("tallies_total_check"),
      },
    ]);
    expect(runner.of("quarantined")).toMatchObject([
      {
        projection: "tallies",
        instanceId: "i1",
        aggregateType: "tally",
        aggregateId: "t3",
        sequence: 41,
        position: db.base + 401,
        eventType: "tally.added",
        error: expect.stringContaining("tallies_total_check"),
      },
    ]);
    // Halves: the work for one bad event in a thousand is a few small transactions.
    expect(runner.of("bisecting").length).toBeLessThanOrEqual(10);
    expect(runner.of("advanced").length).toBeLessThanOrEqual(20);
    expect(await db.state()).toMatchObject({ position: db.base + 1_001 });
  });

  test("halts the projection where the twentieth in a row fails, and nobody else is put aside", async () => {
    await appendRaw(db.pool, many(30, 30, { payload: { by: POISON } }));
    await appendRaw(db.pool, many(5, 5, { instanceId: "i2" }));
    const runner = db.runner({ projections: [tallyProjection()] });
    await expect(runner.catchUp()).rejects.toMatchObject({ code: "halted" });
    expect(await db.failures()).toHaveLength(20);
    expect(runner.of("halted")).toMatchObject([{ quarantined: 20, instanceId: "i1" }]);
    // Another process finds it halted as well.
    const other = db.runner({ projections: [tallyProjection()] });
    await expect(other.catchUp()).rejects.toMatchObject({ code: "halted" });
    expect(await db.failures()).toHaveLength(20);
    expect(await db.steps()).toBe(5);
    // What is mended goes on by itself.
    await db.pool.query("alter table projections.tallies drop constraint tallies_total_check");
    await other.catchUp();
    expect(await db.steps()).toBe(15);
    expect(await db.failures()).toHaveLength(20);
  });

  test.each(["40P01", "40001", "53100", "57P01", "55P03"])(
    "is not looked for when the server says %s: the same batch is tried again",
    async (code) => {
      await appendRaw(db.pool, many(10));
      let runs = 0;
      const projection = tallyProjection();
      const runner = db.runner({
        projections: [
          {
            ...projection,
            handle: async (tx, batch, tables) => {
              runs += 1;
              if (runs > 2) return projection.handle(tx, batch, tables);
              await tx.execute(`do $$ begin raise sqlstate '${code}'; end $$`);
            },
          },
        ],
      });
      await runner.catchUp();
      expect(runs).toBe(3);
      expect(await db.steps()).toBe(10);
      expect(runner.progress.map(({ kind }) => kind)).toEqual(["retrying", "retrying", "advanced"]);
    },
  );

  test("is not looked for when a batch takes too long: it is done in smaller pieces", async () => {
    await appendRaw(db.pool, many(64));
    const sizes: number[] = [];
    const projection = tallyProjection();
    const runner = db.runner({
      statementTimeoutMs: 400,
      projections: [
        {
          ...projection,
          handle: async (tx, batch, tables) => {
            sizes.push(batch.length);
            // Stands for work that grows with the batch.
            if (batch.length > 8) await tx.execute("select pg_sleep(60)");
            await projection.handle(tx, batch, tables);
          },
        },
      ],
      batchSize: 64,
    });
    await runner.catchUp();
    expect(sizes.slice(0, 3)).toEqual([64, 16, 4]);
    expect(await db.steps()).toBe(64);
    expect([...new Set(runner.progress.map(({ kind }) => kind))]).toEqual(["retrying", "advanced"]);
  });

  test("is told from a migration that has not run yet: nothing is put aside, and it goes on when it has", async () => {
    await db.pool.query("alter table projections.tally_steps rename to later");
    await appendRaw(db.pool, many(10));
    const runner = db.runner({ projections: [tallyProjection()] });
    await expect(runner.catchUp()).rejects.toMatchObject({ cause: { code: "42P01" } });
    runner.start();
    await until(() => runner.of("retrying").length).toBeGreaterThan(1);
    await db.pool.query("alter table projections.later rename to tally_steps");
    await until(db.steps).toBe(10);
    expect(runner.of("bisecting")).toEqual([]);
    expect(await db.failures()).toEqual([]);
  });

  test("is told from a handler that hides the error of its statement", async () => {
    await appendRaw(db.pool, many(1));
    const runner = db.runner({
      projections: [
        {
          ...tallyProjection(),
          handle: async (tx) => {
            await tx.execute("select 1/0").catch(() => undefined);
          },
        },
      ],
    });
    await runner.catchUp();
    expect(await db.failures()).toMatchObject([
      { error: expect.stringContaining("the handler ignored the error") },
    ]);
  });
});

describe("an event's shape", () => {
  const older = defineAggregate({
    type: "tally",
    events: { "tally.added": tally.events["tally.added"] },
  });
  const newer = defineAggregate({
    type: "tally",
    events: {
      "tally.added": event(z.object({ amount: z.number() }), {
        revision: 2,
        upcasts: { 1: ({ by }) => ({ amount: Number(by) }) },
      }),
    },
  });

  test("is the newest one, whichever was written", async () => {
    await appendRaw(db.pool, [{ payload: { by: 2 } }, { payload: { amount: 3 }, revision: 2 }]);
    const amounts: number[] = [];
    const projection = defineProjection({
      name: "amounts",
      tables: {},
      handles: [on(newer)],
      handle: async (_tx, batch) =>
        void amounts.push(...batch.map(({ payload }) => payload.amount)),
    });
    await db.runner({ projections: [projection] }).catchUp();
    expect(amounts).toEqual([2, 3]);
  });

  test("that only a newer release knows waits for that release: nothing is put aside", async () => {
    await appendRaw(db.pool, [{ payload: { amount: 3 }, revision: 2 }]);
    const handle = async () => undefined;
    const old = defineProjection({ name: "p", tables: {}, handles: [on(older)], handle });
    const runner = db.runner({ projections: [old] });
    runner.start();
    await until(() => runner.of("retrying").length).toBeGreaterThan(1);
    expect(runner.of("retrying")[0]?.error).toContain("this release knows revision 1");
    const next = defineProjection({ name: "p", tables: {}, handles: [on(newer)], handle });
    await db.runner({ projections: [next] }).catchUp();
    expect(await db.state("p")).toMatchObject({ position: db.base + 1 });
    expect(await db.failures()).toEqual([]);
  });
});
