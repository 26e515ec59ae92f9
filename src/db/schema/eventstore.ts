import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
} from "drizzle-orm/pg-core";
import { atLeast, notEmpty } from "./checks.ts";

export const eventstore = pgSchema("eventstore");

/**
 * Every fact, append-only: triggers refuse UPDATE, DELETE and TRUNCATE (migration
 * `0002_protect_events`). No foreign key leads out of here: an event outlives what it is about.
 *
 * As few indexes as the reads need, because every one is paid for by each append:
 * - `events_pk` is optimistic concurrency (two writers of one aggregate collide on `sequence`) and
 *   the read by aggregate.
 * - `events_global_sequence_key` is the poll: one instance from a cursor on, in order, whatever
 *   mixture of types is asked for, without a sort. A skip scan over it also lists the instances.
 * - `events_type_idx` is the read by type from a cursor: a rare type is found without reading past
 *   all the others.
 *
 * `instance_id` leads all, so that the table can be partitioned or distributed by tenant.
 */
export const events = eventstore.table(
  "events",
  {
    instanceId: text("instance_id").notNull(),
    aggregateType: text("aggregate_type").notNull(),
    aggregateId: text("aggregate_id").notNull(),
    /** 1, 2, 3 … within the aggregate. */
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    /**
     * The reader's cursor: rising over all instances, with gaps where a transaction was rolled
     * back. Numbers become visible out of order, so a reader must stop at the barrier (the append
     * holds a shared advisory lock of its instance while it draws numbers).
     *
     * ALWAYS: the server alone draws it. CACHE 1: a session that kept numbers in stock would give
     * them out behind the readers' backs. It ends at 2^53 - 1, so that a JavaScript number holds
     * every value exactly (2,800 years at 100,000 events a second) and goes into JSON as it is.
     */
    globalSequence: bigint("global_sequence", { mode: "number" })
      .notNull()
      .generatedAlwaysAsIdentity({
        name: "events_global_sequence_seq",
        startWith: 1,
        increment: 1,
        minValue: 1,
        maxValue: String(Number.MAX_SAFE_INTEGER),
        cache: 1,
        cycle: false,
      }),
    eventType: text("event_type").notNull(),
    /** Version of the payload's shape within the event type. */
    revision: smallint("revision").notNull(),
    /** Who did it: a user's id, or the name of the system that wrote it. */
    creator: text("creator").notNull(),
    /** The organisation that owns the aggregate (its resource owner). */
    owner: text("owner").notNull(),
    /** For people. Not an order: clocks jump, and `global_sequence` does not. */
    createdAt: timestamp("created_at", { withTimezone: true })
      .notNull()
      .default(sql`statement_timestamp()`),
    payload: jsonb("payload").$type<Readonly<Record<string, unknown>>>(),
  },
  (table) => [
    primaryKey({
      name: "events_pk",
      columns: [table.instanceId, table.aggregateType, table.aggregateId, table.sequence],
    }),
    unique("events_global_sequence_key").on(table.instanceId, table.globalSequence),
    index("events_type_idx").on(
      table.instanceId,
      table.aggregateType,
      table.eventType,
      table.globalSequence,
    ),
    notEmpty("events_instance_id_check", table.instanceId),
    notEmpty("events_aggregate_type_check", table.aggregateType),
    notEmpty("events_aggregate_id_check", table.aggregateId),
    atLeast("events_sequence_check", table.sequence, 1),
    notEmpty("events_event_type_check", table.eventType),
    atLeast("events_revision_check", table.revision, 1),
    notEmpty("events_creator_check", table.creator),
    notEmpty("events_owner_check", table.owner),
    // Also catches JSON that was encoded twice, which arrives as a string.
    check("events_payload_check", sql`jsonb_typeof(${table.payload}) = 'object'`),
  ],
);

/**
 * Values that only one thing of an instance may have at a time (user names, domains), written in
 * the transaction that appends the event, removals before additions.
 */
export const uniqueConstraints = eventstore.table(
  "unique_constraints",
  {
    instanceId: text("instance_id").notNull(),
    uniqueType: text("unique_type").notNull(),
    /** Lower case: the writer folds it, so that `Ada` and `ada` are one name. */
    uniqueField: text("unique_field").notNull(),
  },
  (table) => [
    primaryKey({
      name: "unique_constraints_pk",
      columns: [table.instanceId, table.uniqueType, table.uniqueField],
    }),
    notEmpty("unique_constraints_instance_id_check", table.instanceId),
    notEmpty("unique_constraints_unique_type_check", table.uniqueType),
    // A net for a writer that forgot to fold. Collation "C" judges ASCII only, but the same way in
    // every database: a dump must not be refused by a server with another locale or ICU version.
    check(
      "unique_constraints_unique_field_check",
      sql`${table.uniqueField} <> '' and ${table.uniqueField} = lower(${table.uniqueField} collate "C")`,
    ),
  ],
);

/**
 * Which events a push under an idempotency key appended, written in its transaction. Whoever repeats
 * the push, or never got its answer, is given these instead of more. Rows may be deleted once nobody
 * repeats requests so old.
 */
export const idempotencyKeys = eventstore.table(
  "idempotency_keys",
  {
    instanceId: text("instance_id").notNull(),
    key: text("key").notNull(),
    /** SHA-256 of the request, in hex: the same key with another request is a mistake. */
    requestDigest: text("request_digest").notNull(),
    /** `global_sequence` of each event of the push. */
    positions: bigint("positions", { mode: "number" }).array().notNull(),
    createdAt: timestamp("created_at", { withTimezone: true })
      .notNull()
      .default(sql`statement_timestamp()`),
  },
  (table) => [
    primaryKey({ name: "idempotency_keys_pk", columns: [table.instanceId, table.key] }),
    index("idempotency_keys_created_at_idx").on(table.instanceId, table.createdAt),
    notEmpty("idempotency_keys_instance_id_check", table.instanceId),
    notEmpty("idempotency_keys_key_check", table.key),
    check("idempotency_keys_positions_check", sql`cardinality(${table.positions}) >= 1`),
  ],
);

/** Folded states of long aggregates, so that loading one need not read all of its events. A cache: rows may be deleted at any time. */
export const snapshots = eventstore.table(
  "snapshots",
  {
    instanceId: text("instance_id").notNull(),
    aggregateType: text("aggregate_type").notNull(),
    aggregateId: text("aggregate_id").notNull(),
    /** Which fold made it: several may fold one aggregate. */
    fold: text("fold").notNull(),
    /** Of the fold: a state of another version is not read. */
    foldVersion: integer("fold_version").notNull(),
    /** Of the last event in it. */
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    state: jsonb("state").notNull(),
    createdAt: timestamp("created_at", { withTimezone: true })
      .notNull()
      .default(sql`statement_timestamp()`),
  },
  (table) => [
    primaryKey({
      name: "snapshots_pk",
      columns: [table.instanceId, table.aggregateType, table.aggregateId, table.fold],
    }),
    notEmpty("snapshots_instance_id_check", table.instanceId),
    notEmpty("snapshots_aggregate_type_check", table.aggregateType),
    notEmpty("snapshots_aggregate_id_check", table.aggregateId),
    notEmpty("snapshots_fold_check", table.fold),
    atLeast("snapshots_fold_version_check", table.foldVersion, 1),
    atLeast("snapshots_sequence_check", table.sequence, 1),
  ],
);
