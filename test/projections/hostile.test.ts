import { eq, sql } from "drizzle-orm";
import { bigint, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { expect, test } from "vitest";
import { z } from "zod";
import { defineAggregate, event } from "../../src/eventstore/index.ts";
import {
  defineProjection,
  defineReactor,
  on,
  type Projection,
  rebuildProjection,
} from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { tally, tallyProjection } from "../helpers/tally.ts";

const db = useProjections();

test("a handler that never ends loses its turn, and the events come again", async () => {
  await appendRaw(db.pool, many(10));
  let calls = 0;
  const before = () => {
    calls += 1;
    return calls === 1 ? new Promise<void>(() => undefined) : undefined;
  };
  const runner = db.runner({ projections: [tallyProjection({ before })], idleTimeoutMs: 200 });
  runner.start();
  await expect.poll(() => db.steps(), { timeout: 5_000 }).toBe(10);
  expect(runner.of("retrying")).toHaveLength(1);
  expect(await db.failures()).toEqual([]);
  expect(await runner.stop({ timeoutMs: 2_000 })).toEqual({ drained: true });
});

test("where the position cannot be written, the rows are not there either", async () => {
  const { pool } = db;
  await appendRaw(pool, many(10));
  await pool.query(`create function projections.no() returns trigger language plpgsql as
    $$begin raise exception 'not now' using errcode = '40001'; end$$`);
  await pool.query(`create trigger no before update on projections.current_states
    for each row when (new.sequence is not null) execute function projections.no()`);
  const seen: number[] = [];
  const runner = db.runner({
    projections: [tallyProjection()],
    onProgress: async ({ kind }) => {
      if (kind !== "retrying") return;
      seen.push(await db.steps());
      await pool.query("drop trigger if exists no on projections.current_states");
    },
  });
  await runner.catchUp();
  expect(seen[0]).toBe(0);
  expect(await db.steps()).toBe(10);
  expect(await db.failures()).toEqual([]);
});

test.each([
  ["nothing", undefined],
  ["null", null],
  ["a text", "no"],
  ["an object without a prototype", Object.create(null)],
])("a handler that throws %s has its aggregates put aside", async (_name, thrown) => {
  await appendRaw(db.pool, many(2, 2));
  const before = () => {
    throw thrown;
  };
  await db.runner({ projections: [tallyProjection({ before })] }).catchUp();
  expect(await db.failures()).toHaveLength(2);
});

/** As a newer release defines it. */
const newer = defineAggregate({
  type: "tally",
  events: { ...tally.events, "tally.doubled": event(z.object({})) },
});

const appendNewer = () =>
  db.store.push([
    newer.at({ instanceId: "i1", id: "t0", owner: "o", creator: "c" }).append({
      expected: "any",
      events: [
        { type: "tally.added", payload: { by: 1 } },
        { type: "tally.doubled", payload: {} },
      ],
    }),
  ]);

test("an event that only a newer release knows is not passed over by an older one that follows all of the aggregate", async () => {
  await appendNewer();
  const seen: string[] = [];
  const following = (aggregate: typeof tally): Projection => ({
    ...tallyProjection(),
    handles: [on(aggregate)],
    handle: async (_tx, batch) => {
      seen.push(...batch.map(({ type }) => type));
    },
  });
  const older = db.runner({ projections: [following(tally)] });
  await expect(older.catchUp()).rejects.toMatchObject({ code: "unknown_event" });
  expect(await db.failures()).toEqual([]);
  expect(await db.state()).toMatchObject({ position: expect.toSatisfy((n) => n <= db.base) });
  await db.runner({ projections: [following(newer as unknown as typeof tally)] }).catchUp();
  expect(seen).toEqual(["tally.added", "tally.doubled"]);
});

test("a reactor of an older release waits for the newer one, too", async () => {
  await appendNewer();
  const seen: string[] = [];
  const reactor = defineReactor({
    name: "mailer",
    handles: [on(tally)],
    react: async ({ type }) => void seen.push(type),
  });
  await expect(db.runner({ reactors: [reactor] }).catchUp()).rejects.toMatchObject({
    code: "unknown_event",
  });
  expect(seen).toEqual(["tally.added"]);
});

const balances = pgTable(
  "balances",
  {
    instanceId: text("instance_id").notNull(),
    id: text("id").notNull(),
    balances: bigint("balances", { mode: "number" }).notNull(),
  },
  (table) => [primaryKey({ name: "balances_pk", columns: [table.instanceId, table.id] })],
);

test("tables in public are rebuilt, and a handler that names a live one without its schema is refused", async () => {
  await db.pool.query(`create table public.balances (
    instance_id text not null, id text not null, balances bigint not null,
    constraint balances_pk primary key (instance_id, id))`);
  const projection = (chosen: (given: typeof balances) => typeof balances) =>
    defineProjection({
      name: "balances",
      tables: { balances },
      handles: [on(tally, ["tally.added"])],
      handle: async (tx, batch, tables) => {
        const table = chosen(tables.balances);
        await tx.select({ balances: table.balances }).from(table).where(eq(table.id, "t0"));
        for (const { instanceId, aggregateId: id } of batch) {
          await tx
            .insert(table)
            .values({ instanceId, id, balances: 1 })
            .onConflictDoUpdate({
              target: [table.instanceId, table.id],
              set: { balances: sql`${table.balances} + 1` },
            });
        }
      },
    });
  await appendRaw(db.pool, many(4, 2));
  const right = projection((given) => given);
  await db.runner({ projections: [right] }).catchUp();
  const { pool, store } = db;
  await rebuildProjection({ pool, store, projection: right });
  const stray = rebuildProjection({ pool, store, projection: projection(() => balances) });
  await expect(stray).rejects.toMatchObject({ code: "live_table" });
  expect(await pool.query("select id, balances from public.balances order by id")).toEqual([
    { id: "t0", balances: 2 },
    { id: "t1", balances: 2 },
  ]);
});
