import { jittered, pause } from "../db/base/backoff.ts";
import type { DatabasePool, Transaction } from "../db/pool/index.ts";
import { LEAVE } from "./batch.ts";
import type { Projection, Reactor } from "./definition.ts";
import { isNotOfTheEvent, isTransient, textOf } from "./failures.ts";
import { readAggregatePart } from "./page.ts";
import { awaitPosition } from "./position.ts";
import {
  BATCH_SIZE,
  projectionSubscriber,
  reactorSubscriber,
  type Subscriber,
} from "./subscriber.ts";

/** An aggregate that a projection holds back. */
export interface Quarantined {
  readonly projection: string;
  readonly instanceId: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** Of the event that failed first. */
  readonly failedSequence: number;
  readonly failures: number;
  readonly error: string;
  readonly lastFailed: Date;
}

export interface RetryOptions {
  readonly pool: DatabasePool;
  readonly projection: Projection | Reactor;
  /** Default: all that are quarantined. */
  readonly aggregate?: {
    readonly instanceId?: string;
    readonly type?: string;
    readonly id?: string;
  };
  /** Called after each. */
  readonly onRetried?: (result: Retried) => void;
}

export type Retried = Quarantined &
  (
    | { readonly outcome: "released"; readonly events: number }
    /** It stays quarantined; `error` is the new one. */
    | { readonly outcome: "failed" }
    /** Another call has released it meanwhile. */
    | { readonly outcome: "gone" }
  );

const STATEMENT_TIMEOUT_MS = 300_000;
const TRIES = 6;

const COLUMNS = `projection_name as projection, instance_id as "instanceId",
  aggregate_type as "aggregateType", aggregate_id as "aggregateId",
  failed_sequence as "failedSequence", failure_count as failures, error, last_failed as "lastFailed"`;

/** What is held back, oldest failure first; at most `limit` (default 1,000). */
export function listQuarantined(options: {
  readonly pool: DatabasePool;
  readonly projection?: string;
  readonly limit?: number;
}): Promise<readonly Quarantined[]> {
  const { pool, projection, limit = 1_000 } = options;
  return pool.query<Quarantined>(
    `select ${COLUMNS} from projections.failed_events
     where projection_name = coalesce($1, projection_name)
     order by last_failed, instance_id, aggregate_type, aggregate_id
     limit $2`,
    [projection ?? null, limit],
  );
}

/**
 * Lets a projection handle what it holds back: for each aggregate the events from the one that
 * failed up to its position, in order and in one transaction, after which it follows the rest like
 * any other. One that fails again stays, with its new error.
 *
 * @throws what the events are not to blame for; what is transient, after some tries
 */
export async function retryQuarantined(options: RetryOptions): Promise<readonly Retried[]> {
  const { pool, projection, aggregate = {}, onRetried } = options;
  const subscriber =
    "react" in projection ? reactorSubscriber(projection) : projectionSubscriber(projection);
  const rows = await pool.query<Quarantined>(
    `select ${COLUMNS} from projections.failed_events
     where projection_name = $1 and instance_id = coalesce($2, instance_id)
       and aggregate_type = coalesce($3, aggregate_type) and aggregate_id = coalesce($4, aggregate_id)
     order by instance_id, aggregate_type, aggregate_id`,
    [projection.name, aggregate.instanceId ?? null, aggregate.type ?? null, aggregate.id ?? null],
  );
  const results: Retried[] = [];
  for (const row of rows) {
    const result = await retryOne(pool, subscriber, row);
    results.push(result);
    onRetried?.(result);
  }
  return results;
}

async function retryOne(
  pool: DatabasePool,
  subscriber: Subscriber,
  row: Quarantined,
): Promise<Retried> {
  for (let tries = 1; ; tries += 1) {
    try {
      const events = await pool.transaction((tx) => release(tx, subscriber, row), LEAVE);
      if (events === undefined) return { ...row, outcome: "gone" };
      return { ...row, outcome: "released", events };
    } catch (error) {
      if (!isNotOfTheEvent(error)) return stillFailing(pool, row, textOf(error));
      if (tries === TRIES || !isTransient(error)) throw error;
      await pause(jittered(100 * 2 ** tries));
    }
  }
}

/** The number of events; undefined if the row is gone. */
async function release(
  tx: Transaction,
  subscriber: Subscriber,
  row: Quarantined,
): Promise<number | undefined> {
  const { instanceId } = row;
  const { name, kinds } = subscriber;
  const limits = { ...subscriber, statementTimeoutMs: STATEMENT_TIMEOUT_MS, isDurable: true };
  const upTo = await awaitPosition(tx, { name, instanceId }, limits);
  const locked = await tx.queryOne(`${keyed("select")} for update`, keyOf(row));
  if (upTo === undefined || locked === undefined) return undefined;
  const { signal } = new AbortController();
  let count = 0;
  for (let from = row.failedSequence; ; ) {
    const part = await readAggregatePart(tx, row, { from, upTo }, kinds, BATCH_SIZE);
    if (part.length > 0) await subscriber.apply(tx, part, signal);
    count += part.length;
    from = (part.at(-1)?.sequence ?? from) + 1;
    if (part.length < BATCH_SIZE) break;
  }
  await tx.query(keyed("delete"), keyOf(row));
  // It has handled something: what failed before does not count as in a row any more.
  await tx.query(
    `update projections.current_states set last_updated = clock_timestamp()
     where instance_id = $1 and projection_name = $2`,
    [instanceId, name],
  );
  return count;
}

async function stillFailing(pool: DatabasePool, row: Quarantined, error: string): Promise<Retried> {
  const updated = await pool.queryOne<{ failures: number; lastFailed: Date }>(
    `${keyed("update", "set failure_count = failure_count + 1, error = $6, last_failed = clock_timestamp()")}
     returning failure_count as failures, last_failed as "lastFailed"`,
    [...keyOf(row), error],
  );
  if (updated === undefined) return { ...row, outcome: "gone" };
  return { ...row, ...updated, error, outcome: "failed" };
}

function keyed(verb: "select" | "delete" | "update", set = ""): string {
  const from = verb === "update" ? verb : `${verb} from`;
  return `${from} projections.failed_events ${set}
    where instance_id = $1 and projection_name = $2 and aggregate_type = $3 and aggregate_id = $4
      and failed_sequence = $5`;
}

function keyOf(row: Quarantined): readonly unknown[] {
  return [row.instanceId, row.projection, row.aggregateType, row.aggregateId, row.failedSequence];
}
