import { sql } from "drizzle-orm";
import { bigint, index, integer, pgSchema, primaryKey, text } from "drizzle-orm/pg-core";
import { z } from "zod";
import type { DatabasePool } from "../../src/db/pool/index.ts";
import { defineAggregate, event } from "../../src/eventstore/index.ts";
import { defineProjection, on } from "../../src/projections/index.ts";

/** A small aggregate for tests of projections: numbers are added to a tally. */
export const tally = defineAggregate({
  type: "tally",
  events: {
    "tally.added": event(z.object({ by: z.number() })),
    "tally.renamed": event(z.object({ name: z.string() })),
    "tally.ignored": event(z.object({})),
  },
});

const schema = pgSchema("projections");

export const tallies = schema.table(
  "tallies",
  {
    instanceId: text("instance_id").notNull(),
    id: text("id").notNull(),
    total: bigint("total", { mode: "number" }).notNull(),
    /** Of all events of it, as they came. */
    sequences: integer("sequences").array().notNull(),
  },
  (table) => [
    primaryKey({ name: "tallies_pk", columns: [table.instanceId, table.id] }),
    index("tallies_total_idx").on(table.instanceId, table.total),
  ],
);

/** Every event that was handled, once: a second time violates the key. */
export const tallySteps = schema.table(
  "tally_steps",
  {
    instanceId: text("instance_id").notNull(),
    position: bigint("position", { mode: "number" }).notNull(),
    id: text("id").notNull(),
  },
  (table) => [primaryKey({ name: "tally_steps_pk", columns: [table.instanceId, table.position] })],
);

const DDL = `
  create table projections.tallies (
    instance_id text not null, id text not null, total bigint not null,
    sequences integer[] not null,
    constraint tallies_pk primary key (instance_id, id),
    constraint tallies_total_check check (total < 1000000));
  create index tallies_total_idx on projections.tallies (instance_id, total);
  create table projections.tally_steps (
    instance_id text not null, position bigint not null, id text not null,
    constraint tally_steps_pk primary key (instance_id, position),
    constraint tally_steps_tallies_fk foreign key (instance_id, id)
      references projections.tallies (instance_id, id) on delete cascade);
  create index tally_steps_id_idx on projections.tally_steps (instance_id, id)`;

export async function createTallyTables(pool: DatabasePool): Promise<void> {
  for (const statement of DDL.split(";")) await pool.query(statement);
}

/** A database as it was before any test, but for the sequence: no events, and the tables made again. */
export async function emptyTallies(pool: DatabasePool): Promise<void> {
  await pool.transaction(async ({ query }) => {
    await query("drop schema if exists projections_rebuild_tallies cascade");
    await query("drop table if exists projections.tallies, projections.tally_steps cascade");
    await query("drop table if exists projections.later");
    const triggers = await query<{ name: string }>(
      `select quote_ident(tgname) as name from pg_trigger
       where tgrelid = 'eventstore.events'::regclass and not tgisinternal`,
    );
    const each = async (what: string) => {
      for (const { name } of triggers) {
        await query(`alter table eventstore.events ${what} trigger ${name}`);
      }
    };
    await each("disable");
    await query(
      "truncate eventstore.events, projections.current_states, projections.failed_events",
    );
    await each("enable always");
  });
  await createTallyTables(pool);
}

/** Too much for the check constraint: an event that no projection of tallies can handle. */
export const POISON = 1_000_000;

export interface TallyHooks {
  readonly name?: string;
  readonly mode?: "inline" | "async";
  /** Called in the transaction, before anything is written. */
  readonly before?: (size: number) => void | Promise<void>;
}

export function tallyProjection({ name = "tallies", mode = "async", before }: TallyHooks = {}) {
  return defineProjection({
    name,
    mode,
    tables: { tallies, tallySteps },
    handles: [on(tally, ["tally.added"])],
    handle: async (tx, batch, tables) => {
      await before?.(batch.length);
      const sums = new Map<string, { total: number; sequences: number[] }>();
      for (const { aggregateId, payload, sequence } of batch) {
        const sum = sums.get(aggregateId) ?? { total: 0, sequences: [] };
        sum.total += payload.by;
        sum.sequences.push(sequence);
        sums.set(aggregateId, sum);
      }
      const [{ instanceId } = { instanceId: "" }] = batch;
      await tx
        .insert(tables.tallies)
        .values([...sums].map(([id, sum]) => ({ instanceId, id, ...sum })))
        .onConflictDoUpdate({
          target: [tables.tallies.instanceId, tables.tallies.id],
          set: {
            total: sql`${tables.tallies.total} + excluded.total`,
            sequences: sql`${tables.tallies.sequences} || excluded.sequences`,
          },
        });
      await tx
        .insert(tables.tallySteps)
        .values(batch.map(({ position, aggregateId: id }) => ({ instanceId, position, id })));
    },
  });
}
