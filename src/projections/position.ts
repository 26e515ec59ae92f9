import type { DatabasePool, Transaction } from "../db/pool/index.ts";
import type { AnyStoredEvent } from "./store.ts";

/** One projection or reactor in one instance: a row of `projections.current_states`. */
export interface StateKey {
  readonly name: string;
  readonly instanceId: string;
}

export interface Limits {
  readonly idleTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** Makes the row, unless it is there. */
export async function ensurePosition(
  database: DatabasePool | Transaction,
  { name, instanceId }: StateKey,
  position = 0,
): Promise<void> {
  await database.query(
    `insert into projections.current_states (instance_id, projection_name, position)
     values ($1, $2, $3) on conflict (instance_id, projection_name) do nothing`,
    [instanceId, name, position],
  );
}

/**
 * Locks the row until the transaction ends, and gives the position; undefined if another
 * transaction has it, or if there is none. The lock is the lease: the server takes it from a process
 * whose connection is lost, or that stands still in its transaction for longer than the limit.
 */
export async function lockPosition(
  tx: Transaction,
  { name, instanceId }: StateKey,
  limits: Limits,
  wait: "skip locked" | "wait" = "skip locked",
): Promise<number | undefined> {
  const row = await tx.queryOne<{ position: number }>(
    `select position,
       set_config('idle_in_transaction_session_timeout', $3, true),
       set_config('statement_timeout', $4, true)
     from projections.current_states
     where instance_id = $1 and projection_name = $2
     for update ${wait === "wait" ? "" : wait}`,
    [instanceId, name, `${limits.idleTimeoutMs}ms`, `${limits.statementTimeoutMs}ms`],
  );
  return row?.position;
}

/**
 * Moves the position of a locked row. With `last`, the last event handled, which also says that the
 * handler works: `last_updated` is the time of the last success.
 */
export async function movePosition(
  tx: Transaction,
  { name, instanceId }: StateKey,
  position: number,
  last?: AnyStoredEvent,
): Promise<void> {
  if (last === undefined) {
    await tx.query(
      `update projections.current_states set position = $3
       where instance_id = $1 and projection_name = $2`,
      [instanceId, name, position],
    );
    return;
  }
  await tx.query(
    `update projections.current_states
     set position = $3, last_updated = clock_timestamp(),
       aggregate_type = $4, aggregate_id = $5, sequence = $6, event_date = $7
     where instance_id = $1 and projection_name = $2`,
    [
      instanceId,
      name,
      position,
      last.aggregateType,
      last.aggregateId,
      last.sequence,
      last.createdAt,
    ],
  );
}
