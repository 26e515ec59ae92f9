import { identifier, integer, literal } from "../../base/quote.ts";

/** Column that every answer to a message with `BOUNDED` has: one without it is the answer to another. */
export const ASKED = "tidemark_asked";

/** Column of the same row: when the server was started, which tells it from another one, and from itself after a restart. */
export const STARTED = "tidemark_started";

// In the transaction that a message is by itself. A session that locks the ledger's tables for
// good must not hold a reader for ever, and no operator of another owner is taken for the
// server's, in whatever order the role's search_path has them. A look seems expensive to the planner,
// because it reads functions: a server with JIT would compile it for 0.4 s. A policy that would hide rows is an
// error: a ledger without rows means that nothing was applied.
export const BOUNDED = `select pg_catalog.set_config('lock_timeout', '5s', true) as ${ASKED},
  extract(epoch from pg_catalog.pg_postmaster_start_time())::pg_catalog.text as ${STARTED},
  pg_catalog.set_config('statement_timeout', '0', true),
  pg_catalog.set_config('jit', 'off', true),
  pg_catalog.set_config('row_security', 'off', true),
  pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)`;

/**
 * Reads the state table, one row per tag. In a ledger older than version 3 `reverting`, than 4 `backfill`, is found outside of it.
 */
export function readRows(schema: string): string {
  return `${BOUNDED};
select pg_catalog.jsonb_build_object(
  'tag', m.tag, 'state', m.state, 'rank', m.rank, 'attempt', m.attempt, 'checksum', m.checksum,
  'statementsDone', m.statements_done, 'statementsTotal', m.statements_total, 'prefix', m.prefix, 'underWay', m.under_way,
  'startedAt', m.started_at, 'finishedAt', m.finished_at, 'durationMs', m.duration_ms,
  'runId', m.run_id, 'owner', m.owner, 'error', m.error, 'eventId', m.event_id,
  'reverting', (select reverting from (select m.*) known), 'backfill', (select backfill from (select m.*) known)
) as tidemark_row
from (select null::pg_catalog.jsonb as reverting, null::pg_catalog.text as backfill) older
cross join ${identifier(schema)}.schema_migrations m`;
}

/** Column of a stored down file. */
export const STORED_DOWN = "tidemark_down";

/** Reads the down files that are stored, of a ledger of version 3 on. */
export function readStoredDowns(schema: string): string {
  return `${BOUNDED};
select pg_catalog.jsonb_build_object('tag', d.tag, 'checksum', d.down_checksum, 'sql', d.down_sql) as ${STORED_DOWN}
from ${identifier(schema)}.schema_migrations d
where d.down_sql is not null`;
}

/** Which events of the log. */
export interface EventsWanted {
  readonly tag?: string | undefined;
  /** Id of the last event that is known. */
  readonly after?: number | undefined;
  /** The newest so many; all of them when undefined. */
  readonly newest?: number | undefined;
}

/** Reads the log, oldest first. */
export function readEvents(schema: string, { tag, after, newest }: EventsWanted = {}): string {
  const events = `${identifier(schema)}.migration_events`;
  const which = `e.id > ${integer(after ?? 0)}${tag === undefined ? "" : ` and e.tag = ${literal(tag)}`}`;
  const read = `select ${eventObject("e")} as tidemark_event`;
  if (newest === undefined) return `${read}\nfrom ${events} e\nwhere ${which}\norder by e.id`;
  // From the end of the index: however long the log is, this reads no more of it.
  return `${read}
from (select * from ${events} e where ${which} order by e.id desc limit ${integer(newest)}) e
order by e.id`;
}

/** A row of the log as one object. */
export function eventObject(alias: string): string {
  const e = alias;
  return `pg_catalog.jsonb_build_object(
  'id', ${e}.id, 'at', ${e}.at, 'type', ${e}.type, 'runId', ${e}.run_id, 'tag', ${e}.tag,
  'attempt', ${e}.attempt, 'checksum', ${e}.checksum, 'payload', ${e}.payload,
  'owner', ${ownerObject(e)}
)`;
}

/** The owner columns of an event as one object, which is what the state table keeps. */
export function ownerObject(alias: string): string {
  return `pg_catalog.jsonb_build_object('user', ${alias}.db_user, 'host', ${alias}.host, 'processId', ${alias}.process_id, 'backendPid', ${alias}.backend_pid, 'backendStart', ${alias}.backend_start, 'toolVersion', ${alias}.tool_version, 'appVersion', ${alias}.app_version)`;
}
