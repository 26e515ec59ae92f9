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

export interface Behind {
  readonly instanceId: string;
  readonly name: string;
  /** Of the instance's last visible event. */
  readonly head: number;
  readonly position: number;
  /** It has no row yet. */
  readonly isNew: boolean;
}

export async function pollBehind(
  pool: DatabasePool,
  names: readonly string[],
): Promise<readonly Behind[]> {
  if (names.length === 0) return [];
  return pool.query<Behind>(POLL_QUERY, [names]);
}
