import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { pageQuery, readPage, scanEndQuery } from "../../src/projections/page.ts";
import { POLL_QUERY } from "../../src/projections/poll.ts";
import { lockPosition, orderByIndex } from "../../src/projections/position.ts";
import { createDatabase } from "../helpers/database.ts";
import { explain, explainWithin, type PlanNode, seedEvents } from "../helpers/schema-plans.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: DatabasePool;

beforeAll(async () => {
  database = await createDatabase({ template: "migrated" });
  pool = new DatabasePool({ url: database.url });
  await seedEvents(pool, { count: 40_000, instances: 20 });
  await pool.query(
    `insert into projections.failed_events
       (instance_id, projection_name, aggregate_type, aggregate_id, failed_sequence, event_creation_date, error)
     select 'i1', 'p' || n % 3, 'type1', 'a' || n, 1, now(), 'no' from generate_series(1, 300) as n`,
  );
  await pool.query("analyze projections.failed_events");
});

afterAll(async () => {
  await pool?.close();
  await database?.drop();
});

const planner = { enable_bitmapscan: "on", enable_seqscan: "on", enable_sort: "on" };

describe.each(["custom", "generic"] as const)("with a %s plan", (mode) => {
  test.each([
    ["0", "40000"],
    ["39000", "40000"],
  ])("a page from %s on follows the index and sorts nothing", async (after, upTo) => {
    const kinds = "array['type1\u001Ftype.event1', 'type2\u001Ftype.event2']";
    const params = ["'i1'", after, upTo];
    const page = pageQuery({ planner }, 1_000);
    expectIndexed(await explainLocked(page, [...params, kinds, "'p1'"], mode), "Index Scan");
    const end = scanEndQuery({ planner });
    expectIndexed(await explainLocked(end, params, mode), "Index Only Scan");
  });

  test("the poll of all instances reads the index's ends and no event", async () => {
    const plan = await explain(pool, POLL_QUERY, ["array['p1', 'p2']"], mode);
    const scans = plan.filter((node) => node["Index Name"] === "events_global_sequence_key");
    expect(scans.map((node) => node["Node Type"])).toEqual(["Index Only Scan", "Index Only Scan"]);
  });
});

/** With the planner as `lockPosition` leaves it. */
async function explainLocked(text: string, params: string[], mode: "custom" | "generic") {
  return pool.transaction(async (transaction) => {
    await orderByIndex(transaction);
    return explainWithin(transaction, text, params, mode);
  });
}

function expectIndexed(plan: readonly PlanNode[], type: string): void {
  const types = plan.map((node) => node["Node Type"]);
  expect(types).not.toContain("Sort");
  expect(types).not.toContain("Incremental Sort");
  const scan = plan.find((node) => node["Index Name"] === "events_global_sequence_key");
  expect(scan?.["Node Type"]).toBe(type);
  expect(scan?.["Index Cond"]).toMatch(/instance_id.*global_sequence.*global_sequence/);
}

test("after a page the planner is as it was", async () => {
  await pool.query(
    "insert into projections.current_states (instance_id, projection_name) values ('i1', 'p1')",
  );
  await pool.transaction(async (transaction) => {
    const shown = () =>
      transaction.query(
        "select current_setting('enable_sort') as a, current_setting('enable_seqscan') as b, current_setting('enable_bitmapscan') as c",
      );
    await transaction.query("set local enable_bitmapscan = off");
    const key = { instanceId: "i1", name: "p1" };
    const locked = await lockPosition(transaction, key, {
      idleTimeoutMs: 1_000,
      statementTimeoutMs: 1_000,
      isDurable: false,
    });
    if (locked === undefined) throw new Error("not locked");
    expect(await shown()).toEqual([{ a: "off", b: "off", c: "off" }]);
    await readPage(transaction, locked, 100_000, ["type1\u001Ftype.event1"], 1_000);
    expect(await shown()).toEqual([{ a: "on", b: "on", c: "off" }]);
  });
});
