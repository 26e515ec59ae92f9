import { expect, test } from "vitest";
import { type Projection, projectionScenario } from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { POISON, tally, tallyProjection } from "../helpers/tally.ts";

const db = useProjections();
const added = (by: number) => ({ type: "tally.added", payload: { by } }) as const;

test("a projection is tested by events given and rows expected, by a pool or a URL", async () => {
  const projection = tallyProjection();
  const given = projectionScenario({ pool: db.pool, projection })
    .given(tally, "t1", [added(2), added(3)])
    .given(tally, "t2", [added(1), { type: "tally.renamed", payload: { name: "x" } }]);
  await given.thenRows({
    tallies: [
      { id: "t2", total: 1 },
      { id: "t1", total: 5, sequences: [1, 2] },
    ],
  });
  await given.thenQuarantined([]);
  await projectionScenario({ url: db.url, projection })
    .given(tally, "t1", [added(2)], { owner: "o2" })
    .thenRows({ tallies: [{ total: 2 }], tallySteps: [{ id: "t1" }] });
});

test("an inline projection is tested in the same way", async () => {
  await projectionScenario({ pool: db.pool, projection: tallyProjection({ mode: "inline" }) })
    .given(tally, "t1", [added(2), added(3)])
    .thenRows({ tallies: [{ id: "t1", total: 5 }] });
});

test("other rows are shown: missing ones, and those too many", async () => {
  const given = projectionScenario({ pool: db.pool, projection: tallyProjection() }).given(
    tally,
    "t1",
    [added(2)],
  );
  await expect(given.thenRows({ tallies: [{ total: 3 }] })).rejects.toThrow(
    /tallies has other rows: 1 row missing, 1 too many\.\nexpected \[ \{ total: 3 \} \]\nactual .*total: 2/s,
  );
  await expect(given.thenRows({ tallies: [] })).rejects.toThrow(/0 rows missing, 1 too many/);
});

test("a handler that is right only for whole batches is found out", async () => {
  const projection = tallyProjection();
  const forgetful: Projection<typeof projection.tables> = {
    ...projection,
    handle: async (tx, batch, tables) => {
      const { instanceId = "" } = batch[0] ?? {};
      const totals = [{ instanceId, id: "t1", total: batch.length, sequences: [] }];
      await tx
        .insert(tables.tallies as typeof projection.tables.tallies)
        .values(totals)
        .onConflictDoNothing();
    },
  };
  const testing = projectionScenario({ pool: db.pool, projection: forgetful })
    .given(tally, "t1", [added(1), added(1)])
    .thenRows({ tallies: [{ total: 2 }] });
  await expect(testing).rejects.toThrow(/when the events come one at a time/);
});

test("an event that cannot be handled fails the test with its error, unless it is expected", async () => {
  const given = projectionScenario({ pool: db.pool, projection: tallyProjection() })
    .given(tally, "t1", [added(POISON)])
    .given(tally, "t2", [added(1)]);
  await expect(given.thenRows({ tallies: [] })).rejects.toThrow(
    /tally.added of t1 cannot be handled: .*tallies_total_check/,
  );
  await given.thenQuarantined(["t1"]);
  await expect(given.thenQuarantined([])).rejects.toThrow(/Others are put aside/);
});
