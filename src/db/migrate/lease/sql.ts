import { identifier, integer, literal } from "../../base/quote.ts";
import { ASYNCHRONOUS_COMMIT, transaction } from "../../connection/begin.ts";
import { LEASE_TTL_MS } from "../ledger/functions.ts";
import { BOUNDED, readRows } from "../ledger/read.ts";
import type { HeldRun, RunIdentity } from "../run-types.ts";

/** Whose lease it is, and where. */
type Held = Pick<HeldRun, "schema" | "lease">;

/** Before its end a look says whether anything but time speaks for the holder. */
const EXPIRING_SOON_MS = 3_000;

/** How often it is renewed where nothing else says that its run is alive. */
export const LEASE_RENEW_MS = 3_000;

/**
 * The look: a plain select that locks nothing. Another role sees NULL for
 * backend_start: unknown is never dead. A pid says something only of a direct
 * connection, and only on the server that recorded it (not on a standby).
 * Past its expiry, and shortly before, a transaction that has written the row is still at work: its
 * lock on the table is visible to every role, also behind a pooler. So is a statement outside
 * transactions, by the comment that it starts with.
 *
 * @param ownRun a run that has lost its connection and comes back: its lease is dead to it
 * as soon as nothing of it runs any more
 */
export function look(schema: string, ownRun?: string): string {
  const s = identifier(schema);
  return `${BOUNDED};
select pg_catalog.jsonb_build_object(
  'ledgerVersion', r.ledger_version, 'minReader', r.min_reader, 'head', r.head,
  'repeatables', r.repeatables, 'runId', r.run_id, 'token', r.token::text, 'direct', r.direct, 'host', r.host,
  'processId', r.process_id, 'backendPid', r.backend_pid, 'user', r.db_user,
  'activity', r.activity, 'acquiredAt', r.acquired_at, 'expiresAt', r.expires_at,
  'liveness', ${liveness(s, ownRun)}, 'zombie', z.pid,
  'standby', pg_catalog.pg_is_in_recovery(), 'mirror', pg_catalog.to_jsonb(r) -> 'drizzle_table'
) as tidemark_runner
from ${s}.runner r
left join lateral pg_catalog.pg_stat_get_activity(r.backend_pid) a on r.backend_pid is not null
left join lateral (${zombie(mayBeOver(ownRun))} limit 1) z on true`;
}

// The time of the message: a condition that is the same for all rows, so that where it does not hold
// no sessions are read.
function mayBeOver(ownRun: string | undefined): string {
  const own = ownRun === undefined ? "" : ` or r.run_id = ${literal(ownRun)}`;
  return `(r.expires_at <= pg_catalog.statement_timestamp() + interval '${EXPIRING_SOON_MS} ms'${own})`;
}

/**
 * The backend that still runs a statement of the holder's outside transactions, whose client may be
 * long gone. Where another role's queries are hidden, any transaction of the backend that the
 * holder had to itself counts.
 */
function zombie(condition: string): string {
  return `select q.pid from pg_catalog.pg_stat_activity q
  where ${condition} and q.datname = pg_catalog.current_database() and q.pid <> pg_catalog.pg_backend_pid()
    and (
      (q.state = 'active' and q.query like '/* tidemark ' || r.run_id || ' %')
      or (r.direct and q.pid = r.backend_pid and coalesce(q.state, 'disabled') = 'disabled' and exists (
        select from pg_catalog.pg_locks l
        where l.pid = q.pid and l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock' and l.granted
      ))
    )`;
}

function liveness(s: string, ownRun: string | undefined): string {
  return `case
    when r.run_id is null then 'free'
    when pg_catalog.pg_is_in_recovery() then 'unknown'
    when ${backendGone()} then 'dead'
    when not ${mayBeOver(ownRun)} then 'alive'
    when exists (
      select from pg_catalog.pg_locks l
      where l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
        and l.relation = ${literal(`${s}.runner`)}::pg_catalog.regclass
        and l.mode = 'RowExclusiveLock' and l.granted and l.pid <> pg_catalog.pg_backend_pid()
    ) or z.pid is not null then 'alive'
    ${
      ownRun === undefined
        ? ""
        : `when r.run_id = ${literal(ownRun)} then 'dead'
    `
    }when r.expires_at > pg_catalog.clock_timestamp() then 'expiring-soon'
    else 'expired'
  end`;
}

function backendGone(): string {
  return "r.direct and (a.pid is null or a.backend_start <> r.backend_start)";
}

/**
 * Takes the lease where it is free or its holder is gone, and reads the ledger: the statements of one
 * transaction. The row is locked first, and judged by the next statement
 * with a snapshot of its own: the locking statement itself would pair the row's new
 * version with what it had read of the old holder's session before.
 *
 * Its commit, and the release's, are asynchronous: a server crash that takes them
 * back takes the holder's session with it.
 */
export function takeLease(
  schema: string,
  identity: RunIdentity,
  handshakePid: number,
): readonly string[] {
  const s = identifier(schema);
  return [
    ASYNCHRONOUS_COMMIT,
    `select set_config('tidemark.locked', count(*)::text, true)
from (select 1 from ${s}.runner where id = 1 for update skip locked) locked`,
    `with judged as (
  select r.id
  from ${s}.runner r
  left join lateral pg_stat_get_activity(r.backend_pid) a on r.backend_pid is not null
  where r.id = 1
    and current_setting('tidemark.locked') = '1'
    and (r.run_id is null
      or ((r.run_id = ${literal(identity.runId)} or ${backendGone()} or r.expires_at <= clock_timestamp())
        and not exists (${zombie("true")})))
)
update ${s}.runner r
set run_id = ${literal(identity.runId)},
  token = r.token + 1,
  step = 0,
  backend_pid = pg_backend_pid(),
  backend_start = ${ownBackendStart()},
  direct = (pg_backend_pid() = ${integer(handshakePid)}),
  host = ${literal(identity.host)},
  process_id = ${integer(identity.processId)},
  db_user = session_user,
  activity = null,
  acquired_at = clock_timestamp(),
  expires_at = clock_timestamp() + interval '${integer(LEASE_TTL_MS)} ms'
from judged j
where r.id = j.id
returning jsonb_build_object('token', r.token::text, 'direct', r.direct, 'now', clock_timestamp(),
  'mirror', to_jsonb(r) -> 'drizzle_table') as tidemark_lease`,
    readRows(schema),
  ];
}

function ownBackendStart(): string {
  return "(select a.backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a)";
}

/** Runner and state table in one message. */
export function readAll(schema: string): string {
  return `${look(schema)};\n${readRows(schema)}`;
}

/**
 * The fence: renews the lease, or raises. With a step, also proves that the
 * message before this one was committed, so that messages can be sent ahead.
 */
export function fence(
  { schema, lease }: Held,
  { step, activity }: { readonly step?: number; readonly activity: string | null },
): string {
  const number = step === undefined ? "null" : integer(step);
  return `select ${identifier(schema)}.fence(${literal(lease.runId)}, ${lease.token}, ${number}, ${literal(activity)})`;
}

/** The steps of a run begin after this: what was fenced before does not count. */
export function firstStep({ schema }: Pick<Held, "schema">): string {
  return `update ${identifier(schema)}.runner set step = 0 where id = 1`;
}

/** Column of the row that says that the lease was renewed. */
export const RENEWED = "tidemark_renewed";

// What a try has left in its session would be in the way of the next. Behind a pooler these
// may be another client's.
const FORGET_WHAT_OUTLIVES_ROLLBACK = [
  "deallocate all",
  "select pg_catalog.pg_advisory_unlock_all()",
];

/** Ends what an error has left open, and renews the lease. No row where it is another's by now. */
export function renewLease({ schema, lease }: Held, serverVersion: number): string {
  const renew = `update ${identifier(schema)}.runner
set expires_at = clock_timestamp() + interval '${integer(LEASE_TTL_MS)} ms'
where ${isHeld(lease)}
returning true as ${RENEWED}`;
  return [
    "rollback",
    transaction(serverVersion, [ASYNCHRONOUS_COMMIT, renew]),
    ...(lease.direct ? FORGET_WHAT_OUTLIVES_ROLLBACK : []),
  ].join(";\n");
}

/** Gives the lease back. No row and no error where it is another's by now. */
export function releaseLease({ schema, lease }: Held): string {
  return `update ${identifier(schema)}.runner
set run_id = null, backend_pid = null, backend_start = null, direct = null, host = null,
  process_id = null, db_user = null, activity = null, acquired_at = null, expires_at = null
where ${isHeld(lease)}`;
}

function isHeld({ runId, token }: Held["lease"]): string {
  return `id = 1 and run_id = ${literal(runId)} and token = ${token}`;
}
