import type { Row } from "./schema-rows.ts";

/** Rows that one constraint refuses, told as changes to the valid row of its table. */
export interface Breaking {
  readonly table: string;
  readonly sqlState: string;
  /** Stored before: the row that the broken ones collide with. */
  readonly beside?: Row;
  readonly rows: readonly Row[];
}

const CHECK = "23514";
const UNIQUE = "23505";
// users:start
const FOREIGN_KEY = "23503";
// users:end

/** By the constraint's name. The test refuses a constraint of the Drizzle schema that is not here. */
export const breakingRows: Readonly<Record<string, Breaking>> = {
  // The valid row again, all but its key being different.
  ...key("events_pk", "eventstore.events", { event_type: "user.changed", creator: "u9" }),
  events_global_sequence_key: {
    table: "eventstore.events",
    sqlState: UNIQUE,
    beside: { global_sequence: 1_000_000 },
    rows: [{ global_sequence: 1_000_000, aggregate_id: "u2" }],
  },
  ...empty("eventstore.events", [
    "instance_id",
    "aggregate_type",
    "aggregate_id",
    "event_type",
    "creator",
    "owner",
  ]),
  ...check("eventstore.events", "events_sequence_check", [{ sequence: 0 }, { sequence: -1 }]),
  ...check("eventstore.events", "events_revision_check", [{ revision: 0 }]),
  // "{}" in quotes is an object that was encoded twice.
  ...check(
    "eventstore.events",
    "events_payload_check",
    ['"{}"', "[]", "null", "1"].map((payload) => ({ payload })),
  ),

  ...key("unique_constraints_pk", "eventstore.unique_constraints", {}),
  ...empty("eventstore.unique_constraints", ["instance_id", "unique_type"]),
  ...check("eventstore.unique_constraints", "unique_constraints_unique_field_check", [
    { unique_field: "" },
    { unique_field: "Ada" },
    { unique_field: "adA" },
  ]),

  ...key("idempotency_keys_pk", "eventstore.idempotency_keys", { request_digest: "11" }),
  ...empty("eventstore.idempotency_keys", ["instance_id", "key"]),
  ...check("eventstore.idempotency_keys", "idempotency_keys_positions_check", [{ positions: [] }]),

  ...key("snapshots_pk", "eventstore.snapshots", { sequence: 8 }),
  ...empty("eventstore.snapshots", ["instance_id", "aggregate_type", "aggregate_id", "fold"]),
  ...check("eventstore.snapshots", "snapshots_fold_version_check", [{ fold_version: 0 }]),
  ...check("eventstore.snapshots", "snapshots_sequence_check", [{ sequence: 0 }]),

  ...key("current_states_pk", "projections.current_states", { position: 5 }),
  ...empty("projections.current_states", ["instance_id", "projection_name"]),
  ...check("projections.current_states", "current_states_position_check", [{ position: -1 }]),
  ...check("projections.current_states", "current_states_sequence_check", [
    { aggregate_type: "user", aggregate_id: "u1", sequence: 0, event_date: new Date(0) },
  ]),
  ...check("projections.current_states", "current_states_last_event_check", [
    { aggregate_type: "user" },
    { sequence: 1 },
    { aggregate_type: "user", aggregate_id: "u1", sequence: 1 },
  ]),

  ...key("failed_events_pk", "projections.failed_events", { error: "another" }),
  ...empty("projections.failed_events", [
    "instance_id",
    "projection_name",
    "aggregate_type",
    "aggregate_id",
    "error",
  ]),
  ...check("projections.failed_events", "failed_events_failed_sequence_check", [
    { failed_sequence: 0 },
  ]),
  ...check("projections.failed_events", "failed_events_failure_count_check", [
    { failure_count: 0 },
  ]),

  // users:start
  ...key("orgs_pk", "projections.orgs", { name: "Difference Engines" }),
  ...empty("projections.orgs", ["instance_id", "id", "resource_owner", "name", "primary_domain"]),
  ...check("projections.orgs", "orgs_state_check", [
    { state: "asleep" },
    { state: "" },
    { state: "Active" },
  ]),
  ...check("projections.orgs", "orgs_sequence_check", [{ sequence: 0 }]),

  ...key("users_pk", "projections.users", { username: "augusta" }),
  ...empty("projections.users", ["instance_id", "id", "resource_owner", "username"]),
  ...check("projections.users", "users_state_check", [
    { state: "asleep" },
    { state: "" },
    { state: "Active" },
  ]),
  ...check("projections.users", "users_type_check", [{ type: "robot" }, { type: "" }]),
  ...check("projections.users", "users_sequence_check", [{ sequence: 0 }]),

  ...child("user_humans", { email: "augusta@example.com" }),
  ...empty("projections.user_humans", ["email", "phone"]),
  ...check("projections.user_humans", "user_humans_gender_check", [
    { gender: "unknown" },
    { gender: "" },
  ]),

  ...child("user_machines", { name: "other engine" }),
  ...empty("projections.user_machines", ["name"]),
  ...check("projections.user_machines", "user_machines_access_token_type_check", [
    { access_token_type: "cookie" },
  ]),

  ...child("user_notifications", { password_set: true }),
  ...empty("projections.user_notifications", [
    "last_email",
    "verified_email",
    "last_phone",
    "verified_phone",
  ]),
  // users:end
};

function check(table: string, name: string, rows: readonly Row[]): Record<string, Breaking> {
  return { [name]: { table, sqlState: CHECK, rows } };
}

function empty(table: string, columns: readonly string[]): Record<string, Breaking> {
  const entries = columns.map((column) => [
    `${table.split(".")[1]}_${column}_check`,
    { table, sqlState: CHECK, rows: [{ [column]: "" }] },
  ]);
  return Object.fromEntries(entries);
}

function key(name: string, table: string, changes: Row): Record<string, Breaking> {
  return { [name]: { table, sqlState: UNIQUE, beside: {}, rows: [changes] } };
}

// users:start
/** A part of a user: one each, and none without its user or with one of another instance. */
function child(name: string, changes: Row): Record<string, Breaking> {
  const table = `projections.${name}`;
  return {
    ...key(`${name}_pk`, table, changes),
    [`${name}_users_fk`]: {
      table,
      sqlState: FOREIGN_KEY,
      rows: [{ user_id: "nobody" }, { instance_id: "i2" }],
    },
  };
}
// users:end
