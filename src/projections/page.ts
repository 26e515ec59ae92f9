import { integer } from "../db/base/quote.ts";
import type { Transaction } from "../db/pool/index.ts";
import type { StateKey } from "./position.ts";
import type { AnyStoredEvent } from "./store.ts";

/** Events looked at for one batch, at most, so that a rare kind does not make a long statement. */
const SCANNED = 10_000;

const EVENT_COLUMNS = `
  instance_id as "instanceId", aggregate_type as "aggregateType", aggregate_id as "aggregateId",
  sequence, global_sequence as position, event_type as type, revision, creator, owner,
  created_at as "createdAt", coalesce(payload, '{}') as payload`;

/**
 * The page is cut before its kinds are looked at, and what is quarantined is asked of a set that is
 * read once: the index gives the order, and there is no join that would need a sort.
 *
 * Parameters: instance, after, up to, kinds, projection.
 */
export function pageQuery(limit: number, scanned: number = SCANNED): string {
  return `
    select page.* from (
      select ${EVENT_COLUMNS}
      from eventstore.events
      where instance_id = $1 and global_sequence > $2 and global_sequence <= $3
      order by global_sequence
      limit ${integer(scanned)}
    ) as page
    where page."aggregateType" || chr(31) || page.type = any($4)
      and (page."aggregateType", page."aggregateId") not in (
        select aggregate_type, aggregate_id from projections.failed_events
        where instance_id = $1 and projection_name = $5)
    order by page.position
    limit ${integer(limit)}`;
}

export interface Page {
  readonly events: readonly AnyStoredEvent[];
  /** Up to here, every event is one of `events` or not for this projection. */
  readonly position: number;
}

/**
 * The next events of these kinds behind a position, in order, without the quarantined aggregates.
 * `upTo` must be settled: a barrier that was read before this statement.
 */
export async function readPage(
  tx: Transaction,
  key: StateKey,
  range: { readonly after: number; readonly upTo: number },
  kinds: readonly string[],
  limit: number,
): Promise<Page> {
  const { after, upTo } = range;
  const events = await tx.query<AnyStoredEvent>(pageQuery(limit), [
    key.instanceId,
    after,
    upTo,
    kinds,
    key.name,
  ]);
  const last = events.at(-1);
  if (events.length === limit && last !== undefined) return { events, position: last.position };
  // Numbers are whole and no two are the same: so few of them were all looked at.
  if (upTo - after <= SCANNED) return { events, position: upTo };
  const scanned = await tx.queryOne<{ last: number | null; count: number }>(
    `select max(global_sequence) as last, count(*) as count from (
       select global_sequence from eventstore.events
       where instance_id = $1 and global_sequence > $2 and global_sequence <= $3
       order by global_sequence limit ${integer(SCANNED)}) as page`,
    [key.instanceId, after, upTo],
  );
  const wasCut = scanned !== undefined && scanned.count === SCANNED && scanned.last !== null;
  return { events, position: wasCut ? (scanned.last ?? upTo) : upTo };
}

/**
 * The events of one aggregate from a sequence on, up to a position, in order.
 */
export async function readAggregatePart(
  tx: Transaction,
  aggregate: {
    readonly instanceId: string;
    readonly aggregateType: string;
    readonly aggregateId: string;
  },
  range: { readonly from: number; readonly upTo: number },
  kinds: readonly string[],
  limit: number,
): Promise<readonly AnyStoredEvent[]> {
  return tx.query<AnyStoredEvent>(
    `select ${EVENT_COLUMNS}
     from eventstore.events
     where instance_id = $1 and aggregate_type = $2 and aggregate_id = $3
       and sequence >= $4 and global_sequence <= $5
       and aggregate_type || chr(31) || event_type = any($6)
     order by sequence
     limit ${integer(limit)}`,
    [
      aggregate.instanceId,
      aggregate.aggregateType,
      aggregate.aggregateId,
      range.from,
      range.upTo,
      kinds,
    ],
  );
}
