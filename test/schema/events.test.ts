import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { events } from "../../src/db/schema/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { explain, POLL_QUERY, seedEvents } from "../helpers/schema-plans.ts";
import { insertRow, validRow } from "../helpers/schema-rows.ts";

const TABLE = "eventstore.events";
const SEEDED = 30_000;

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: DatabasePool;

beforeAll(async () => {
  database = await createDatabase({ template: "migrated" });
  pool = new DatabasePool({ url: database.url });
});

afterAll(async () => {
  await pool?.close();
  await database?.drop();
});

/** As the engine records its migrations. */
const migrationEvent = (sequence: number) => ({
  instanceId: "system",
  aggregateType: "migration",
  aggregateId: "9999_example",
  sequence,
  eventType: "migration.done",
  revision: 1,
  creator: "tidemark",
  owner: "system",
  payload: { durationMs: 12 },
});

// In the order of the file: it ends with a large table.
describe("the global sequence", () => {
  test("rises from event to event", async () => {
    const { drizzle } = pool;
    const batch = [1, 2, 3].map(migrationEvent);
    const added = [
      ...(await drizzle.insert(events).values(batch).returning()),
      ...(await drizzle.insert(events).values(migrationEvent(4)).returning()),
    ];
    const [first, ...others] = added.map((event) => event.globalSequence);
    const start = first ?? Number.NaN;
    expect(others).toEqual([start + 1, start + 2, start + 3]);
    expect(added[3]).toEqual({
      ...migrationEvent(4),
      globalSequence: start + 3,
      createdAt: expect.any(Date),
    });
  });

  test("never keeps numbers in stock, never starts again, stays exact in JavaScript", async () => {
    const sequence = await pool.queryOne(
      `select seqcache, seqcycle, seqincrement, seqmax
       from pg_catalog.pg_sequence
       where seqrelid = pg_get_serial_sequence($1, 'global_sequence')::regclass`,
      [TABLE],
    );
    expect(sequence).toEqual({
      seqcache: 1,
      seqcycle: false,
      seqincrement: 1,
      seqmax: Number.MAX_SAFE_INTEGER,
    });
  });

  test("is drawn by the server alone", async () => {
    const insert = pool.query(
      `insert into eventstore.events
         (instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator,
          owner, global_sequence)
       values ('i1', 'a', 'a1', 1, 'a.b', 1, 'c', 'o', 7)`,
    );
    await expect(insert).rejects.toMatchObject({ code: "428C9" });
  });
});

describe("events are append-only", () => {
  const attempts = [
    ["UPDATE", "update eventstore.events set creator = 'x'"],
    ["UPDATE", "update eventstore.events set payload = payload"],
    [
      "UPDATE",
      `insert into eventstore.events
         (instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner)
       select
         instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner
       from eventstore.events
       on conflict on constraint events_pk do update set creator = 'x'`,
    ],
    ["DELETE", "delete from eventstore.events where instance_id = 'system'"],
    ["TRUNCATE", "truncate eventstore.events"],
    ["TRUNCATE", "truncate eventstore.events restart identity cascade"],
  ] as const;

  for (const role of ["origin", "replica"] as const) {
    test.each(attempts)(`under session_replication_role = ${role}: %s (%s)`, async (verb, text) => {
      const before = await pool.query("select * from eventstore.events");
      expect(before).not.toEqual([]);
      const attempt = pool.transaction(async (transaction) => {
        await transaction.query(`set local session_replication_role = ${role}`);
        await transaction.query(text);
      });
      await expect(attempt).rejects.toMatchObject({
        code: "TM001",
        message: `eventstore.events is append-only: ${verb} refused`,
        hint: expect.stringMatching(/^An event is a fact\. Append a new event that /),
        schema_name: "eventstore",
        table_name: "events",
      });
      expect(await pool.query("select * from eventstore.events")).toEqual(before);
    });
  }

  test("by triggers that always fire and a function with a search_path of its own", async () => {
    const triggers = await pool.query(
      `select t.tgname, t.tgenabled::text, p.proconfig
       from pg_catalog.pg_trigger t
       join pg_catalog.pg_proc p on p.oid = t.tgfoid
       where t.tgrelid = 'eventstore.events'::regclass and not t.tgisinternal
       order by t.tgname`,
    );
    const always = { tgenabled: "A", proconfig: ["search_path=pg_catalog, pg_temp"] };
    expect(triggers).toEqual([
      { tgname: "events_refuse_change_trg", ...always },
      { tgname: "events_refuse_truncate_trg", ...always },
    ]);
  });

  test("and a sequence is taken once: the second writer of an aggregate loses", async () => {
    await insertRow(pool, TABLE, validRow(TABLE));
    const second = insertRow(pool, TABLE, validRow(TABLE, { creator: "another" }));
    await expect(second).rejects.toMatchObject({ code: "23505", constraint_name: "events_pk" });
  });
});

describe(`at ${SEEDED} events`, () => {
  beforeAll(() => seedEvents(pool, { count: SEEDED, instances: 4 }));

  const types = `'{type1,type3}'`;
  const reads = [
    {
      read: "the poll from the beginning",
      text: POLL_QUERY,
      params: [`'i1'`, "0", `${SEEDED}`, "500", types],
      index: "events_global_sequence_key",
      condition: /instance_id = .*global_sequence > .*global_sequence <= /,
    },
    {
      read: "the poll from the middle",
      text: POLL_QUERY,
      params: [`'i1'`, `${SEEDED / 2}`, `${SEEDED}`, "500", types],
      index: "events_global_sequence_key",
      condition: /instance_id = .*global_sequence > .*global_sequence <= /,
    },
    {
      read: "the poll of an instance that is not there",
      text: POLL_QUERY,
      params: [`'nobody'`, "0", `${SEEDED}`, "500", types],
      index: "events_global_sequence_key",
      condition: /instance_id = .*global_sequence > .*global_sequence <= /,
    },
    {
      read: "an aggregate, from a sequence on",
      text: `select * from eventstore.events
        where instance_id = $1 and aggregate_type = $2 and aggregate_id = $3 and sequence > $4
        order by sequence`,
      params: [`'i1'`, `'type1'`, `'a1'`, "0"],
      index: "events_pk",
      condition: /instance_id = .*aggregate_type = .*aggregate_id = .*sequence > /,
    },
    {
      read: "the last sequence of an aggregate",
      text: `select max(sequence) from eventstore.events
        where instance_id = $1 and aggregate_type = $2 and aggregate_id = $3`,
      params: [`'i1'`, `'type1'`, `'a1'`],
      index: "events_pk",
      condition: /instance_id = .*aggregate_type = .*aggregate_id = /,
    },
    {
      read: "one type, from a cursor",
      text: `select * from eventstore.events
        where instance_id = $1 and aggregate_type = $2 and event_type = $3 and global_sequence > $4
        order by global_sequence limit $5`,
      params: [`'i1'`, `'type1'`, `'type.event1'`, "0", "50"],
      index: "events_type_idx",
      condition: /instance_id = .*aggregate_type = .*event_type = .*global_sequence > /,
    },
    {
      read: "the next instance that has events",
      text: `select instance_id from eventstore.events
        where instance_id > $1 order by instance_id limit 1`,
      params: [`'i1'`],
      index: "events_global_sequence_key",
      condition: /instance_id > /,
    },
  ] as const;

  for (const mode of ["custom", "generic"] as const) {
    test.each(reads)(`$read uses $index and sorts nothing (${mode} plan)`, async (it) => {
      const nodes = await explain(pool, it.text, it.params, mode);
      const kinds = nodes.map((node) => node["Node Type"]);
      const scans = nodes.filter((node) => node["Node Type"].includes("Scan"));
      const scan = scans.find((node) => node["Index Name"] !== undefined);
      expect(scan).toMatchObject({
        "Node Type": expect.stringMatching(/^Index (Only )?Scan$/),
        "Index Name": it.index,
        "Index Cond": expect.stringMatching(it.condition),
      });
      expect(kinds.filter((kind) => /Sort|Seq Scan|Bitmap/.test(kind))).toEqual([]);
    });
  }

  // With less than a page left, collecting and sorting it may look cheaper. It never is more.
  test("the poll near the end uses the same index and sorts a page at most", async () => {
    const params = [`'i1'`, `${SEEDED - 100}`, `${SEEDED}`, "500", types];
    const nodes = await explain(pool, POLL_QUERY, params, "custom");
    const indexes = nodes.flatMap((node) => node["Index Name"] ?? []);
    expect(indexes).toEqual(["events_global_sequence_key"]);
    for (const sort of nodes.filter((node) => node["Node Type"].includes("Sort"))) {
      expect(sort["Plan Rows"]).toBeLessThanOrEqual(500);
    }
  });

  test("the poll returns its types in order, up to the barrier and no further", async () => {
    const barrier = SEEDED / 2;
    const rows = await pool.query<{ instance_id: string; global_sequence: number }>(POLL_QUERY, [
      "i1",
      0,
      barrier,
      SEEDED,
      ["type1", "type3"],
    ]);
    const numbers = rows.map((row) => row.global_sequence);
    expect(numbers.length).toBeGreaterThan(1_000);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(Math.max(...numbers)).toBeLessThanOrEqual(barrier);
    expect(new Set(rows.map((row) => row.instance_id))).toEqual(new Set(["i1"]));
  });
});
