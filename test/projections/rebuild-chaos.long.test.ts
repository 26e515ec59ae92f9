import { expect, test } from "vitest";
import { pause } from "../../src/db/base/backoff.ts";
import { rebuildProjection } from "../../src/projections/index.ts";
import { meanwhile } from "../helpers/meanwhile.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { startProjector } from "../helpers/projector-process.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { tallyProjection } from "../helpers/tally.ts";

const db = useProjections();
const RUNS = Number(process.env.CHAOS_RUNS ?? 15);

test("rebuilds that are killed at any moment, the swap too, lose and double nothing", {
  timeout: 60_000 + RUNS * 10_000,
}, async () => {
  await appendRaw(db.pool, many(4_000));
  await appendRaw(db.pool, many(500, 5, { instanceId: "i2" }));
  const runner = db.runner({ projections: [tallyProjection()], batchSize: 100 });
  runner.start();
  let appended = 4_500;
  const appending = meanwhile(async () => {
    await appendRaw(db.pool, many(10));
    appended += 10;
    // A few hundred events a second: the rebuilds get as far as the swap before they are killed.
    await pause(20);
  });
  let completed = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const rebuilder = await startProjector();
    rebuilder.start({ url: db.url, rebuild: true, batchSize: 500 });
    const kill = setTimeout(() => rebuilder.child.kill("SIGKILL"), 20 + Math.random() * 400);
    await rebuilder.end;
    clearTimeout(kill);
    const told = rebuilder.progress as readonly { kind: string }[];
    expect(told.filter(({ kind }) => kind === "error")).toEqual([]);
    completed += told.filter(({ kind }) => kind === "swapped").length;
  }
  const { pool, store } = db;
  await rebuildProjection({ pool, store, projection: tallyProjection() });
  await appending.stop();
  await runner.stop();
  await db.runner({ projections: [tallyProjection()] }).catchUp();
  console.log(`${RUNS} rebuilds, ${completed} of them completed before they were killed`);
  expect(completed).toBeGreaterThan(0);
  expect(await db.steps()).toBe(appended);
  for (const { sequences } of await db.tallies()) {
    expect(sequences).toEqual(sequences.map((_, n) => n + 1));
  }
  expect(await db.failures()).toEqual([]);
});
