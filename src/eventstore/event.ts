import type { z } from "zod";
import type { EventShape, JsonObject, Upcast } from "./definition.ts";
import { EventStoreError } from "./event-store-error.ts";

export interface EventOptions {
  /** Raise it when the shape changes, and add the upcast from the one before. Default 1. */
  readonly revision?: number;
  readonly upcasts?: Readonly<Record<number, Upcast>>;
}

/**
 * The shape of an event's payload, as a zod object of JSON values (a date is a string). An event
 * without data has `z.object({})`. Unknown keys are refused on append, never dropped.
 *
 * @throws EventStoreError `usage` if an upcast is missing
 */
export function event<Schema extends z.ZodObject>(
  schema: Schema & JsonOnly<Schema>,
  { revision = 1, upcasts = {} }: EventOptions = {},
): EventShape<Schema> {
  for (let from = 1; from < revision; from += 1) {
    if (upcasts[from] !== undefined) continue;
    throw new EventStoreError({
      code: "usage",
      fact: `An event of revision ${revision} has no upcast from revision ${from}.`,
      remedy: `Add upcasts: { ${from}: (payload) => … }, which makes it one of revision ${from + 1}.`,
    });
  }
  return { schema, revision, upcasts };
}

/** A schema whose payload JSON cannot hold (a Date, a Map) is one that nothing can be assigned to. */
type JsonOnly<Schema extends z.ZodObject> =
  z.output<Schema> extends JsonObject
    ? z.input<Schema> extends JsonObject
      ? unknown
      : never
    : never;
