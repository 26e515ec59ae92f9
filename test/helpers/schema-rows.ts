import type { DatabasePool, Transaction } from "../../src/db/pool/index.ts";

/** Values by the names of the columns. */
export type Row = Readonly<Record<string, unknown>>;

const instant = new Date("2026-01-02T03:04:05.678Z");
// users:start
const changed = { sequence: 7, creation_date: instant, change_date: instant };
// users:end

/** For every table a row with what must be given, and nothing else. */
export const validRows: Readonly<Record<string, Row>> = {
  "eventstore.events": {
    instance_id: "i1",
    aggregate_type: "user",
    aggregate_id: "u1",
    sequence: 1,
    event_type: "user.added",
    revision: 1,
    creator: "u0",
    owner: "o1",
  },
  "eventstore.unique_constraints": {
    instance_id: "i1",
    unique_type: "username",
    unique_field: "ada",
  },
  "eventstore.idempotency_keys": {
    instance_id: "i1",
    key: "k1",
    request_digest: "00ff",
    positions: [3, 5],
  },
  "eventstore.snapshots": {
    instance_id: "i1",
    aggregate_type: "user",
    aggregate_id: "u1",
    fold: "user",
    fold_version: 1,
    sequence: 7,
    state: {},
  },
  "projections.current_states": { instance_id: "i1", projection_name: "users" },
  "projections.failed_events": {
    instance_id: "i1",
    projection_name: "users",
    aggregate_type: "user",
    aggregate_id: "u1",
    failed_sequence: 3,
    event_creation_date: instant,
    error: "no such org",
  },
  // users:start
  "projections.orgs": {
    instance_id: "i1",
    id: "o1",
    resource_owner: "o1",
    name: "Analytical Engines",
    state: "active",
    ...changed,
  },
  "projections.users": {
    instance_id: "i1",
    id: "u1",
    resource_owner: "o1",
    username: "ada",
    state: "active",
    type: "human",
    ...changed,
  },
  "projections.user_humans": {
    instance_id: "i1",
    user_id: "u1",
    first_name: "Ada",
    last_name: "Lovelace",
    display_name: "Ada Lovelace",
    email: "ada@example.com",
  },
  "projections.user_machines": { instance_id: "i1", user_id: "u1", name: "engine" },
  "projections.user_notifications": { instance_id: "i1", user_id: "u1" },
  // users:end
};

/** `validRows` with `changes`; an unknown table is a mistake of the test. */
export function validRow(table: string, changes: Row = {}): Row {
  const row = validRows[table];
  if (row === undefined) throw new Error(`schema-rows.ts has no valid row for ${table}`);
  return { ...row, ...changes };
}

/** Inserts the row as it is, an identity column included, and returns what became of it. */
export async function insertRow(
  database: DatabasePool | Transaction,
  table: string,
  row: Row,
): Promise<Row> {
  const columns = Object.keys(row);
  const [inserted] = await database.query<Row>(
    `insert into ${table} (${columns.join(", ")})
     overriding system value
     values (${columns.map((_, index) => `$${index + 1}`).join(", ")})
     returning *`,
    Object.values(row),
  );
  if (inserted === undefined) throw new Error(`the insert into ${table} returned no row`);
  return inserted;
}
