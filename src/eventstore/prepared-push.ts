import { createHash } from "node:crypto";
import type { Expected, Intent, JsonObject, UniqueValue } from "./definition.ts";
import { eventStoreError, UniqueViolation } from "./event-store-error.ts";
import { checkPayload, isStorable, shapeOf, UNSTORABLE } from "./payload.ts";

/** A push, checked: what one statement takes. */
export interface PreparedPush {
  readonly instanceId: string;
  readonly aggregates: readonly PreparedAggregate[];
  /** In the order in which they get their positions. */
  readonly events: readonly PreparedEvent[];
  /** Folded and sorted, so that two pushes lock the same values in the same order. */
  readonly claims: readonly UniqueValue[];
  readonly releases: readonly UniqueValue[];
  readonly idempotency: { readonly key: string; readonly digest: string } | undefined;
}

export interface PreparedAggregate {
  readonly type: string;
  readonly id: string;
  readonly owner: string;
  readonly creator: string;
  readonly expected: Expected;
}

export interface PreparedEvent {
  /** Of `aggregates`, from 0. */
  readonly aggregate: number;
  /** Within the push's events of its aggregate, from 1. */
  readonly nth: number;
  readonly type: string;
  readonly revision: number;
  readonly payload: JsonObject;
}

export interface IdempotencyOptions {
  readonly idempotencyKey?: string | undefined;
  readonly request?: unknown;
}

/**
 * Checks the intents and brings them into the statement's form.
 *
 * @throws EventStoreError `usage`, `invalid_event`, `unique_violation` if they claim a value twice
 */
export function preparePush(
  intents: readonly Intent[],
  { idempotencyKey, request }: IdempotencyOptions = {},
): PreparedPush {
  const { instanceId } = checkShape(intents);
  if (idempotencyKey !== undefined) refuseUnstorable(idempotencyKey, "The idempotency key");
  const claims = folded(intents.flatMap(({ claim = [] }) => claim));
  for (const [i, claim] of claims.entries()) {
    const next = claims[i + 1];
    if (next?.type === claim.type && next.value === claim.value) {
      throw new UniqueViolation(claim.type, claim.value);
    }
  }
  return {
    instanceId,
    aggregates: intents.map(({ aggregate, id, owner, creator, expected }) => {
      return { type: aggregate.type, id, owner, creator, expected };
    }),
    events: intents.flatMap(({ aggregate, events }, index) =>
      events.map((event, i) => ({
        aggregate: index,
        nth: i + 1,
        type: event.type,
        revision: shapeOf(aggregate, event.type)?.revision ?? 1,
        payload: checkPayload(aggregate, event),
      })),
    ),
    claims,
    releases: folded(intents.flatMap(({ release = [] }) => release)),
    idempotency:
      idempotencyKey === undefined
        ? undefined
        : { key: idempotencyKey, digest: digestOf(request ?? requestOf(intents)) },
  };
}

/** How a unique value is compared: in NFC and lower case, so that `É` and `é` are one however they are typed. */
export function foldUnique(value: string): string {
  return value.normalize("NFC").toLowerCase();
}

/** SHA-256 of the value as JSON, in hex. */
export function digestOf(request: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(request) ?? "undefined")
    .digest("hex");
}

function requestOf(intents: readonly Intent[]) {
  return intents.map(({ aggregate, id, events }) => [aggregate.type, id, events]);
}

function checkShape(intents: readonly Intent[]): Intent {
  const [first] = intents;
  if (first === undefined) throw usage("A push has no intents.", "Push at least one event.");
  const seen = new Set<string>();
  for (const { aggregate, instanceId, id, owner, creator, expected, events } of intents) {
    const name = `${aggregate.type} ${id}`;
    for (const [field, value] of Object.entries({ instanceId, id, owner, creator })) {
      if (typeof value !== "string" || value === "") {
        throw usage(`The ${field} of ${name} is empty.`, `Give the ${field} as text.`);
      }
      refuseUnstorable(value, `The ${field} of ${JSON.stringify(name)}`);
    }
    if (instanceId !== first.instanceId) {
      throw usage(
        `One push names two instances, ${first.instanceId} and ${instanceId}.`,
        "Push to each instance by itself.",
      );
    }
    if (seen.has(name)) {
      throw usage(`${name} is in the push twice.`, "Put all of its events into one intent.");
    }
    seen.add(name);
    if (events.length === 0) {
      throw usage(`The intent for ${name} has no events.`, "Leave the intent out.");
    }
    if (typeof expected === "number" && !(Number.isSafeInteger(expected) && expected >= 0)) {
      throw usage(
        `The expected version of ${name} is ${expected}.`,
        'Give a version from 0, or "none", "exists" or "any".',
      );
    }
  }
  return first;
}

function folded(values: readonly UniqueValue[]): readonly UniqueValue[] {
  return values
    .map(({ type, value }) => {
      if (type === "" || value === "") {
        throw usage(`A unique value is empty (type "${type}").`, "Leave it out.");
      }
      refuseUnstorable(value, `A unique value of the type ${type}`);
      return { type, value: foldUnique(value) };
    })
    .sort((a, b) => compare(a.type, b.type) || compare(a.value, b.value));
}

/** The server would refuse a NUL, and two texts with a lone surrogate would become one. */
function refuseUnstorable(text: string, what: string): void {
  if (!isStorable(text)) throw usage(`${what} ${UNSTORABLE}.`, "Give another text.");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function usage(fact: string, remedy: string) {
  return eventStoreError("usage", fact, remedy, { outcome: "nothing-written" });
}
