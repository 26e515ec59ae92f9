import type { z } from "zod";
import type {
  Aggregate,
  AnyNewEvent,
  AnyStoredEvent,
  EventMeta,
  EventShape,
  JsonObject,
} from "./definition.ts";
import { eventStoreError } from "./event-store-error.ts";

/**
 * The payload as it is stored: what the schema makes of it (defaults included).
 *
 * @throws EventStoreError `invalid_event`, with everything that is wrong; the message shows no values
 */
export function checkPayload(aggregate: Aggregate, { type, payload }: AnyNewEvent): JsonObject {
  const shape = shapeOf(aggregate, type);
  if (shape === undefined) {
    throw eventStoreError(
      "invalid_event",
      `The aggregate ${aggregate.type} has no event ${type}.`,
      `Add it to the definition, or append one of: ${Object.keys(aggregate.events).join(", ")}.`,
      { outcome: "nothing-written" },
    );
  }
  const result = shape.schema.safeParse(payload);
  const problems = result.success
    ? [...lostPaths(payload, result.data), ...unstorablePaths(result.data)]
    : result.error.issues.map(issueText);
  if (!result.success || problems.length > 0) {
    throw eventStoreError(
      "invalid_event",
      `The payload of ${type} does not fit its schema: ${problems.join("; ")}.`,
      "Correct the payload, or the schema together with its revision.",
      { outcome: "nothing-written", cause: result.error },
    );
  }
  return result.data as JsonObject;
}

/**
 * The event in its newest shape. `check`: also against its schema, which costs about as much as
 * reading it.
 *
 * @throws EventStoreError `unknown_event` if this release lacks the type or the revision,
 * `invalid_event` if it does not fit
 */
export function readEvent(
  aggregate: Aggregate,
  stored: AnyStoredEvent,
  { check }: { readonly check: boolean },
): AnyStoredEvent {
  const shape = shapeOf(aggregate, stored.type);
  if (shape === undefined || stored.revision > shape.revision) {
    const known = shape === undefined ? "no such event" : `revision ${shape.revision}`;
    throw eventStoreError(
      "unknown_event",
      `Event ${stored.sequence} of ${stored.aggregateType} ${stored.aggregateId} is a ${stored.type} of revision ${stored.revision}; this release knows ${known}.`,
      "Deploy the release that wrote it, or add the event to the definition.",
    );
  }
  let payload = stored.payload;
  for (let from = stored.revision; from < shape.revision; from += 1) {
    payload = shape.upcasts[from]?.(payload) ?? payload;
  }
  if (check) {
    const result = shape.schema.safeParse(payload);
    if (!result.success) {
      throw eventStoreError(
        "invalid_event",
        `Event ${stored.sequence} of ${stored.aggregateType} ${stored.aggregateId}, a ${stored.type} of revision ${stored.revision}, does not fit its schema: ${result.error.issues.map(issueText).join("; ")}.`,
        "Raise the revision and add an upcast from the one that was written.",
        { cause: result.error },
      );
    }
  }
  return payload === stored.payload ? stored : { ...stored, payload };
}

function issueText({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}

/** Paths of what is given and not kept: zod drops unknown keys in silence, also in nested objects. */
function lostPaths(given: unknown, kept: unknown, path = ""): readonly string[] {
  if (typeof given !== "object" || given === null) return [];
  if (typeof kept !== "object" || kept === null) return [];
  return Object.entries(given).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const here = below(path, key);
    // Not what every object inherits, as `constructor`.
    const found = Object.hasOwn(kept, key) ? (kept as Bag)[key] : undefined;
    return found === undefined ? [`${here}: not in the schema`] : lostPaths(value, found, here);
  });
}

/** Paths of what PostgreSQL's JSON cannot hold, or JSON only as null. */
function unstorablePaths(value: unknown, path = ""): readonly string[] {
  if (typeof value === "string" && !isStorable(value)) return [`${path}: ${UNSTORABLE}`];
  if (typeof value === "number" && !Number.isFinite(value)) return [`${path}: not a finite number`];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    if (!isStorable(key)) return [`${path === "" ? "" : `${path}: `}a key ${UNSTORABLE}`];
    return unstorablePaths(item, below(path, key));
  });
}

type Bag = Readonly<Record<string, unknown>>;

function below(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** The event's shape; undefined if the aggregate has none of this type. */
export function shapeOf({ events }: Aggregate, type: string): EventShape | undefined {
  return Object.hasOwn(events, type) ? events[type] : undefined;
}

/** Whether PostgreSQL can hold the text as it is: no NUL, and no half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !/\0|\p{Surrogate}/u.test(text);
}

export const UNSTORABLE = "has a NUL or half of a surrogate pair";

/** A row of `eventstore.events`, as the reads select it. */
export interface EventRow {
  readonly instance_id: string;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly sequence: number | string;
  readonly global_sequence: number | string;
  readonly event_type: string;
  readonly revision: number;
  readonly creator: string;
  readonly owner: string;
  readonly created_at: Date | string;
  readonly payload: JsonObject | null;
}

/** The columns of an `EventRow`, in no particular order. */
export const EVENT_COLUMNS =
  "instance_id, aggregate_type, aggregate_id, sequence, global_sequence, event_type, revision, creator, owner, created_at, payload";

/** Numbers and dates may come as text: that depends on the driver. */
export function eventOf(row: EventRow): AnyStoredEvent {
  const meta: EventMeta = {
    instanceId: row.instance_id,
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    sequence: Number(row.sequence),
    position: Number(row.global_sequence),
    revision: row.revision,
    creator: row.creator,
    owner: row.owner,
    createdAt: new Date(row.created_at),
  };
  return { ...meta, type: row.event_type, payload: row.payload ?? {} };
}
