import { jittered } from "../db/base/backoff.ts";
import { QUERY_CANCELED } from "../db/base/sqlstate.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import { serverError } from "../eventstore/index.ts";
import { textOf } from "./failures.ts";
import { type Lane, type LaneContext, narrow, step } from "./lane.ts";
import type { Behind } from "./poll.ts";
import { ensurePosition } from "./position.ts";

/** Transactions in one turn, so that one that is far behind does not hold up the others. */
const STEPS = 20;
const BUSY_MS = 200;
const LONGEST_RETRY_MS = 10_000;

export interface TurnResult {
  /** Something was done: it is worth looking again at once. */
  readonly isMoving: boolean;
  /** It has reached the barrier. */
  readonly isDone: boolean;
  /** Not before that many milliseconds. */
  readonly waitMs: number;
}

/** Lets a lane advance for some transactions. Never rejects: what is transient is told and retried. */
export async function runTurn(
  context: LaneContext,
  lane: Lane,
  { isNew }: Pick<Behind, "isNew">,
  barrierOf: (instanceId: string) => Promise<number | undefined>,
  stop: AbortSignal,
): Promise<TurnResult> {
  let isMoving = false;
  const ended = (waitMs: number, isDone = false) => ({ isMoving, isDone, waitMs });
  try {
    const upTo = await barrierOf(lane.instanceId);
    // A transaction that appends is open for long.
    if (upTo === undefined) return ended(jittered(BUSY_MS));
    if (isNew && lane.subscriber.from === "now") await createPosition(context.pool, lane, upTo);
    for (let steps = 0; steps < STEPS && !stop.aborted; steps += 1) {
      const next = await step(context, lane, upTo);
      if (next.kind === "wait") return ended(next.ms);
      // Another process is at it: to ask again at once would only be in its way.
      if (next.kind === "busy") return ended(jittered(BUSY_MS));
      if (next.kind === "reached") return ended(0, true);
      isMoving = true;
      if (next.isThere) return ended(0, true);
    }
    return ended(0);
  } catch (error) {
    return ended(retryLater(context, lane, error));
  }
}

/** @returns the pause before the next try, in milliseconds */
export function retryLater(context: LaneContext, lane: Lane, error: unknown): number {
  if (error === context.signal.reason) return 0;
  lane.transientFailures += 1;
  if (serverError(error)?.sqlState === QUERY_CANCELED) narrow(lane);
  const retryInMs = Math.min(50 * 2 ** Math.min(lane.transientFailures, 10), LONGEST_RETRY_MS);
  context.report({
    kind: "retrying",
    projection: lane.subscriber.name,
    instanceId: lane.instanceId,
    error: textOf(error),
    retryInMs,
  });
  return retryInMs;
}

/** Where the lane begins: at the first event, or behind all that are there. */
export async function createPosition(
  pool: DatabasePool,
  { subscriber, instanceId }: Pick<Lane, "subscriber" | "instanceId">,
  barrier: number,
): Promise<void> {
  const position = subscriber.from === "now" ? barrier : 0;
  await ensurePosition(pool, { name: subscriber.name, instanceId }, position);
}
