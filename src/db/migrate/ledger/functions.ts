import { dollarQuote, identifier, literal } from "../../base/quote.ts";
import { IDLE_IN_TRANSACTION_MS } from "../../connection/begin.ts";
import { copyFunction } from "./event-copy.ts";
import { eventObject } from "./read.ts";
import { foldRepeatable, forgetRepeatables, unsettleRepeatables } from "./repeatable-rows.ts";
import { MIN_READER, MIN_READER_DOWN } from "./tables.ts";

/** Life of a lease without renewal. */
export const LEASE_TTL_MS = IDLE_IN_TRANSACTION_MS;

/** SQLSTATE of our own: the lease belongs to another run, or the step before is not done. */
export const FENCED = "TM002";

/**
 * The ledger's own functions. They do what every message of a run does, and are
 * there because their plans are kept: the same statements sent as text cost five
 * times as much, a millisecond and more for each migration.
 *
 * All run with the caller's rights and a search_path that no other role can write to.
 */
export function ledgerFunctions(schema: string): string {
  const s = identifier(schema);
  return `${fenceFunction(s)}\n${recordFunction(s)}\n${copyFunction(s, dollarQuote(s), eventObject)}`;
}

const SAFE = "set search_path = pg_catalog, pg_temp";
const TTL = `interval '${LEASE_TTL_MS} ms'`;

function fenceFunction(s: string): string {
  const quote = dollarQuote(s);
  return `
create or replace function ${s}.fence(p_run uuid, p_token bigint, p_step bigint, p_activity text)
returns void
language plpgsql
${SAFE}
as ${quote}
begin
  update ${s}.runner
  set step = step + 1, activity = p_activity, expires_at = clock_timestamp() + ${TTL}
  where id = 1 and run_id = p_run and token = p_token and (p_step is null or step = p_step);
  if not found then
    raise exception 'the lease belongs to another run' using errcode = ${literal(FENCED)};
  end if;
end
${quote};`;
}

// All events of a message in one call, each with its fold into the state table: two
// calls with a function for each part cost half a millisecond more a migration.
function recordFunction(s: string): string {
  const quote = dollarQuote(s);
  return `
create or replace function ${s}.record(
  p_run uuid, p_token bigint, p_who jsonb, p_events jsonb, p_head text, p_activity text
)
returns bigint
language plpgsql
${SAFE}
as ${quote}
declare
  backend integer := pg_backend_pid();
  backend_since timestamptz;
  who jsonb;
  event jsonb;
  kind text;
  subject text;
  details jsonb;
  happened timestamptz;
  event_number bigint;
  taken integer;
  took bigint;
begin
  -- The runner row knows its own backend's start; behind a pooler this may be another.
  select case when r.backend_pid = backend then r.backend_start end into backend_since
  from ${s}.runner r where r.id = 1;
  if backend_since is null then
    select a.backend_start into backend_since from pg_stat_get_activity(backend) a;
  end if;
  who := jsonb_build_object(
    'user', session_user, 'host', p_who->'host', 'processId', p_who->'processId',
    'backendPid', backend, 'backendStart', backend_since,
    'toolVersion', p_who->'toolVersion', 'appVersion', p_who->'appVersion');
  for i in 0 .. jsonb_array_length(p_events) - 1 loop
    event := p_events->i;
    kind := event->>'type';
    subject := event->>'tag';
    details := event->'payload';
    happened := clock_timestamp();
    if kind in ('migration.done', 'migration.failed', 'migration.reverted') then
      select greatest(0, round(extract(epoch from happened - m.started_at) * 1000))::bigint into took
      from ${s}.schema_migrations m where m.tag = subject;
      details := details || jsonb_build_object('durationMs', took);
    elsif kind = 'repeatable.done' then
      -- Of its transaction.
      took := round(extract(epoch from happened - now()) * 1000)::bigint;
      details := details || jsonb_build_object('durationMs', took);
    end if;
    insert into ${s}.migration_events (
      at, type, run_id, tag, attempt, checksum, payload, db_user, host, process_id,
      backend_pid, backend_start, tool_version, app_version
    )
    values (
      happened, kind, p_run, subject, (event->>'attempt')::integer, event->>'checksum', details,
      session_user, p_who->>'host', (p_who->>'processId')::integer,
      backend, backend_since, p_who->>'toolVersion', p_who->>'appVersion'
    )
    returning id into event_number;
    case kind
    when 'migration.started' then
      if details->>'direction' = 'down' then
        update ${s}.schema_migrations m
        set state = 'STARTED', attempt = (event->>'attempt')::integer,
          statements_done = (details->>'statement')::integer,
          statements_total = (details->>'statements')::integer, prefix = details->>'prefix',
          started_at = happened, finished_at = null, duration_ms = null, run_id = p_run, owner = who,
          error = null, event_id = event_number,
          down_checksum = details->>'down', down_sql = event->>'downSql',
          reverting = coalesce(m.reverting, jsonb_build_object(
            'statementsDone', m.statements_done, 'statementsTotal', m.statements_total,
            'prefix', m.prefix, 'startedAt', m.started_at, 'finishedAt', m.finished_at,
            'durationMs', m.duration_ms))
        where m.tag = subject;
        -- Its worker stops before anything is taken back.
        update ${s}.backfills set run_id = null, state = 'PENDING' where tag = subject and run_id is not null;
        -- A release that does not know the way down would run it up from here.
        update ${s}.runner set min_reader = ${MIN_READER_DOWN} where id = 1;
      else
      insert into ${s}.schema_migrations (
        tag, state, attempt, checksum, statements_done, statements_total, prefix, started_at,
        run_id, owner, event_id
      )
      values (
        subject, 'STARTED', (event->>'attempt')::integer, event->>'checksum',
        (details->>'statement')::integer, (details->>'statements')::integer, details->>'prefix',
        happened, p_run, who, event_number
      )
      on conflict (tag) do update
      set state = excluded.state, rank = null, attempt = excluded.attempt,
        checksum = excluded.checksum, statements_done = excluded.statements_done,
        statements_total = excluded.statements_total, prefix = excluded.prefix,
        started_at = excluded.started_at, finished_at = null, duration_ms = null,
        run_id = excluded.run_id, owner = excluded.owner, error = null,
        event_id = excluded.event_id;
      end if;
    when 'statement.started' then
      update ${s}.schema_migrations m
      set under_way = details->'underWay', event_id = event_number
      where m.tag = subject;
    when 'statement.done' then
      update ${s}.schema_migrations m
      set statements_done = (details->>'statement')::integer, prefix = details->>'prefix',
        under_way = null, event_id = event_number
      where m.tag = subject;
    when 'migration.done' then
      taken := (details->>'rank')::integer;
      -- A late-merged migration takes its place: the ones from there on move up by one.
      if exists (select from ${s}.schema_migrations m where m.rank = taken) then
        update ${s}.schema_migrations m set rank = m.rank + 1 where m.rank >= taken;
      end if;
      update ${s}.schema_migrations m
      set state = 'DONE', rank = taken, statements_done = (details->>'statement')::integer,
        prefix = details->>'prefix', under_way = null, finished_at = happened,
        duration_ms = took, owner = who, event_id = event_number,
        down_checksum = details->>'down', down_sql = event->>'downSql'
      where m.tag = subject;
      ${unsettleRepeatables(s)}
    when 'migration.reverted' then
      select m.rank into taken from ${s}.schema_migrations m where m.tag = subject;
      update ${s}.schema_migrations m
      set state = 'PENDING', rank = null, statements_done = 0, prefix = null, under_way = null,
        finished_at = null, duration_ms = took, owner = who, error = null, reverting = null,
        down_checksum = null, down_sql = null, backfill = null,
        event_id = event_number
      where m.tag = subject;
      -- Applied again, it begins anew.
      delete from ${s}.backfills b where b.tag = subject;
      delete from ${s}.backfill_rows b where b.tag = subject;
      if exists (select from ${s}.schema_migrations m where m.rank > taken) then
        update ${s}.schema_migrations m set rank = m.rank - 1 where m.rank > taken;
      end if;
      update ${s}.runner set min_reader = ${MIN_READER}
      where id = 1 and not exists (select from ${s}.schema_migrations m where m.reverting is not null);
      ${forgetRepeatables(s)}
    ${foldRepeatable(s)}
    when 'migration.failed' then
      update ${s}.schema_migrations m
      set state = 'FAILED', finished_at = happened, duration_ms = took, owner = who,
        error = details->'error',
        under_way = case when details ? 'ended' then null else m.under_way end,
        event_id = event_number
      where m.tag = subject;
    when 'migration.resolved' then
      if details ? 'restored' then
        -- Nothing of its way down is committed: it is as applied as before.
        update ${s}.schema_migrations m
        set state = 'DONE', statements_done = (m.reverting->>'statementsDone')::integer,
          statements_total = (m.reverting->>'statementsTotal')::integer,
          prefix = m.reverting->>'prefix', started_at = (m.reverting->>'startedAt')::timestamptz,
          finished_at = (m.reverting->>'finishedAt')::timestamptz,
          duration_ms = (m.reverting->>'durationMs')::bigint, owner = who, error = null,
          reverting = null, event_id = event_number
        where m.tag = subject;
        update ${s}.runner set min_reader = ${MIN_READER}
        where id = 1 and not exists (select from ${s}.schema_migrations m where m.reverting is not null);
      else
      update ${s}.schema_migrations m
      set state = 'PENDING', finished_at = null, duration_ms = null, owner = who, error = null,
        statements_done = coalesce((details->>'statement')::integer, m.statements_done),
        prefix = coalesce(details->>'prefix', m.prefix),
        under_way = case when details ? 'answer' then null else m.under_way end,
        event_id = event_number
      where m.tag = subject;
      end if;
    when 'migration.adopted' then
      taken := (details->>'rank')::integer;
      if details ? 'formerly' then
        update ${s}.schema_migrations m
        set tag = subject, rank = coalesce(taken, m.rank), event_id = event_number
        where m.tag = details->>'formerly';
      else
        if exists (select from ${s}.schema_migrations m where m.rank = taken) then
          update ${s}.schema_migrations m set rank = m.rank + 1 where m.rank >= taken;
        end if;
        insert into ${s}.schema_migrations (
          tag, state, rank, attempt, checksum, statements_done, statements_total, started_at,
          finished_at, run_id, owner, event_id
        )
        values (
          subject, case when taken is null then 'PENDING' else 'DONE' end, taken, 0,
          event->>'checksum', 0, 0, coalesce((details->>'appliedAt')::timestamptz, happened),
          case when taken is not null then coalesce((details->>'appliedAt')::timestamptz, happened) end,
          p_run, who, event_number
        )
        on conflict (tag) do update
        set state = excluded.state, rank = excluded.rank, checksum = excluded.checksum,
          under_way = null, started_at = excluded.started_at, finished_at = excluded.finished_at,
          duration_ms = null, run_id = excluded.run_id, owner = excluded.owner, error = null,
          event_id = excluded.event_id, down_checksum = null, down_sql = null;
      end if;
    end case;
  end loop;
  -- A long migration outlives the lease that its fence renewed: no waiter finds it expired between two messages.
  update ${s}.runner
  set head = coalesce(p_head, head), activity = p_activity, expires_at = clock_timestamp() + ${TTL}
  where id = 1 and run_id = p_run and token = p_token;
  if not found then raise exception 'the lease was taken away' using errcode = ${literal(FENCED)}; end if;
  return took;
end
${quote};`;
}
