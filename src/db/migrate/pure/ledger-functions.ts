import { FENCED, LEASE_TTL_MS } from "./lease-sql.ts";
import { dollarQuote, identifier, literal } from "./quote.ts";

/**
 * The ledger's own functions. They do what every message of a run does, and are
 * there because their plans are kept: the same statements sent as text cost five
 * times as much, a millisecond and more for each migration.
 *
 * All run with the caller's rights and a search_path that nobody else can write to.
 */
export function ledgerFunctions(schema: string): string {
  const s = identifier(schema);
  const quote = dollarQuote(s);
  const safe = "set search_path = pg_catalog, pg_temp";
  return `
create function ${s}.fence(p_run uuid, p_token bigint, p_step bigint, p_activity text)
returns void
language plpgsql
${safe}
as ${quote}
begin
  update ${s}.runner
  set step = step + 1, activity = p_activity,
    expires_at = clock_timestamp() + interval '${LEASE_TTL_MS} ms'
  where id = 1 and run_id = p_run and token = p_token and (p_step is null or step = p_step);
  if not found then
    raise exception 'the lease belongs to another run' using errcode = ${literal(FENCED)};
  end if;
end
${quote};

create function ${s}.record_event(
  p_type text, p_run uuid, p_tag text, p_attempt integer, p_checksum text, p_payload jsonb,
  p_host text, p_process integer, p_tool text, p_app text
)
returns ${s}.migration_events
language plpgsql
${safe}
as ${quote}
declare
  started timestamptz;
  recorded ${s}.migration_events;
begin
  -- The runner row knows its own backend's start; behind a pooler this may be another.
  select case when r.backend_pid = pg_backend_pid() then r.backend_start end into started
  from ${s}.runner r where r.id = 1;
  if started is null then
    select a.backend_start into started from pg_stat_get_activity(pg_backend_pid()) a;
  end if;
  insert into ${s}.migration_events (
    type, run_id, tag, attempt, checksum, payload, db_user, host, process_id,
    backend_pid, backend_start, tool_version, app_version
  )
  values (
    p_type, p_run, p_tag, p_attempt, p_checksum, p_payload, session_user, p_host, p_process,
    pg_backend_pid(), started, p_tool, p_app
  )
  returning * into recorded;
  return recorded;
end
${quote};

create function ${s}.owner_of(e ${s}.migration_events)
returns jsonb
language sql
stable
${safe}
as ${quote}
select jsonb_build_object(
  'user', e.db_user, 'host', e.host, 'processId', e.process_id, 'backendPid', e.backend_pid,
  'backendStart', e.backend_start, 'toolVersion', e.tool_version, 'appVersion', e.app_version
)
${quote};

create function ${s}.duration_of(p_tag text)
returns jsonb
language sql
volatile
${safe}
as ${quote}
select jsonb_build_object('durationMs',
  greatest(0, round(extract(epoch from clock_timestamp() - m.started_at) * 1000))::bigint)
from ${s}.schema_migrations m
where m.tag = p_tag
${quote};

create function ${s}.record_started(
  p_run uuid, p_tag text, p_attempt integer, p_checksum text, p_payload jsonb,
  p_host text, p_process integer, p_tool text, p_app text
)
returns void
language plpgsql
${safe}
as ${quote}
declare
  e ${s}.migration_events := ${s}.record_event(
    'migration.started', p_run, p_tag, p_attempt, p_checksum, p_payload, p_host, p_process, p_tool, p_app);
begin
  insert into ${s}.schema_migrations (
    tag, state, attempt, checksum, statements_done, statements_total, prefix, started_at,
    run_id, owner, event_id
  )
  values (
    e.tag, 'STARTED', e.attempt, e.checksum, (e.payload->>'statement')::integer,
    (e.payload->>'statements')::integer, e.payload->>'prefix', e.at,
    e.run_id, ${s}.owner_of(e), e.id
  )
  on conflict (tag) do update
  set state = excluded.state, rank = null, attempt = excluded.attempt,
    checksum = excluded.checksum, statements_done = excluded.statements_done,
    statements_total = excluded.statements_total, prefix = excluded.prefix,
    started_at = excluded.started_at, finished_at = null, duration_ms = null,
    run_id = excluded.run_id, owner = excluded.owner, error = null, event_id = excluded.event_id;
end
${quote};

create function ${s}.record_done(
  p_run uuid, p_token bigint, p_tag text, p_attempt integer, p_checksum text, p_payload jsonb,
  p_host text, p_process integer, p_tool text, p_app text, p_head text, p_next text
)
returns bigint
language plpgsql
${safe}
as ${quote}
declare
  e ${s}.migration_events := ${s}.record_event(
    'migration.done', p_run, p_tag, p_attempt, p_checksum, p_payload || ${s}.duration_of(p_tag),
    p_host, p_process, p_tool, p_app);
  taken integer := (e.payload->>'rank')::integer;
begin
  -- A late-merged migration takes its place: the ones from there on move up by one.
  if exists (select from ${s}.schema_migrations m where m.rank = taken) then
    update ${s}.schema_migrations m set rank = m.rank + 1 where m.rank >= taken;
  end if;
  update ${s}.schema_migrations m
  set state = 'DONE', rank = taken, statements_done = (e.payload->>'statement')::integer,
    prefix = e.payload->>'prefix', finished_at = e.at,
    duration_ms = (e.payload->>'durationMs')::bigint, owner = ${s}.owner_of(e), event_id = e.id
  where m.tag = e.tag;
  -- A long migration outlives the lease that its fence renewed: renewed at its end too,
  -- no waiter finds it expired between two messages.
  update ${s}.runner
  set head = p_head, activity = p_next,
    expires_at = clock_timestamp() + interval '${LEASE_TTL_MS} ms'
  where id = 1 and run_id = p_run and token = p_token;
  return (e.payload->>'durationMs')::bigint;
end
${quote};

create function ${s}.record_failed(
  p_run uuid, p_tag text, p_attempt integer, p_checksum text, p_payload jsonb,
  p_host text, p_process integer, p_tool text, p_app text
)
returns void
language plpgsql
${safe}
as ${quote}
declare
  e ${s}.migration_events := ${s}.record_event(
    'migration.failed', p_run, p_tag, p_attempt, p_checksum, p_payload || ${s}.duration_of(p_tag),
    p_host, p_process, p_tool, p_app);
begin
  update ${s}.schema_migrations m
  set state = 'FAILED', finished_at = e.at, duration_ms = (e.payload->>'durationMs')::bigint,
    owner = ${s}.owner_of(e), error = e.payload->'error', event_id = e.id
  where m.tag = e.tag;
end
${quote};
`;
}
