import { literal } from "../db/base/quote.ts";
import type { DatabasePool, Transaction } from "../db/pool/index.ts";
import type { AnyStoredEvent } from "../eventstore/index.ts";
import type { Behind } from "./poll.ts";
import type { Subscriber } from "./subscriber.ts";

/** One projection or reactor in one instance: a row of `projections.current_states`. */
export interface StateKey {
  readonly name: string;
  readonly instanceId: string;
}

export interface Limits {
  readonly idleTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /**
   * Whether COMMIT waits for the disk. A server that crashes may lose the last commits of those that
   * do not: the rows and the position together, so that the events are handled again.
   */
  readonly isDurable: boolean;
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

/** Makes the rows of all that have none yet and begin at the first event, in one statement. */
export async function createPositions(
  pool: DatabasePool,
  behind: readonly Behind[],
  subscribers: ReadonlyMap<string, Pick<Subscriber, "from">>,
): Promise<void> {
  const missing = behind.filter(
    ({ isNew, name }) => isNew && subscribers.get(name)?.from === "beginning",
  );
  if (missing.length === 0) return;
  await pool.query(
    `insert into projections.current_states (instance_id, projection_name)
     select * from unnest($1::text[], $2::text[])
     on conflict (instance_id, projection_name) do nothing`,
    [missing.map(({ instanceId }) => instanceId), missing.map(({ name }) => name)],
  );
}

/** A state row that this transaction has locked. */
export interface Locked extends StateKey {
  readonly position: number;
  /** The planner's settings as they were, by name. */
  readonly planner: Readonly<Record<PlannerSetting, string>>;
}

const PLANNER = ["enable_bitmapscan", "enable_seqscan", "enable_sort"] as const;
type PlannerSetting = (typeof PLANNER)[number];

/**
 * Locks the row until the transaction ends; undefined if another transaction has it, or if there is
 * none. The lock is the lease: the server takes it from a process whose connection is lost, or that
 * stands still in its transaction for longer than the limit.
 *
 * The planner is left with nothing but indexes in their order, for `readPage`, which sets it right
 * again: an estimate must not make it collect an instance's events and sort them.
 */
export async function lockPosition(
  tx: Transaction,
  { name, instanceId }: StateKey,
  limits: Limits,
): Promise<Locked | undefined> {
  const row = await tx.queryOne<{ position: number } & Record<PlannerSetting, string>>(
    `select position, ${PLANNER.map((it) => `current_setting('${it}') as ${it}`).join(", ")},
       ${PLANNER.map((it) => `set_config('${it}', 'off', true)`).join(", ")}, ${LIMITS}
     from projections.current_states
     where instance_id = $1 and projection_name = $2
     for update skip locked`,
    [instanceId, name, ...limitValues(limits)],
  );
  if (row === undefined) return undefined;
  const { position, ...planner } = row;
  return { name, instanceId, position, planner };
}

/** As `lockPosition`, but waits for the row, and leaves the planner as it is. */
export async function awaitPosition(
  tx: Transaction,
  { name, instanceId }: StateKey,
  limits: Limits,
): Promise<number | undefined> {
  const row = await tx.queryOne<{ position: number }>(
    `select position, ${LIMITS}
     from projections.current_states
     where instance_id = $1 and projection_name = $2
     for update`,
    [instanceId, name, ...limitValues(limits)],
  );
  return row?.position;
}

const LIMITS = `set_config('idle_in_transaction_session_timeout', $3, true),
  set_config('statement_timeout', $4, true),
  set_config('synchronous_commit', coalesce($5, current_setting('synchronous_commit')), true)`;

const limitValues = ({ idleTimeoutMs, statementTimeoutMs, isDurable }: Limits) => [
  `${idleTimeoutMs}ms`,
  `${statementTimeoutMs}ms`,
  isDurable ? null : "off",
];

/** A condition that is always true, and sets the planner right again while the query runs. */
export function plannerRestored({ planner }: Pick<Locked, "planner">): string {
  const settings = PLANNER.map(
    (it) => `set_config('${it}', ${literal(planner[it])}, true) is not null`,
  );
  return `(select ${settings.join(" and ")})`;
}

/** Where no page is read. */
export async function restorePlanner(tx: Transaction, locked: Locked): Promise<void> {
  await tx.query(`select ${plannerRestored(locked)}`);
}

/** Leaves the planner with nothing but indexes again. */
export async function orderByIndex(tx: Transaction): Promise<void> {
  await tx.query(`select ${PLANNER.map((it) => `set_config('${it}', 'off', true)`).join(", ")}`);
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
