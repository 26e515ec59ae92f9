import { integer } from "../db/base/quote.ts";
import type { Transaction } from "../db/pool/index.ts";
import { type AnyStoredEvent, EVENT_COLUMNS, type EventRow, eventOf } from "../eventstore/index.ts";
import { type Locked, orderByIndex, plannerRestored } from "./position.ts";
import { isOfKinds } from "./subscriber.ts";

/** Events looked at for one batch, at most, so that a rare kind does not make a long statement. */
const SCANNED = 10_000;

/**
 * The page is cut before its kinds are looked at, and what is quarantined is asked of a set that is
 * read once: the index gives the order, and there is no join that would need a sort.
 *
 * Parameters: instance, after, up to, kinds, projection.
 */
export function pageQuery(locked: Pick<Locked, "planner">, limit: number): string {
  return `
    select page.* from (
      select ${EVENT_COLUMNS}
      from eventstore.events
      where instance_id = $1 and global_sequence > $2 and global_sequence <= $3
      order by global_sequence
      limit ${integer(SCANNED)}
    ) as page
    where ${plannerRestored(locked)}
      and ${isOfKinds("page", "$4")}
      and (page.aggregate_type, page.aggregate_id) not in (
        select aggregate_type, aggregate_id from projections.failed_events
        where instance_id = $1 and projection_name = $5)
    order by page.global_sequence
    limit ${integer(limit)}`;
}

export interface Page {
  readonly events: readonly AnyStoredEvent[];
  /** Up to here, every event is one of `events` or not for this projection. */
  readonly position: number;
}

/**
 * The next events of these kinds behind the locked position, in order, without the quarantined
 * aggregates. `upTo` must be settled: a barrier that was read before this statement.
 */
export async function readPage(
  tx: Transaction,
  locked: Locked,
  upTo: number,
  kinds: readonly string[],
  limit: number,
): Promise<Page> {
  const { instanceId, name, position: after } = locked;
  const params = [instanceId, after, upTo];
  const rows = await tx.query<EventRow>(pageQuery(locked, limit), [...params, kinds, name]);
  const events = rows.map(eventOf);
  const last = events.at(-1);
  if (events.length === limit && last !== undefined) return { events, position: last.position };
  // Numbers are whole and no two are the same: so few of them were all looked at.
  if (upTo - after <= SCANNED) return { events, position: upTo };
  await orderByIndex(tx);
  const scanned = await tx.queryOne<ScanEnd>(scanEndQuery(locked), params);
  const isWhole = scanned === undefined || scanned.count < SCANNED;
  return { events, position: isWhole ? upTo : (scanned.last ?? upTo) };
}

interface ScanEnd {
  readonly last: number | null;
  readonly count: number;
}

/** Where the page was cut. Parameters: instance, after, up to. */
export function scanEndQuery(locked: Pick<Locked, "planner">): string {
  return `
    select max(global_sequence) as last, count(*) as count from (
      select global_sequence from eventstore.events
      where instance_id = $1 and global_sequence > $2 and global_sequence <= $3
      order by global_sequence limit ${integer(SCANNED)}) as page
    where ${plannerRestored(locked)}`;
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
  const rows = await tx.query<EventRow>(
    `select ${EVENT_COLUMNS}
     from eventstore.events e
     where instance_id = $1 and aggregate_type = $2 and aggregate_id = $3
       and sequence >= $4 and global_sequence <= $5
       and ${isOfKinds("e", "$6")}
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
  return rows.map(eventOf);
}
