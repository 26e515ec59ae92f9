import type { Run } from "./database.ts";
import type { Aggregate, AggregateRef, AnyStoredEvent } from "./definition.ts";
import { eventStoreError } from "./event-store-error.ts";
import { EVENT_COLUMNS, type EventRow, eventOf } from "./payload.ts";

/** Events of these types of one kind of aggregate. */
export interface EventSelection {
  readonly aggregateType: string;
  /** All of the kind if left out. */
  readonly eventTypes?: readonly string[] | undefined;
}

export interface ReadAggregateOptions {
  /** The last sequence that is known already. Default 0: from the first on. */
  readonly after?: number;
  /** Events a statement; default 1,000. */
  readonly pageSize?: number;
}

export interface ReadInstanceOptions {
  /** The cursor: the position of the last event that was handled. Default 0. */
  readonly after?: number;
  readonly pageSize?: number;
  /** Default: everything. */
  readonly select?: readonly EventSelection[];
}

const PAGE_SIZE = 1_000;

/** An aggregate's events, page by page by key: however many, one page is in memory. */
export async function* aggregatePages(
  run: Run,
  { type }: Pick<Aggregate, "type">,
  { instanceId, id }: AggregateRef,
  { after = 0, pageSize = PAGE_SIZE }: ReadAggregateOptions = {},
): AsyncGenerator<readonly AnyStoredEvent[]> {
  const size = checkedSize(pageSize);
  for (let last = after; ; ) {
    const rows = await run<EventRow>(
      `select ${EVENT_COLUMNS} from eventstore.events
       where instance_id = $1::text and aggregate_type = $2::text and aggregate_id = $3::text
         and sequence > $4::bigint
       order by sequence limit $5::int`,
      [instanceId, type, id, last, size],
    );
    const events = rows.map(eventOf);
    if (events.length > 0) yield events;
    if (events.length < size) return;
    last = events.at(-1)?.sequence ?? last;
  }
}

/**
 * An instance's events in their order, after a cursor and up to the barrier, page by page by key.
 *
 * One type is read by its index. Of several the page is cut before they are looked at, so that a
 * page costs the same however rare they are, and no plan collects and sorts them.
 */
export async function* instancePages(
  run: Run,
  instanceId: string,
  upTo: number,
  { after = 0, pageSize = PAGE_SIZE, select }: ReadInstanceOptions = {},
): AsyncGenerator<readonly AnyStoredEvent[]> {
  const size = checkedSize(pageSize);
  const only = select === undefined ? undefined : onlyType(select);
  for (let last = after; last < upTo; ) {
    const page =
      only === undefined
        ? await anyPage(run, { instanceId, after: last, upTo, size, select })
        : await pageOfType(run, only, { instanceId, after: last, upTo, size });
    if (page.events.length > 0) yield page.events;
    last = page.last;
  }
}

interface Page {
  readonly instanceId: string;
  readonly after: number;
  readonly upTo: number;
  readonly size: number;
}

async function pageOfType(
  run: Run,
  [aggregateType, eventType]: readonly [string, string],
  { instanceId, after, upTo, size }: Page,
) {
  const rows = await run<EventRow>(
    `select ${EVENT_COLUMNS} from eventstore.events
     where instance_id = $1::text and aggregate_type = $2::text and event_type = $3::text
       and global_sequence > $4::bigint and global_sequence <= $5::bigint
     order by global_sequence limit $6::int`,
    [instanceId, aggregateType, eventType, after, upTo, size],
  );
  const events = rows.map(eventOf);
  return { events, last: events.length < size ? upTo : (events.at(-1)?.position ?? upTo) };
}

async function anyPage(
  run: Run,
  { instanceId, after, upTo, size, select }: Page & { select: ReadInstanceOptions["select"] },
) {
  const rows = await run<EventRow>(
    `select ${EVENT_COLUMNS} from eventstore.events
     where instance_id = $1::text and global_sequence > $2::bigint and global_sequence <= $3::bigint
     order by global_sequence limit $4::int`,
    [instanceId, after, upTo, size],
  );
  const last = rows.length < size ? upTo : Number(rows.at(-1)?.global_sequence ?? upTo);
  const events = rows.map(eventOf);
  return { last, events: select === undefined ? events : events.filter(selects(select)) };
}

/** Whether an event is among the selected ones. */
export function selects(select: readonly EventSelection[]): (event: AnyStoredEvent) => boolean {
  const all = new Set<string>();
  const types = new Set<string>();
  for (const { aggregateType, eventTypes } of select) {
    if (eventTypes === undefined) all.add(aggregateType);
    for (const type of eventTypes ?? []) types.add(`${aggregateType} ${type}`);
  }
  return ({ aggregateType, type }) =>
    all.has(aggregateType) || types.has(`${aggregateType} ${type}`);
}

function onlyType(select: readonly EventSelection[]): readonly [string, string] | undefined {
  const [first, ...more] = select;
  const [type, ...others] = first?.eventTypes ?? [];
  if (first === undefined || type === undefined) return undefined;
  return more.length + others.length === 0 ? [first.aggregateType, type] : undefined;
}

function checkedSize(pageSize: number): number {
  if (Number.isInteger(pageSize) && pageSize > 0) return pageSize;
  throw eventStoreError("usage", `The page size is ${pageSize}.`, "Give a whole number from 1.");
}
