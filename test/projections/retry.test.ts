import { expect, test } from "vitest";
import {
  listQuarantined,
  projectionStatus,
  retryQuarantined,
} from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { POISON, tallyProjection } from "../helpers/tally.ts";

const db = useProjections();

/** Aggregates t1 and t2 held back at their second event, with two more events each. */
async function quarantineTwo() {
  await appendRaw(db.pool, many(5, 5));
  await appendRaw(db.pool, [
    { id: "t1", payload: { by: POISON } },
    { id: "t2", payload: { by: POISON } },
    ...many(10, 5),
  ]);
  await db.runner({ projections: [tallyProjection()] }).catchUp();
  expect(await db.failures()).toHaveLength(2);
}

const mend = () =>
  db.pool.query("alter table projections.tallies drop constraint tallies_total_check");

test("what was held back is handled from the failed event on, in order, and follows the rest", async () => {
  await quarantineTwo();
  await mend();
  const { pool } = db;
  const results = await retryQuarantined({ pool, projection: tallyProjection() });
  expect(results).toMatchObject([
    { aggregateId: "t1", failedSequence: 2, outcome: "released", events: 3 },
    { aggregateId: "t2", failedSequence: 2, outcome: "released", events: 3 },
  ]);
  expect(await db.failures()).toEqual([]);
  await appendRaw(pool, many(5, 5));
  await db.runner({ projections: [tallyProjection()] }).catchUp();
  const tallies = await db.tallies();
  expect(tallies.map(({ sequences }) => sequences)).toEqual([
    [1, 2, 3, 4],
    [1, 2, 3, 4, 5],
    [1, 2, 3, 4, 5],
    [1, 2, 3, 4],
    [1, 2, 3, 4],
  ]);
});

test("one aggregate can be chosen", async () => {
  await quarantineTwo();
  await mend();
  const { pool } = db;
  const aggregate = { instanceId: "i1", type: "tally", id: "t2" };
  const results = await retryQuarantined({ pool, projection: tallyProjection(), aggregate });
  expect(results).toMatchObject([{ aggregateId: "t2", outcome: "released" }]);
  expect(await listQuarantined({ pool })).toMatchObject([{ aggregateId: "t1", failures: 1 }]);
});

test("what fails again stays held back, with a count and the new error, and nothing written", async () => {
  await quarantineTwo();
  const { pool } = db;
  const before = await db.tallies();
  const broken = {
    ...tallyProjection(),
    handle: async () => {
      throw new Error("still no good");
    },
  };
  const results = await retryQuarantined({ pool, projection: broken });
  expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "failed"]);
  expect(await listQuarantined({ pool, projection: "tallies" })).toMatchObject([
    { aggregateId: "t1", failedSequence: 2, failures: 2, error: "still no good" },
    { aggregateId: "t2", failedSequence: 2, failures: 2, error: "still no good" },
  ]);
  expect(await db.tallies()).toEqual(before);
});

test("a retry beside a running projection neither doubles nor loses an event", async () => {
  await quarantineTwo();
  await mend();
  const { pool } = db;
  const runner = db.runner({ projections: [tallyProjection()], batchSize: 7 });
  runner.start();
  const appends = (async () => {
    for (let times = 0; times < 20; times += 1) await appendRaw(pool, many(10, 5));
  })();
  const [one, two] = await Promise.all([
    retryQuarantined({ pool, projection: tallyProjection() }),
    retryQuarantined({ pool, projection: tallyProjection() }),
    appends,
  ]);
  await runner.stop();
  await db.runner({ projections: [tallyProjection()] }).catchUp();
  const outcomes = [...one, ...two].map(({ outcome }) => outcome).toSorted();
  expect(outcomes.filter((outcome) => outcome === "released")).toHaveLength(2);
  expect(outcomes).not.toContain("failed");
  const tallies = await db.tallies();
  expect(tallies.map(({ sequences }) => sequences.length)).toEqual([43, 44, 44, 43, 43]);
  for (const { sequences } of tallies) expect(sequences).toEqual(sequences.map((_, n) => n + 1));
});

test("a retry that succeeds shows that the handler works: what had halted goes on", async () => {
  const { pool } = db;
  await appendRaw(pool, many(25, 25, { payload: { by: POISON } }));
  const projection = tallyProjection();
  await expect(db.runner({ projections: [projection] }).catchUp()).rejects.toMatchObject({
    code: "halted",
  });
  await mend();
  const results = await retryQuarantined({ pool, projection });
  expect(results.filter(({ outcome }) => outcome === "released")).toHaveLength(20);
  const [status] = await projectionStatus({ pool, projections: [projection] });
  expect(status).toMatchObject({ quarantined: 0, state: "running" });
  await db.runner({ projections: [projection] }).catchUp();
  expect(await db.steps()).toBe(25);
});
