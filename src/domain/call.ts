import type { Executed, ExecuteOptions } from "../eventstore/index.ts";

/** Who asks, where, and on which condition. */
export interface Call {
  readonly instanceId: string;
  /** Who does it: a user's id, or the name of a system. */
  readonly creator: string;
  /** Only if this is still the version. Another one is the store's `concurrency_conflict`. */
  readonly expected?: number | undefined;
  /** The same key with the same input does nothing a second time, and gives the first answer. */
  readonly idempotencyKey?: string | undefined;
}

/** What a command has led to. */
export interface Done {
  readonly id: string;
  /** Of the aggregate, now. */
  readonly version: number;
  /** What a reader waits for to see it (`waitFor`). */
  readonly position: number;
}

/** How a command is handed to the store. `request` must not hold a secret: its digest is kept. */
export function executeOptions(
  { expected, idempotencyKey }: Call,
  request: unknown,
): ExecuteOptions {
  return { expected, idempotencyKey, request };
}

/** A repeated request has the first one's answer: the id and version of the aggregate that it names first. */
export function doneOf(id: string, executed: Executed<unknown>): Done {
  const { events, version, position = 0, replayed } = executed;
  const [first] = events;
  const last = events.findLast(
    (event) =>
      event.aggregateType === first?.aggregateType && event.aggregateId === first.aggregateId,
  );
  return {
    id: first?.aggregateId ?? id,
    version: replayed ? (last?.sequence ?? version) : version,
    position,
  };
}
