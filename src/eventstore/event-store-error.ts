import { Problem, type ProblemParts } from "../db/base/problem.ts";
import type { AnyStoredEvent, Expected } from "./definition.ts";

export type EventStoreErrorCode =
  /** The aggregate has not the version that was expected. */
  | "concurrency_conflict"
  /** Another aggregate has the value. */
  | "unique_violation"
  /** The idempotency key was used for another request. */
  | "idempotency_mismatch"
  /** A payload that does not fit its schema, or a type that its aggregate does not have. */
  | "invalid_event"
  /** A stored event that this release does not know. */
  | "unknown_event"
  /** The connection was lost on the way: whether the events were appended is not known. */
  | "commit_in_doubt"
  /** A call that makes no sense. */
  | "usage";

/** What the event store refuses. Errors of the SQL and the connection are the pool's. */
export class EventStoreError extends Problem<EventStoreErrorCode> {
  override readonly name: string = "EventStoreError";
}

/** An aggregate, with the name of its kind. */
export interface NamedAggregate {
  readonly instanceId: string;
  readonly type: string;
  readonly id: string;
}

/** The aggregate moved on, or is not there. Nothing was appended. */
export class ConcurrencyConflict extends EventStoreError {
  override readonly name = "ConcurrencyConflict";
  readonly aggregate: NamedAggregate;
  readonly expected: Expected;
  /** Its version now; 0 if it has no events. */
  readonly actual: number;
  /** What was appended since the expected version, the oldest first; at most 100. */
  readonly events: readonly AnyStoredEvent[];

  constructor(parts: {
    readonly aggregate: NamedAggregate;
    readonly expected: Expected;
    readonly actual: number;
    readonly events: readonly AnyStoredEvent[];
  }) {
    const { type, id } = parts.aggregate;
    super({
      code: "concurrency_conflict",
      fact: `${type} ${id} ${actualText(parts.actual)}; expected ${expectedText(parts.expected)}.`,
      outcome: "nothing-written",
      remedy: "Load it again, decide again, and append what is still right.",
    });
    this.aggregate = parts.aggregate;
    this.expected = parts.expected;
    this.actual = parts.actual;
    this.events = parts.events;
  }
}

/** Another aggregate of the instance has the value. Nothing was appended. */
export class UniqueViolation extends EventStoreError {
  override readonly name = "UniqueViolation";
  readonly uniqueType: string;
  /** As it is compared: in NFC and lower case. */
  readonly value: string;

  constructor(uniqueType: string, value: string, cause?: unknown) {
    super({
      code: "unique_violation",
      fact: `The ${uniqueType} ${JSON.stringify(value)} is taken.`,
      outcome: "nothing-written",
      remedy: `Choose another ${uniqueType}.`,
      cause,
    });
    this.uniqueType = uniqueType;
    this.value = value;
  }
}

/** For errors of one code without fields of their own. */
export function eventStoreError(
  code: EventStoreErrorCode,
  fact: string,
  remedy: string,
  more: Pick<ProblemParts, "outcome" | "cause"> = {},
): EventStoreError {
  return new EventStoreError({ code, fact, remedy, ...more });
}

function actualText(actual: number): string {
  return actual === 0 ? "has no events" : `is at version ${actual}`;
}

function expectedText(expected: Expected): string {
  switch (expected) {
    case "none":
      return "none";
    case "exists":
      return "some";
    case "any":
      return "any";
    default:
      return expected === 0 ? "none" : `version ${expected}`;
  }
}
