import type { DatabasePool } from "../db/pool/index.ts";
import type { AnyStoredEvent } from "../eventstore/index.ts";
import { serverError } from "../eventstore/index.ts";
import { fatalOf, IN_FAILED_TRANSACTION, isNotOfTheEvent } from "./failures.ts";
import { readPage } from "./page.ts";
import { lockPosition, movePosition } from "./position.ts";
import { ProjectionError } from "./projection-error.ts";
import type { Subscriber } from "./subscriber.ts";

export type BatchResult =
  /** Another process or call is at it. */
  | { readonly kind: "busy" }
  /** The position is there already. */
  | { readonly kind: "reached"; readonly position: number }
  /** Committed; `events` may be none. */
  | { readonly kind: "committed"; readonly events: number; readonly position: number }
  /** The handler failed, not for a transient reason; rolled back. */
  | {
      readonly kind: "failed";
      readonly events: readonly [AnyStoredEvent, ...AnyStoredEvent[]];
      readonly error: unknown;
    };

export interface BatchTask {
  readonly subscriber: Subscriber;
  readonly instanceId: string;
  /** A barrier. */
  readonly upTo: number;
  readonly limit: number;
  readonly statementTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** A handler that never ends loses its connection to the server's bound, and must not keep its lane. */
export const LEAVE = { leaveWhenLost: true } as const;

/**
 * One batch in one transaction: locks the position, reads what follows it, lets it be handled, moves
 * the position. Position and rows commit together.
 *
 * @throws what the events are not to blame for, and what went wrong outside of the handler
 */
export async function runBatch(pool: DatabasePool, task: BatchTask): Promise<BatchResult> {
  const { subscriber, instanceId, upTo } = task;
  const key = { name: subscriber.name, instanceId };
  const { statementTimeoutMs } = task;
  let handling: readonly AnyStoredEvent[] = [];
  try {
    return await pool.transaction(async (tx): Promise<BatchResult> => {
      const locked = await lockPosition(tx, key, { ...subscriber, statementTimeoutMs });
      if (locked === undefined) return { kind: "busy" };
      if (locked.position >= upTo) return { kind: "reached", position: locked.position };
      const page = await readPage(tx, locked, upTo, subscriber.kinds, task.limit);
      handling = page.events;
      if (handling.length > 0) await subscriber.apply(tx, handling, task.signal);
      await refuseIgnoredError(() => movePosition(tx, key, page.position, handling.at(-1)));
      return { kind: "committed", events: handling.length, position: page.position };
    }, LEAVE);
  } catch (error) {
    const [first, ...others] = handling;
    const isStopped = task.signal.aborted && error === task.signal.reason;
    // A deferred constraint fails during COMMIT: that is the handler's, too.
    if (first === undefined || isStopped || isNotOfTheEvent(error)) throw error;
    const fatal = fatalOf(error);
    if (fatal !== undefined) throw fatal;
    return { kind: "failed", events: [first, ...others], error };
  }
}

async function refuseIgnoredError(move: () => Promise<void>): Promise<void> {
  try {
    await move();
  } catch (error) {
    if (serverError(error)?.sqlState !== IN_FAILED_TRANSACTION) throw error;
    throw new ProjectionError({
      code: "ignored_error",
      fact: "A statement of the handler failed, and the handler ignored the error.",
      outcome: "rolled-back",
      remedy: "Let the error out, or put the statement in a nested transaction.",
      cause: error,
    });
  }
}
