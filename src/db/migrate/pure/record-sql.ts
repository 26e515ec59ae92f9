import type { Checksum, EventType, RecordedError, Tag } from "../types.ts";
import { LEASE_TTL_MS, type LeaseToken, ownerObject, type RunIdentity } from "./lease-sql.ts";
import { identifier, integer, jsonLiteral, literal } from "./quote.ts";

/** What every record of a run needs. */
export interface RecordContext {
  readonly schema: string;
  readonly identity: RunIdentity;
  readonly lease: LeaseToken;
}

/** The migration that an event is about. */
export interface Subject {
  readonly tag: Tag;
  readonly attempt: number;
  readonly checksum: Checksum;
}

/** How far a migration is, in statements. */
export interface Progressed {
  readonly statement: number;
  readonly statements: number;
  readonly prefix: Checksum | null;
}

/** `migration.started`, and the state row. */
export function recordStarted(
  context: RecordContext,
  subject: Subject,
  progress: Progressed,
): string {
  const s = identifier(context.schema);
  return `with e as (${insertEvent(context, "migration.started", subject, jsonLiteral(progress))})
insert into ${s}.schema_migrations as m (tag, state, attempt, checksum, statements_done, statements_total, prefix, started_at, run_id, owner, event_id)
select e.tag, 'STARTED', e.attempt, e.checksum, (e.payload->>'statement')::integer, (e.payload->>'statements')::integer, e.payload->>'prefix', e.at, e.run_id, ${ownerObject("e")}, e.id
from e
on conflict (tag) do update
set state = excluded.state, rank = null, attempt = excluded.attempt, checksum = excluded.checksum,
  statements_done = excluded.statements_done, statements_total = excluded.statements_total,
  prefix = excluded.prefix, started_at = excluded.started_at, finished_at = null,
  duration_ms = null, run_id = excluded.run_id, owner = excluded.owner, error = null,
  event_id = excluded.event_id`;
}

/** `migration.done`, the state row, and the database's head. */
export function recordDone(
  context: RecordContext,
  subject: Subject,
  done: Progressed & {
    readonly rank: number;
    readonly makesRoom: boolean;
    readonly head: Checksum;
    /** What the run does next, for those who wait to read. */
    readonly next: Tag | null;
  },
): string {
  const s = identifier(context.schema);
  const { makesRoom, head, next, ...payload } = done;
  const room = `update ${s}.schema_migrations set rank = rank + 1 where rank >= ${integer(done.rank)};\n`;
  return `${makesRoom ? room : ""}with e as (${insertEvent(context, "migration.done", subject, withDuration(s, subject.tag, payload))})
update ${s}.schema_migrations m
set state = 'DONE', rank = (e.payload->>'rank')::integer,
  statements_done = (e.payload->>'statement')::integer, prefix = e.payload->>'prefix',
  finished_at = e.at, duration_ms = (e.payload->>'durationMs')::bigint,
  owner = ${ownerObject("e")}, event_id = e.id
from e
where m.tag = e.tag
returning m.duration_ms as tidemark_duration;
${renew(context, head, next)}`;
}

/** `migration.failed`, and the state row. */
export function recordFailed(
  context: RecordContext,
  subject: Subject,
  error: RecordedError,
): string {
  const s = identifier(context.schema);
  return `with e as (${insertEvent(context, "migration.failed", subject, withDuration(s, subject.tag, { error }))})
update ${s}.schema_migrations m
set state = 'FAILED', finished_at = e.at, duration_ms = (e.payload->>'durationMs')::bigint,
  owner = ${ownerObject("e")}, error = e.payload->'error', event_id = e.id
from e
where m.tag = e.tag`;
}

// A long segment outlives the lease that its fence renewed: renew at its end too,
// so that no waiter finds it expired between two messages.
function renew({ schema, lease }: RecordContext, head: Checksum, next: Tag | null): string {
  return `update ${identifier(schema)}.runner
set head = ${literal(head)}, activity = ${literal(next)}, expires_at = clock_timestamp() + interval '${integer(LEASE_TTL_MS)} ms'
where id = 1 and run_id = ${literal(lease.runId)} and token = ${lease.token}`;
}

function insertEvent(
  { schema, identity, lease }: RecordContext,
  type: EventType,
  subject: Subject,
  payload: string,
): string {
  const s = identifier(schema);
  return `insert into ${s}.migration_events (type, run_id, tag, attempt, checksum, payload, db_user, host, process_id, backend_pid, backend_start, tool_version, app_version)
select ${literal(type)}, ${literal(lease.runId)}, ${literal(subject.tag)}, ${integer(subject.attempt)}, ${literal(subject.checksum)}, ${payload}, session_user, ${literal(identity.host)}, ${integer(identity.processId)}, pg_backend_pid(),
  case when r.backend_pid = pg_backend_pid() then r.backend_start else (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a) end,
  ${literal(identity.toolVersion)}, ${literal(identity.appVersion)}
from ${s}.runner r
returning *`;
}

function withDuration(s: string, tag: Tag, payload: object): string {
  return `${jsonLiteral(payload)} || jsonb_build_object('durationMs', (
    select greatest(0, round(extract(epoch from clock_timestamp() - m.started_at) * 1000))::bigint
    from ${s}.schema_migrations m where m.tag = ${literal(tag)}))`;
}
