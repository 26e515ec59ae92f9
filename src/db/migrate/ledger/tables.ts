import { dollarQuote, identifier, literal } from "../../base/quote.ts";
import { EMPTY_HEAD } from "../history/checksum.ts";
import { EVENT_TYPES } from "../ledger-types.ts";
import { createRepeatables, upgradeForRepeatables } from "./repeatable-rows.ts";

/** Version of the ledger's own tables that this code writes. */
export const LEDGER_VERSION = 4;

/** The oldest that may read it while no migration is on its way down. */
export const MIN_READER = 2;

/** The oldest that may read it while one is: it knows the way down. */
export const MIN_READER_DOWN = 3;

/** Makes the ledger's tables and triggers in its schema, which must be there. */
export function createTables(schema: string): string {
  const s = identifier(schema);
  const quote = dollarQuote(s);
  return `
create table ${s}.migration_events (
  id bigint generated always as identity constraint migration_events_pk primary key,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  type text not null constraint migration_events_type_check
    check (type in (${EVENT_TYPES.map(literal).join(", ")})),
  run_id uuid not null,
  tag text not null,
  attempt integer not null constraint migration_events_attempt_check check (attempt > 0),
  checksum text not null,
  payload jsonb not null,
  db_user text not null,
  host text not null,
  process_id integer not null,
  backend_pid integer not null,
  backend_start timestamptz,
  tool_version text not null,
  app_version text
);
create index migration_events_tag_idx on ${s}.migration_events (tag, id);

create table ${s}.schema_migrations (
  tag text constraint schema_migrations_pk primary key,
  state text not null constraint schema_migrations_state_check
    check (state in ('PENDING', 'STARTED', 'DONE', 'FAILED')),
  rank integer,
  attempt integer not null,
  checksum text not null,
  statements_done integer not null,
  statements_total integer not null,
  prefix text,
  under_way jsonb,
  started_at timestamptz not null,
  finished_at timestamptz,
  duration_ms bigint,
  run_id uuid not null,
  owner jsonb not null,
  error jsonb,
  event_id bigint not null,
  reverting jsonb,
  down_checksum text,
  down_sql text,
  backfill text
);

create table ${s}.runner (
  id smallint constraint runner_pk primary key constraint runner_one_row_check check (id = 1),
  ledger_version integer not null,
  min_reader integer not null,
  head text not null,
  repeatables text,
  token bigint not null default 0,
  step bigint not null default 0,
  run_id uuid,
  backend_pid integer,
  backend_start timestamptz,
  direct boolean,
  host text,
  process_id integer,
  db_user text,
  activity text,
  acquired_at timestamptz,
  expires_at timestamptz,
  sink_table oid,
  sink_position bigint,
  sink_given_up uuid,
  drizzle_table jsonb
);
insert into ${s}.runner (id, ledger_version, min_reader, head)
values (1, ${LEDGER_VERSION}, ${MIN_READER}, ${literal(EMPTY_HEAD)});

create function ${s}.refuse_event_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as ${quote}
begin
  raise exception 'the migration log is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
    using errcode = 'restrict_violation';
end
${quote};
create trigger migration_events_append_only
before update or delete on ${s}.migration_events
for each row execute function ${s}.refuse_event_change();
create trigger migration_events_no_truncate
before truncate on ${s}.migration_events
for each statement execute function ${s}.refuse_event_change();
alter table ${s}.migration_events enable always trigger migration_events_append_only;
alter table ${s}.migration_events enable always trigger migration_events_no_truncate;
${createRepeatables(schema)}
${guardRows(schema)}`;
}

/** Nobody deletes what the ledger says: not a file's DO block either. */
function guardRows(schema: string): string {
  const s = identifier(schema);
  const quote = dollarQuote(s);
  const tables = ["runner", "schema_migrations"].map(
    (table) => `
create or replace trigger ${table}_kept before delete or truncate on ${s}.${table}
for each statement execute function ${s}.refuse_ledger_loss();
alter table ${s}.${table} enable always trigger ${table}_kept;`,
  );
  return `
create or replace function ${s}.refuse_ledger_loss() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as ${quote}
begin
  raise exception 'only Tidemark writes its ledger: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
    using errcode = 'restrict_violation';
end
${quote};${tables.join("")}`;
}

/**
 * Makes an older ledger one of this version, its functions apart. 2: takes over what drizzle's migrator
 * has applied, and keeps its table true. 3: the way down. 4: repeatables, backfills.
 */
export function upgradeTables(schema: string): string {
  const s = identifier(schema);
  return `
alter table ${s}.runner add column if not exists drizzle_table jsonb;
alter table ${s}.schema_migrations
  add column if not exists reverting jsonb,
  add column if not exists down_checksum text,
  add column if not exists down_sql text,
  add column if not exists backfill text;
${upgradeForRepeatables(schema)}
${guardRows(schema)}
update ${s}.runner set ledger_version = ${LEDGER_VERSION}, min_reader = ${MIN_READER} where id = 1;`;
}
