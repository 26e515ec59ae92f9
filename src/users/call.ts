import type { EventStore, Executed, ExecuteOptions } from "../eventstore/index.ts";

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
  /** Of the user or organisation, now. */
  readonly version: number;
  /** What a reader waits for to see it (`waitFor`). */
  readonly position: number;
}

export interface CommandOptions {
  readonly store: EventStore;
}

/** How a command is handed to the store. `request` must not hold a secret: its digest is kept. */
export function executeOptions(
  { expected, idempotencyKey }: Call,
  request: unknown,
): ExecuteOptions {
  return { expected, idempotencyKey, request };
}

/** The id is the stored one: a repeated request has made no other. */
export function doneOf(id: string, { events, version, position }: Executed<unknown>): Done {
  return { id: events[0]?.aggregateId ?? id, version, position: position ?? 0 };
}
