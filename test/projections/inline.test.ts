import { expect, test } from "vitest";
import { createEventStore, type EventOf } from "../../src/eventstore/index.ts";
import { inlineHandlers } from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { POISON, tally, tallyProjection } from "../helpers/tally.ts";

const db = useProjections();
const target = { instanceId: "i1", id: "t1", owner: "o1", creator: "c1" };
const added = (by: number) => ({ type: "tally.added", payload: { by } }) as const;

function inlineStore() {
  const projections = [tallyProjection({ mode: "inline" }), tallyProjection({ name: "other" })];
  const store = createEventStore({ pool: db.pool, inline: inlineHandlers(projections) });
  const append = (...events: EventOf<typeof tally>[]) =>
    store.push([tally.at(target).append({ expected: "any", events })]);
  return { store, append };
}

test("an inline projection is written in the append's transaction, of its own types", async () => {
  const { append } = inlineStore();
  await append(added(2), { type: "tally.ignored", payload: {} }, added(3));
  await append({ type: "tally.ignored", payload: {} });
  expect(await db.tallies()).toEqual([{ id: "t1", total: 5, sequences: [1, 3] }]);
  expect(await db.state()).toBeUndefined();
});

test("its failure undoes the append", async () => {
  const { append, store } = inlineStore();
  await append(added(2));
  await expect(append(added(POISON))).rejects.toMatchObject({
    cause: { constraint_name: "tallies_total_check" },
  });
  const events = [];
  for await (const event of store.readAggregate(tally, { instanceId: "i1", id: "t1" })) {
    events.push(event.payload);
  }
  expect(events).toEqual([{ by: 2 }]);
  expect(await db.tallies()).toMatchObject([{ total: 2 }]);
});

test("a runner leaves it alone", async () => {
  const { append } = inlineStore();
  await append(added(2));
  await db.runner({ projections: [tallyProjection({ mode: "inline" })] }).catchUp();
  expect(await db.steps()).toBe(1);
});
