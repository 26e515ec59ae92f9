import { dollarQuote, identifier } from "../../base/quote.ts";

/** Makes the tables in which backfills keep how far they are. Where they are there, it does nothing. */
export function createBackfillTables(schema: string): string {
  const s = identifier(schema);
  return `
create table if not exists ${s}.backfills (
  tag text constraint backfills_pk primary key,
  table_oid oid not null,
  table_name text not null,
  key_columns text[] not null,
  background boolean not null,
  state text not null constraint backfills_state_check
    check (state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELED', 'FAILED', 'DONE')),
  wanted text constraint backfills_wanted_check check (wanted in ('pause', 'cancel')),
  pass integer not null default 1,
  position jsonb,
  rows_done bigint not null default 0,
  rows_expected bigint,
  batches bigint not null default 0,
  batch_size integer not null,
  efficiency double precision,
  busy_ms double precision not null default 0,
  finalized integer not null default 0,
  reason text,
  error jsonb,
  started_at timestamptz not null default pg_catalog.clock_timestamp(),
  updated_at timestamptz not null default pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  run_id uuid,
  worker text,
  backend_pid integer,
  backend_start timestamptz,
  expires_at timestamptz
);
create table if not exists ${s}.backfill_rows (
  tag text not null,
  key jsonb not null,
  error jsonb not null,
  tries integer not null default 1,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint backfill_rows_pk primary key (tag, key)
);`;
}

/** SQLSTATE of our own: the backfill is another process's by now. */
export const BACKFILL_LOST = "TM003";

/** How long a backfill is its runner's without a sign of life. */
export const BACKFILL_TTL_MS = 15_000;

/**
 * Commits how far a backfill is, in the batch's own transaction, and proves that it is still this run's. Returns
 * what a person wants of it: `pause`, `cancel`, or null.
 */
export function backfillFunctions(schema: string): string {
  const s = identifier(schema);
  const quote = dollarQuote(s);
  return `${eventFunction(s, quote)}
create or replace function ${s}.backfill_checkpoint(p_tag text, p_run uuid, p_change jsonb)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as ${quote}
declare
  found_wanted text;
begin
  update ${s}.backfills b
  set position = case when p_change ? 'position' then p_change->'position' else b.position end,
    pass = coalesce((p_change->>'pass')::integer, b.pass),
    rows_done = b.rows_done + coalesce((p_change->>'rows')::bigint, 0),
    batches = b.batches + case when p_change ? 'rows' then 1 else 0 end,
    busy_ms = b.busy_ms + coalesce((p_change->>'tookMs')::double precision, 0),
    batch_size = coalesce((p_change->>'size')::integer, b.batch_size),
    efficiency = coalesce((p_change->>'efficiency')::double precision, b.efficiency),
    finalized = coalesce((p_change->>'finalized')::integer, b.finalized),
    state = coalesce(p_change->>'state', b.state),
    reason = case when p_change ? 'reason' then p_change->>'reason' else b.reason end,
    error = case when p_change ? 'error' then p_change->'error' else b.error end,
    finished_at = case when p_change->>'state' in ('DONE', 'FAILED', 'CANCELED') then clock_timestamp() else b.finished_at end,
    wanted = case when p_change->>'state' in ('DONE', 'FAILED', 'PAUSED', 'CANCELED') then null else b.wanted end,
    run_id = case when p_change ? 'release' then null else b.run_id end,
    expires_at = clock_timestamp() + interval '${BACKFILL_TTL_MS} ms',
    updated_at = clock_timestamp()
  where b.tag = p_tag and b.run_id = p_run
  returning b.wanted into found_wanted;
  if not found then
    raise exception 'the backfill % belongs to another process', p_tag using errcode = '${BACKFILL_LOST}';
  end if;
  if p_change ? 'event' then
    perform ${s}.backfill_event(p_tag, p_change->'event');
  end if;
  if (p_change->>'state') is not null then
    update ${s}.schema_migrations m set backfill = p_change->>'state' where m.tag = p_tag and m.backfill is not null;
  end if;
  return found_wanted;
end
${quote};`;
}

/**
 * Writes what happened to a backfill into the log, with how far it is. The caller's transaction has locked the row of
 * `runner` before all else: ids are then in the order of the commits, as for all other events.
 */
function eventFunction(s: string, quote: string): string {
  return `
create or replace function ${s}.backfill_event(p_tag text, p_event jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as ${quote}
begin
  insert into ${s}.migration_events (
    type, run_id, tag, attempt, checksum, payload, db_user, host, process_id,
    backend_pid, backend_start, tool_version, app_version
  )
  select p_event->>'type', (p_event->>'runId')::uuid, p_tag, greatest(m.attempt, 1), m.checksum,
    jsonb_strip_nulls(jsonb_build_object(
      'rows', b.rows_done, 'batches', b.batches, 'reason', b.reason,
      'quarantined', (select count(*) from ${s}.backfill_rows q where q.tag = b.tag),
      'error', case when p_event->>'type' = 'backfill.failed' then b.error end)),
    session_user, p_event->>'host', (p_event->>'processId')::integer, pg_backend_pid(),
    (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a),
    p_event->>'toolVersion', p_event->>'appVersion'
  from ${s}.backfills b join ${s}.schema_migrations m on m.tag = b.tag
  where b.tag = p_tag;
end
${quote};`;
}
