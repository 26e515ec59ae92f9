import { integer } from "../db/base/quote.ts";
import type { DatabasePool, Transaction } from "../db/pool/index.ts";
import type { AnyStoredEvent } from "../eventstore/index.ts";
import type { BatchTask } from "./batch.ts";
import { readPage } from "./page.ts";
import { lockPosition, movePosition, type StateKey } from "./position.ts";

/** So many aggregates in a row without a success between: it is the handler that is broken. */
export const MOST_IN_A_ROW = 20;

export type QuarantineResult =
  /** The row is there, and the position past the event. */
  | { readonly kind: "quarantined" }
  /** The state moved on in another process. */
  | { readonly kind: "moved" }
  /** Nothing was written: too many in a row. */
  | { readonly kind: "halted"; readonly quarantined: number };

/**
 * Holds the aggregate of an event back that cannot be handled, unless too many were already: the row
 * and the position past the event in one transaction.
 */
export async function quarantine(
  pool: DatabasePool,
  task: BatchTask,
  event: AnyStoredEvent,
  error: string,
): Promise<QuarantineResult> {
  const { subscriber, instanceId, upTo } = task;
  const key = { name: subscriber.name, instanceId };
  return pool.transaction(async (tx): Promise<QuarantineResult> => {
    const locked = await lockPosition(tx, key, { ...task, ...subscriber });
    if (locked === undefined || locked.position >= upTo) return { kind: "moved" };
    // It is still the next one: nobody has handled or quarantined it meanwhile.
    const { events } = await readPage(tx, locked, upTo, subscriber.kinds, 1);
    if (events[0]?.position !== event.position) return { kind: "moved" };
    const inARow = await quarantinedInARow(tx, key);
    if (inARow >= MOST_IN_A_ROW) return { kind: "halted", quarantined: inARow };
    await tx.query(
      `insert into projections.failed_events
         (instance_id, projection_name, aggregate_type, aggregate_id, failed_sequence,
          event_creation_date, error, last_failed)
       values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())`,
      [
        instanceId,
        key.name,
        event.aggregateType,
        event.aggregateId,
        event.sequence,
        event.createdAt,
        error,
      ],
    );
    await movePosition(tx, key, event.position);
    return { kind: "quarantined" };
  });
}

/** Aggregates quarantined since the last success: what any process finds in the database. */
export const IN_A_ROW_QUERY = `
  select count(*) as count from (
    select from projections.failed_events f
    join projections.current_states s using (instance_id, projection_name)
    where f.instance_id = $1 and f.projection_name = $2
      and f.failure_count = 1 and f.last_failed > s.last_updated
    limit ${integer(MOST_IN_A_ROW)}) as recent`;

async function quarantinedInARow(tx: Transaction, key: StateKey): Promise<number> {
  const row = await tx.queryOne<{ count: number }>(IN_A_ROW_QUERY, [key.instanceId, key.name]);
  return row?.count ?? 0;
}
