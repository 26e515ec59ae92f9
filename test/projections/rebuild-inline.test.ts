import { expect, test } from "vitest";
import { createEventStore } from "../../src/eventstore/index.ts";
import { inlineHandlers, rebuildProjection } from "../../src/projections/index.ts";
import { meanwhile } from "../helpers/meanwhile.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { POISON, tally, tallyProjection } from "../helpers/tally.ts";
import { until } from "../helpers/until.ts";

const db = useProjections();
const inline = tallyProjection({ mode: "inline" });

test("an inline projection is rebuilt while its events are appended, of new instances too", async () => {
  // Rows that are wrong: what was appended before the projection was there is not in them.
  await appendRaw(db.pool, many(2_000));
  const store = createEventStore({ pool: db.pool, inline: inlineHandlers([inline]) });
  let appended = 2_000;
  const append = async (instanceId: string, id: string) => {
    const target = { instanceId, id, owner: "o1", creator: "c1" };
    const events = [{ type: "tally.added", payload: { by: 1 } }] as const;
    await store.push([tally.at(target).append({ expected: "any", events })]);
    appended += 1;
  };
  let instances = 0;
  const writers = [
    meanwhile(() => append("i1", `t${appended % 10}`)),
    meanwhile(() => append("i2", "t1")),
    meanwhile(() => {
      instances += 1;
      return append(`n${instances}`, "t1");
    }),
  ];
  await until(() => instances).toBeGreaterThan(5);
  await rebuildProjection({ pool: db.pool, store, projection: inline, batchSize: 200 });
  const atSwap = instances;
  await until(() => instances).toBeGreaterThan(atSwap + 5);
  await Promise.all(writers.map((writer) => writer.stop()));
  expect(await db.steps()).toBe(appended);
  for (const { sequences, total } of await db.tallies()) {
    expect(sequences).toEqual(sequences.map((_, n) => n + 1));
    expect(total).toBe(sequences.length);
  }
  expect(await db.state("tallies~rebuild")).toBeUndefined();
});

test("an inline projection that cannot handle an event is not swapped: its appends could not have been", async () => {
  await appendRaw(db.pool, [...many(10), { payload: { by: POISON } }]);
  const { pool, store } = db;
  await expect(rebuildProjection({ pool, store, projection: inline })).rejects.toMatchObject({
    code: "rebuild_failed",
    fact: expect.stringContaining("i1/tally/t1: new row for relation"),
  });
  expect(await db.steps()).toBe(0);
});
