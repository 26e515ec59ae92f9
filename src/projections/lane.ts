import type { DatabasePool } from "../db/pool/index.ts";
import type { AnyStoredEvent } from "../eventstore/index.ts";
import { type BatchResult, type BatchTask, runBatch } from "./batch.ts";
import { textOf } from "./failures.ts";
import type { OnProgress } from "./progress.ts";
import { quarantine } from "./quarantine.ts";
import type { Subscriber } from "./subscriber.ts";

/** How one projection comes along in one instance, as far as this process has to remember. */
export interface Lane {
  readonly subscriber: Subscriber;
  readonly instanceId: string;
  /** Events of the next batch, at most: fewer while a failing event is looked for. */
  limit: number;
  /** What `limit` may be: less than a whole batch after one that took too long, then more and more. */
  most: number;
  /** How many events, from the position on, are known to fail together. */
  suspects: number;
  /** Of the event that fails alone. */
  tries: number;
  /** In a row. */
  transientFailures: number;
}

export function createLane(subscriber: Subscriber, instanceId: string): Lane {
  const { batchSize } = subscriber;
  const memory = { suspects: 0, tries: 0, transientFailures: 0 };
  return { subscriber, instanceId, limit: batchSize, most: batchSize, ...memory };
}

/** Whether it has nothing to remember. */
export function isPristine(lane: Lane): boolean {
  const { limit, suspects, tries, transientFailures, subscriber } = lane;
  return limit === subscriber.batchSize && suspects + tries + transientFailures === 0;
}

export interface LaneContext {
  readonly pool: DatabasePool;
  readonly report: OnProgress;
  readonly signal: AbortSignal;
  readonly statementTimeoutMs: number;
  /** A halted projection tries that often. */
  readonly haltedRetryMs: number;
}

export type Step =
  /** Another one has it. */
  | { readonly kind: "busy" }
  | { readonly kind: "reached" }
  /** Something was done; there may be more, unless it is there. */
  | { readonly kind: "went-on"; readonly isThere: boolean }
  /** Nothing more before that. */
  | { readonly kind: "wait"; readonly ms: number; readonly halted?: { readonly error: string } };

/** One transaction towards the barrier `upTo`. Throws what is transient. */
export async function step(context: LaneContext, lane: Lane, upTo: number): Promise<Step> {
  const { subscriber, instanceId, limit } = lane;
  const { statementTimeoutMs, signal } = context;
  const task = { subscriber, instanceId, upTo, limit, statementTimeoutMs, signal };
  const started = performance.now();
  const result = await runBatch(context.pool, task);
  lane.transientFailures = 0;
  if (result.kind === "busy" || result.kind === "reached") return result;
  if (result.kind === "failed") return failed(context, lane, task, result);
  widen(lane, result.events);
  const { events, position } = result;
  const tookMs = performance.now() - started;
  context.report({ kind: "advanced", ...placeOf(lane), events, position, tookMs });
  return { kind: "went-on", isThere: position >= upTo };
}

async function failed(
  context: LaneContext,
  lane: Lane,
  task: BatchTask,
  { events, error }: Extract<BatchResult, { kind: "failed" }>,
): Promise<Step> {
  const text = textOf(error);
  if (events.length > 1) {
    lane.suspects = events.length;
    lane.limit = Math.ceil(events.length / 2);
    context.report({
      kind: "bisecting",
      ...placeOf(lane),
      events: events.length,
      error: text,
    });
    return { kind: "went-on", isThere: false };
  }
  const [event] = events;
  lane.tries += 1;
  if (lane.tries < lane.subscriber.tries) {
    const retryInMs = Math.min(1_000 * 2 ** (lane.tries - 1), 30_000);
    context.report({
      kind: "trying-again",
      ...placeOf(lane),
      position: event.position,
      attempt: lane.tries,
      error: text,
      retryInMs,
    });
    return { kind: "wait", ms: retryInMs };
  }
  return holdBack(context, lane, task, event, text);
}

async function holdBack(
  context: LaneContext,
  lane: Lane,
  task: BatchTask,
  event: AnyStoredEvent,
  error: string,
): Promise<Step> {
  const result = await quarantine(context.pool, task, event, error);
  if (result.kind === "halted") {
    const { haltedRetryMs: retryInMs } = context;
    context.report({ ...result, ...placeOf(lane), error, retryInMs });
    return { kind: "wait", ms: retryInMs, halted: { error } };
  }
  lane.tries = 0;
  lane.suspects = 0;
  if (result.kind === "moved") return { kind: "busy" };
  context.report({
    kind: "quarantined",
    ...placeOf(lane),
    aggregateType: event.aggregateType,
    aggregateId: event.aggregateId,
    sequence: event.sequence,
    position: event.position,
    eventType: event.type,
    error,
  });
  return { kind: "went-on", isThere: false };
}

/** A statement took too long: what is done in smaller pieces may not. */
export function narrow(lane: Lane): void {
  lane.most = Math.max(1, Math.ceil(lane.limit / 4));
  lane.limit = lane.most;
}

/** After a success: the second half of what failed together, or more and more again. */
function widen(lane: Lane, handled: number): void {
  lane.tries = 0;
  lane.suspects = Math.max(0, lane.suspects - handled);
  lane.most = Math.min(lane.subscriber.batchSize, Math.ceil(lane.most * 1.1));
  const next = lane.suspects > 0 ? Math.ceil(lane.suspects / 2) : lane.limit * 4;
  lane.limit = Math.min(lane.most, next);
}

function placeOf(lane: Lane) {
  return { projection: lane.subscriber.name, instanceId: lane.instanceId };
}
