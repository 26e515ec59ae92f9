import { sql } from "drizzle-orm";
import { bigint, check, integer, pgSchema, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import { atLeast, notEmpty } from "./checks.ts";

export const projections = pgSchema("projections");

/** How far each projection has come in each instance; committed together with the rows it wrote. */
export const currentStates = projections.table(
  "current_states",
  {
    instanceId: text("instance_id").notNull(),
    projectionName: text("projection_name").notNull(),
    /** The cursor: every event of the instance with a `global_sequence` up to it was handled. */
    position: bigint("position", { mode: "number" }).notNull().default(0),
    lastUpdated: timestamp("last_updated", { withTimezone: true }).notNull().defaultNow(),
    // The last event handled, for people: none before the first, and older than `position` says
    // when the cursor moved on over events that this projection does not handle.
    aggregateType: text("aggregate_type"),
    aggregateId: text("aggregate_id"),
    sequence: bigint("sequence", { mode: "number" }),
    eventDate: timestamp("event_date", { withTimezone: true }),
  },
  (table) => [
    primaryKey({
      name: "current_states_pk",
      columns: [table.instanceId, table.projectionName],
    }),
    notEmpty("current_states_instance_id_check", table.instanceId),
    notEmpty("current_states_projection_name_check", table.projectionName),
    atLeast("current_states_position_check", table.position, 0),
    atLeast("current_states_sequence_check", table.sequence, 1),
    check(
      "current_states_last_event_check",
      sql`num_nulls(${table.aggregateType}, ${table.aggregateId}, ${table.sequence}, ${table.eventDate}) in (0, 4)`,
    ),
  ],
);

/**
 * Aggregates that a projection has quarantined, by the event it failed on. The key's front answers
 * the question asked of every batch: is this aggregate quarantined in this projection?
 */
export const failedEvents = projections.table(
  "failed_events",
  {
    instanceId: text("instance_id").notNull(),
    projectionName: text("projection_name").notNull(),
    aggregateType: text("aggregate_type").notNull(),
    aggregateId: text("aggregate_id").notNull(),
    failedSequence: bigint("failed_sequence", { mode: "number" }).notNull(),
    eventCreationDate: timestamp("event_creation_date", { withTimezone: true }).notNull(),
    failureCount: integer("failure_count").notNull().default(1),
    error: text("error").notNull(),
    lastFailed: timestamp("last_failed", { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({
      name: "failed_events_pk",
      columns: [
        table.instanceId,
        table.projectionName,
        table.aggregateType,
        table.aggregateId,
        table.failedSequence,
      ],
    }),
    notEmpty("failed_events_instance_id_check", table.instanceId),
    notEmpty("failed_events_projection_name_check", table.projectionName),
    notEmpty("failed_events_aggregate_type_check", table.aggregateType),
    notEmpty("failed_events_aggregate_id_check", table.aggregateId),
    atLeast("failed_events_failed_sequence_check", table.failedSequence, 1),
    atLeast("failed_events_failure_count_check", table.failureCount, 1),
    notEmpty("failed_events_error_check", table.error),
  ],
);
