import { identifier, integer, jsonLiteral, literal } from "../../base/quote.ts";
import { BACKFILL_TTL_MS } from "../ledger/backfill-tables.ts";
import type { EventType } from "../ledger-types.ts";
import type { RunIdentity } from "../run-types.ts";
import type { BackfillState, RecordedError, Tag } from "../types.ts";
import type { Key, Target } from "./keys.ts";

/** What a person asks of one that runs. */
export type Wanted = "pause" | "cancel";

/** A row of the ledger's `backfills`. */
export interface BackfillRow {
  readonly tag: Tag;
  /** As SQL, with its schema. */
  readonly table: string;
  readonly key: readonly string[];
  readonly background: boolean;
  readonly state: BackfillState;
  readonly wanted: Wanted | null;
  /** From 1. */
  readonly pass: number;
  /** The key of the last row that was handled; null before the first. */
  readonly position: Key | null;
  readonly rowsDone: number;
  /** By the statistics of when it began. */
  readonly rowsExpected: number | null;
  readonly batches: number;
  readonly batchSize: number;
  readonly efficiency: number | null;
  /** Time in batches, in milliseconds. */
  readonly busyMs: number;
  /** Statements of `finalize` that are done. */
  readonly finalized: number;
  /** Why it waits. */
  readonly reason: string | null;
  readonly error: RecordedError | null;
  readonly quarantined: number;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly finishedAt: string | null;
  /** The process that runs it. */
  readonly worker: string | null;
  readonly isRunning: boolean;
}

/** Column of a row of `backfills`, as JSON. */
export const BACKFILL = "tidemark_backfill";
/** Column of the pass that it counts as. */
export const PASS = "tidemark_pass";
/** Column of what a person wants. */
export const WANTED = "tidemark_wanted";

function rowJson(s: string): string {
  return `pg_catalog.jsonb_build_object(
  'tag', b.tag, 'table', b.table_name, 'key', b.key_columns, 'background', b.background, 'state', b.state,
  'wanted', b.wanted, 'pass', b.pass, 'position', b.position, 'rowsDone', b.rows_done,
  'rowsExpected', b.rows_expected, 'batches', b.batches, 'batchSize', b.batch_size, 'efficiency', b.efficiency,
  'busyMs', b.busy_ms, 'finalized', b.finalized, 'reason', b.reason, 'error', b.error,
  'quarantined', (select pg_catalog.count(*) from ${s}.backfill_rows q where q.tag = b.tag),
  'startedAt', b.started_at, 'updatedAt', b.updated_at, 'finishedAt', b.finished_at,
  'worker', b.worker, 'isRunning', ${isAlive("b")})`;
}

/** Who runs it. */
export interface Claimant {
  readonly runId: string;
  /** As people know it: host and process. */
  readonly worker: string;
  /** By the handshake: behind a pooler not the server's. */
  readonly handshakePid: number;
  readonly takesOver: boolean;
}

/**
 * Makes it this run's, where it is nobody's or its runner is gone, and no other runs over the same table: statements
 * of a transaction. One row where it is ours; with it what a person wants is answered.
 */
export function claim(
  schema: string,
  tag: Tag,
  { runId, worker, handshakePid, takesOver }: Claimant,
): readonly string[] {
  const s = identifier(schema);
  const waits = `b.state in ('PENDING', 'RUNNING') and not ${isAlive("b")}
    and not exists (select from ${s}.schema_migrations m where m.tag = b.tag and m.reverting is not null)`;
  return [
    // One claims at a time: two of one table would each see the other's row as free.
    `select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(${literal(`tidemark:${schema}:backfills`)}, 0))`,
    `with free as (
  select b.tag from ${s}.backfills b
  where b.tag = ${literal(tag)} and ${takesOver ? "b.state not in ('DONE', 'PAUSED')" : waits}
  -- What a transaction of its runner has locked is alive, however long ago it renewed its claim.
  for update of b ${takesOver ? "" : "skip locked"}
), others as (
  select o.tag from ${s}.backfills o, ${s}.backfills b
  where b.tag = ${literal(tag)} and o.tag <> b.tag and o.table_oid = b.table_oid and o.run_id is not null
), gone as (
  select o.tag from ${s}.backfills o
  where o.tag in (select others.tag from others) and not ${isAlive("o")}
  for update of o skip locked
), ours as (
  update ${s}.backfills b
  set run_id = ${literal(runId)}, worker = ${literal(worker)}, state = 'RUNNING', reason = null,
    error = null, finished_at = null,
    backend_pid = case when pg_catalog.pg_backend_pid() = ${integer(handshakePid)} then pg_catalog.pg_backend_pid() end,
    backend_start = (select a.backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a),
    expires_at = pg_catalog.clock_timestamp() + interval '${BACKFILL_TTL_MS} ms'
  from free
  where b.tag = free.tag
    and (select pg_catalog.count(*) from others) = (select pg_catalog.count(*) from gone)
  returning b.*
)
select ${rowJson(s)} as ${BACKFILL} from ours b`,
  ];
}

/** One, or all of them in the order in which they began. */
export function readBackfills(schema: string, tag?: Tag): string {
  const s = identifier(schema);
  const which = tag === undefined ? "" : ` where b.tag = ${literal(tag)}`;
  return `select ${rowJson(s)} as ${BACKFILL} from ${s}.backfills b${which} order by b.started_at, b.tag`;
}

/** Condition: a process runs the one of this alias. */
export function isAlive(alias: string): string {
  return `(${alias}.run_id is not null and ${alias}.expires_at > pg_catalog.clock_timestamp() and not (
      ${alias}.backend_pid is not null and not exists (
        select from pg_catalog.pg_stat_get_activity(${alias}.backend_pid) a
        where a.backend_start is null or a.backend_start = ${alias}.backend_start)))`;
}

/** Registers it; where it is, as its file has it now. */
export function register(
  schema: string,
  tag: Tag,
  target: Target,
  { background, size }: { readonly background: boolean; readonly size: number },
): string {
  const key = target.key.map(({ name }) => literal(name)).join(", ");
  const untouched = "(b.rows_done = 0 and b.finalized = 0)";
  return `insert into ${identifier(schema)}.backfills as b
  (tag, table_oid, table_name, key_columns, background, state, rows_expected, batch_size)
values (${literal(tag)}, ${integer(target.oid)}, ${literal(target.name)}, array[${key}], ${background}, 'PENDING',
  ${target.rows === null ? "null" : integer(target.rows)}, ${integer(size)})
-- Of one that has begun, the file may name the same table otherwise, or the same name may be another table: after a
-- restore. Where both differ, or the key, its position says nothing: that is refused when it is to go on.
on conflict (tag) do update set
  background = excluded.background,
  table_oid = case when ${untouched} or b.table_name = excluded.table_name then excluded.table_oid else b.table_oid end,
  table_name = case when ${untouched} or b.table_oid = excluded.table_oid then excluded.table_name else b.table_name end,
  key_columns = case when ${untouched} then excluded.key_columns else b.key_columns end
where b.state <> 'DONE'`;
}

/** Leaves it to a worker, also where it has failed before: statements of the migration's record. */
export function leaveToWorker(schema: string, tag: Tag): readonly string[] {
  const s = identifier(schema);
  return [
    `update ${s}.backfills set state = 'PENDING', run_id = null, error = null
where tag = ${literal(tag)} and state not in ('DONE', 'PAUSED')`,
    `update ${s}.schema_migrations m set backfill = b.state from ${s}.backfills b
where m.tag = ${literal(tag)} and b.tag = m.tag`,
  ];
}

/** What a transaction changes of a backfill; what is not named stays. */
export interface Change {
  readonly position?: Key | null;
  readonly pass?: number;
  readonly rows?: number;
  readonly tookMs?: number;
  readonly size?: number;
  readonly efficiency?: number;
  readonly finalized?: number;
  readonly state?: BackfillState;
  readonly reason?: string | null;
  readonly error?: RecordedError | null;
  /** What goes into the log. */
  readonly event?: LoggedEvent;
  /** It is nobody's from here. */
  readonly release?: true;
}

/** What happened, and who says so. */
export interface LoggedEvent {
  readonly type: Extract<EventType, `backfill.${string}`>;
  readonly runId: string;
  readonly host: string;
  readonly processId: number;
  readonly toolVersion: string;
  readonly appVersion: string | null;
}

/** An event of a run. */
export function logged(type: LoggedEvent["type"], identity: RunIdentity): LoggedEvent {
  const { runId, host, processId, toolVersion, appVersion } = identity;
  return { type, runId, host, processId, toolVersion, appVersion };
}

/**
 * Comes before all else in a transaction that writes an event: ids are in the order of the commits. A migration's
 * transaction holds the row until its end.
 */
export function lockLog(schema: string): string {
  return `select from ${identifier(schema)}.runner r where r.id = 1 for update`;
}

/** Writes an event where the condition on the backfill `b` holds. */
export function logEvent(schema: string, tag: Tag, event: LoggedEvent, condition: string): string {
  const s = identifier(schema);
  return `select ${s}.backfill_event(b.tag, ${jsonLiteral(event)}) from ${s}.backfills b
where b.tag = ${literal(tag)} and ${condition}`;
}

/** Commits a change with the transaction, or raises where it is another's by now. */
export function checkpoint(schema: string, tag: Tag, runId: string, change: Change): string {
  return `select ${identifier(schema)}.backfill_checkpoint(${literal(tag)}, ${literal(runId)}, ${jsonLiteral(change)}) as ${WANTED}`;
}

/** Puts a row aside that cannot be filled. */
export function quarantine(schema: string, tag: Tag, key: Key, error: RecordedError): string {
  return `insert into ${identifier(schema)}.backfill_rows as r (tag, key, error)
values (${literal(tag)}, ${jsonLiteral(key)}, ${jsonLiteral(error)})
on conflict (tag, key) do update set error = excluded.error, tries = r.tries + 1, at = pg_catalog.clock_timestamp()`;
}

/** Column of a row that was put aside: its key. */
export const QUARANTINED = "tidemark_quarantined";

export function readQuarantined(schema: string, tag: Tag): string {
  return `select r.key as ${QUARANTINED} from ${identifier(schema)}.backfill_rows r where r.tag = ${literal(tag)} order by r.at`;
}

export function releaseRow(schema: string, tag: Tag, key: Key): string {
  return `delete from ${identifier(schema)}.backfill_rows r where r.tag = ${literal(tag)} and r.key = ${jsonLiteral(key)}`;
}
