import type { DatabasePool } from "../db/pool/index.ts";

/**
 * Each instance with its last visible event: one index probe an instance (a skip scan over
 * `events_global_sequence_key`), however many events there are.
 */
export const INSTANCE_HEADS = `
  heads as (
    (select instance_id, global_sequence as head from eventstore.events
     order by instance_id desc, global_sequence desc limit 1)
    union all
    select next.instance_id, next.global_sequence from heads
    cross join lateral (
      select instance_id, global_sequence from eventstore.events
      where instance_id < heads.instance_id
      order by instance_id desc, global_sequence desc limit 1) as next)`;

/** All projections in all instances at once: those whose position is not at the last event. */
export const POLL_QUERY = `
  with recursive ${INSTANCE_HEADS}
  select heads.instance_id as "instanceId", wanted.name, heads.head,
    coalesce(s.position, 0) as position, s.position is null as "isNew"
  from heads
  cross join unnest($1::text[]) as wanted(name)
  left join projections.current_states s
    on s.instance_id = heads.instance_id and s.projection_name = wanted.name
  where s.position is null or s.position < heads.head`;

const LAST_NUMBER = `
  select coalesce(pg_catalog.pg_sequence_last_value(
    'eventstore.events_global_sequence_seq'::pg_catalog.regclass), 0) as last`;

// An append has its instance's lock, shared, from before it draws its numbers until its transaction has
// ended. The locks are looked at for the number that was read, and so after it: without one, every
// number up to there is committed and visible, or will never be.
const QUIET = `
  with drawn as materialized (${LAST_NUMBER})
  select last, not exists (
    select from pg_catalog.pg_locks
    where locktype = 'advisory' and objsubid = 1 and mode = 'ShareLock' and drawn.last >= 0
      and database = (select oid from pg_catalog.pg_database where datname = current_database())
  ) as "isQuiet"
  from drawn`;

/** For what moves a position backwards, or appends without the lock: neither draws a number after the look. */
const TRUST_MS = 10_000;

export interface Behind {
  readonly instanceId: string;
  readonly name: string;
  /** Of the instance's last visible event. */
  readonly head: number;
  readonly position: number;
  /** It has no row yet. */
  readonly isNew: boolean;
}

type Queries = Pick<DatabasePool, "query">;

export async function pollBehind(
  pool: Queries,
  names: readonly string[],
): Promise<readonly Behind[]> {
  if (names.length === 0) return [];
  return pool.query<Behind>(POLL_QUERY, [names]);
}

/**
 * Polls again and again. Once nothing is behind and no append is under way, it asks for nothing but the
 * last number drawn, which costs the same however many instances and events there are, until that
 * moves, or for `trustMs` (default 10,000) at most.
 */
export function createPoll(pool: Queries, names: readonly string[], trustMs: number = TRUST_MS) {
  /** Nothing is behind, and nothing up to this number is still to come. */
  let settled: { readonly last: number; readonly at: number } | undefined;
  let isCalm = false;

  return async (): Promise<readonly Behind[]> => {
    if (settled !== undefined && performance.now() - settled.at < trustMs) {
      const [drawn] = await pool.query<{ last: number }>(LAST_NUMBER);
      if (drawn?.last === settled.last) return [];
    }
    settled = undefined;
    // Before the poll, whose snapshot then has all that is not under way.
    const [drawn] = isCalm ? await pool.query<{ last: number; isQuiet: boolean }>(QUIET) : [];
    const behind = await pollBehind(pool, names);
    isCalm = behind.length === 0;
    if (isCalm && drawn?.isQuiet === true) settled = { last: drawn.last, at: performance.now() };
    return behind;
  };
}
