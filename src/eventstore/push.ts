import { jittered, pause } from "../db/base/backoff.ts";
import type { DatabasePool, Transaction } from "../db/pool/index.ts";
import { DatabaseError, type DatabaseErrorCode } from "../db/pool/index.ts";
import {
  type CallerTransaction,
  type DrizzleTransaction,
  drizzleOf,
  type Run,
  runInside,
  runOn,
  serverError,
} from "./database.ts";
import type { AnyStoredEvent, Intent } from "./definition.ts";
import { EventStoreError, eventStoreError } from "./event-store-error.ts";
import { explainHidden } from "./hidden-refusal.ts";
import { type IdempotencyOptions, type PreparedPush, preparePush } from "./prepared-push.ts";
import { pushStatement } from "./push-statement.ts";
import { conflictOf, explainRefusal, versionOf } from "./refusal.ts";

/** Runs in the append's transaction, after the events were written; rejects to undo it all. */
export type InlineHandler = (
  transaction: Transaction["drizzle"],
  events: readonly AnyStoredEvent[],
) => Promise<void>;

export interface PushOptions extends IdempotencyOptions {
  /**
   * The caller's transaction, which the events become part of (behind a savepoint, so that it can go
   * on after a refusal). Default: one of the push's own.
   */
  readonly transaction?: CallerTransaction;
}

export interface PushResult {
  readonly events: readonly AnyStoredEvent[];
  /** Of the last event: what a reader waits for. */
  readonly position: number;
  /** An earlier push under the same key had appended them. */
  readonly replayed: boolean;
}

export interface PushContext {
  readonly pool: DatabasePool;
  readonly inline: readonly InlineHandler[];
}

// Each try meets another writer that has just won; ten in a row are more than bad luck.
const MOST_TRIES = 10;
const FIRST_PAUSE_MS = 5;
// Five seconds in all: a server that restarts is back by then.
const DOUBT_PAUSE_MS = 100;

// What a push collides with where it could not see what was not committed yet.
const KEYS: ReadonlySet<string | undefined> = new Set([
  "events_pk",
  "unique_constraints_pk",
  "idempotency_keys_pk",
]);
const UNIQUE_VIOLATION = "23505";
const DEADLOCK = "40P01";
const SERIALIZATION_FAILURE = "40001";

/**
 * Appends all events, or none.
 *
 * @throws EventStoreError `concurrency_conflict`, `unique_violation`, `idempotency_mismatch`,
 * `invalid_event`, `usage`, `commit_in_doubt`
 */
export async function push(
  { pool, inline }: PushContext,
  intents: readonly Intent[],
  { transaction, ...options }: PushOptions = {},
): Promise<PushResult> {
  const prepared = preparePush(intents, options);
  if (transaction === undefined) {
    const append = () => appendAlone(pool, inline, prepared);
    return untilDecided(prepared, { append, run: runOn(pool) });
  }
  const outer = drizzleOf(transaction);
  const append = () => appendInside(outer, inline, prepared);
  return untilDecided(prepared, { append, run: runInside(outer), beside: runOn(pool) });
}

interface Attempt {
  /** The stored events; undefined if something speaks against the push. */
  readonly append: () => Promise<readonly AnyStoredEvent[] | undefined>;
  readonly run: Run;
  /** Of a caller's transaction: outside of it. Undefined: each try is a transaction of its own. */
  readonly beside?: Run;
}

/** Tries until the events are there, or until it is known why they cannot be. */
async function untilDecided(prepared: PreparedPush, { append, run, beside }: Attempt) {
  const alone = beside === undefined;
  let doubt: unknown;
  for (let tries = 1; ; tries += 1) {
    let failure: unknown;
    try {
      const events = await append();
      if (events !== undefined) return resultOf(events, false);
    } catch (error) {
      failure = error;
      if (isInDoubt(error) && prepared.idempotency !== undefined) doubt ??= error;
      // Without its answer a try is followed by others under the same key: they find its events, or
      // append them, and wait for it in the database where it is still running.
      const isOver = tries === MOST_TRIES;
      if (isOver || !(isUndone(error, alone) || (doubt !== undefined && isUnreachable(error)))) {
        if (!isCollision(error)) throw doubt ?? error;
      }
    }
    if (failure === undefined || isCollision(failure)) {
      let refusal = await explainRefusal(run, prepared);
      if (refusal.kind === "unclear" && !alone && failure !== undefined) {
        refusal = await explainHidden({ run, beside }, prepared, serverError(failure)?.constraint);
      }
      if (refusal.kind === "replayed") return resultOf(refusal.events, true);
      if (refusal.kind === "refused") throw refusal.error;
      if (tries === MOST_TRIES) throw await conflictNow(run, prepared, failure);
    }
    await pause(jittered((doubt === undefined ? FIRST_PAUSE_MS : DOUBT_PAUSE_MS) * tries));
  }
}

function resultOf(events: readonly AnyStoredEvent[], replayed: boolean): PushResult {
  return { events, position: events.at(-1)?.position ?? 0, replayed };
}

/** In a transaction of its own: one statement, or with inline handlers one before theirs. */
async function appendAlone(
  pool: DatabasePool,
  inline: readonly InlineHandler[],
  prepared: PreparedPush,
): Promise<readonly AnyStoredEvent[] | undefined> {
  try {
    if (inline.length === 0) return await send(runOn(pool), prepared);
    return await pool.transaction(async (transaction) => {
      const events = await send((text, params) => transaction.query(text, params), prepared);
      // Nothing was written: an empty transaction commits.
      if (events !== undefined)
        for (const handle of inline) await handle(transaction.drizzle, events);
      return events;
    });
  } catch (error) {
    if (!isAnswerLost(error, inline.length === 0)) throw error;
    throw eventStoreError(
      "commit_in_doubt",
      "The connection was lost while events were appended: either all of them are there, or none.",
      "Read the aggregate before you try again, or push with an idempotency key, which makes that safe.",
      { cause: error },
    );
  }
}

/** Of a statement in a transaction of its own, and of a COMMIT, the answer may be what was lost. */
function isAnswerLost(error: unknown, isOneStatement: boolean): boolean {
  const code: DatabaseErrorCode = isOneStatement ? "connection_lost" : "commit_in_doubt";
  return error instanceof DatabaseError && error.code === code;
}

function appendInside(
  outer: DrizzleTransaction,
  inline: readonly InlineHandler[],
  prepared: PreparedPush,
): Promise<readonly AnyStoredEvent[] | undefined> {
  return outer.transaction(async (inner) => {
    const events = await send(runInside(inner), prepared);
    if (events !== undefined) {
      for (const handle of inline) await handle(inner as Transaction["drizzle"], events);
    }
    return events;
  });
}

interface PushedRow {
  readonly sequence: number | string;
  readonly global_sequence: number | string;
  readonly created_at: Date | string;
}

/** The events as they were stored; undefined if nothing was appended. */
async function send(
  run: Run,
  prepared: PreparedPush,
): Promise<readonly AnyStoredEvent[] | undefined> {
  const { text, params } = pushStatement(prepared);
  const rows = await run<PushedRow>(text, params);
  if (rows.length === 0) return undefined;
  const { instanceId, aggregates, events } = prepared;
  return events.map(({ aggregate: index, type, revision, payload }, i) => {
    const row = rows[i];
    const aggregate = aggregates[index];
    if (row === undefined || aggregate === undefined) {
      throw new TypeError(`${rows.length} rows came back for ${events.length} events`);
    }
    return {
      instanceId,
      aggregateType: aggregate.type,
      aggregateId: aggregate.id,
      sequence: Number(row.sequence),
      position: Number(row.global_sequence),
      revision,
      creator: aggregate.creator,
      owner: aggregate.owner,
      createdAt: row.created_at instanceof Date ? row.created_at : new Date(row.created_at),
      type,
      payload,
    };
  });
}

function isCollision(error: unknown): boolean {
  const server = serverError(error);
  return server?.sqlState === UNIQUE_VIOLATION && KEYS.has(server.constraint);
}

/** Whether the server has undone the try, so that another one appends nothing twice. */
function isUndone(error: unknown, alone: boolean): boolean {
  if (isCollision(error)) return true;
  const { sqlState } = serverError(error) ?? {};
  return sqlState === DEADLOCK || (alone && sqlState === SERIALIZATION_FAILURE);
}

function isInDoubt(error: unknown): boolean {
  return error instanceof EventStoreError && error.code === "commit_in_doubt";
}

function isUnreachable(error: unknown): boolean {
  return (
    isInDoubt(error) ||
    (error instanceof DatabaseError && ["connect", "connection_lost"].includes(error.code))
  );
}

/** Writers of one aggregate that all take any version, or an isolation that hides who was first. */
async function conflictNow(run: Run, prepared: PreparedPush, cause: unknown): Promise<Error> {
  const { instanceId, aggregates } = prepared;
  const [aggregate] = aggregates;
  if (aggregate === undefined) throw cause;
  const actual = await versionOf(run, instanceId, aggregate);
  return Object.assign(await conflictOf(run, instanceId, aggregate, actual), { cause });
}
