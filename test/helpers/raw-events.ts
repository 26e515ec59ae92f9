import type { DatabasePool, Transaction } from "../../src/db/pool/index.ts";

export interface RawEvent {
  readonly instanceId?: string;
  readonly aggregateType?: string;
  readonly id?: string;
  readonly type?: string;
  readonly revision?: number;
  readonly payload?: Readonly<Record<string, unknown>>;
}

/**
 * Appends events as the store does, without its checks: each with the next sequence of its
 * aggregate, under the instance's shared lock. The numbers come in the order of the events.
 */
export async function appendRaw(
  database: DatabasePool | Transaction,
  events: readonly RawEvent[],
): Promise<void> {
  await database.query(
    `with new as (
       select coalesce(e->>'instanceId', 'i1') as instance_id,
         coalesce(e->>'aggregateType', 'tally') as aggregate_type, coalesce(e->>'id', 't1') as id,
         coalesce(e->>'type', 'tally.added') as type, coalesce((e->>'revision')::int, 1) as revision,
         coalesce(e->'payload', '{"by":1}') as payload, n
       from jsonb_array_elements($1::jsonb) with ordinality as input(e, n)),
     locked as materialized (
       select pg_advisory_xact_lock_shared(hashtextextended('eventstore.events:' || instance_id, 0))
       from (select distinct instance_id from new) as instances)
     insert into eventstore.events
       (instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner, payload)
     select instance_id, aggregate_type, id,
       (select coalesce(max(sequence), 0) from eventstore.events e
        where e.instance_id = new.instance_id and e.aggregate_type = new.aggregate_type
          and e.aggregate_id = new.id)
         + row_number() over (partition by instance_id, aggregate_type, id order by n),
       type, revision, 'c1', 'o1', payload
     from new where (select count(*) from locked) > 0 order by n`,
    [JSON.stringify(events)],
  );
}

/** Events for as many aggregates, round and round. */
export function many(count: number, aggregates = 10, more: RawEvent = {}): readonly RawEvent[] {
  return Array.from({ length: count }, (_, n) => ({ id: `t${n % aggregates}`, ...more }));
}
