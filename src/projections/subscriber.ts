import type { Transaction } from "../db/pool/index.ts";
import { type Aggregate, type AnyStoredEvent, readEvent } from "../eventstore/index.ts";
import type { Handled, Projection, Reactor } from "./definition.ts";
import { usage } from "./projection-error.ts";
import { react } from "./react.ts";

/** What follows the events of each instance under a position: a projection or a reactor. */
export interface Subscriber {
  readonly name: string;
  readonly role: "projection" | "reactor";
  readonly kinds: readonly string[];
  readonly from: "beginning" | "now";
  /** Events in one transaction, at most. */
  readonly batchSize: number;
  /** How often one event is tried before its aggregate is quarantined. */
  readonly tries: number;
  /** How long the transaction may stand still. */
  readonly idleTimeoutMs: number;
  /** Whether COMMIT waits for the disk. */
  readonly isDurable: boolean;
  readonly apply: (
    tx: Transaction,
    events: readonly AnyStoredEvent[],
    signal: AbortSignal,
  ) => Promise<void>;
}

export const BATCH_SIZE = 1_000;

/** A process that stands still for longer loses its transaction, and another one goes on. */
const IDLE_TIMEOUT_MS = 15_000;

export interface SubscriberOptions {
  readonly batchSize?: number;
  readonly idleTimeoutMs?: number;
}

export function projectionSubscriber(
  projection: Projection,
  { batchSize = BATCH_SIZE, idleTimeoutMs = IDLE_TIMEOUT_MS }: SubscriberOptions = {},
): Subscriber {
  const decode = decoder(projection.handles);
  return {
    name: projection.name,
    role: "projection",
    kinds: kindsOf(projection.handles),
    from: "beginning",
    batchSize,
    tries: 1,
    idleTimeoutMs,
    isDurable: false,
    apply: (tx, events) => projection.handle(tx.drizzle, events.map(decode), projection.tables),
  };
}

export function reactorSubscriber(
  reactor: Reactor,
  { idleTimeoutMs = IDLE_TIMEOUT_MS }: SubscriberOptions = {},
): Subscriber {
  const decode = decoder(reactor.handles);
  return {
    name: reactor.name,
    role: "reactor",
    kinds: kindsOf(reactor.handles),
    from: reactor.from,
    batchSize: 1,
    tries: reactor.tries,
    idleTimeoutMs: reactor.timeoutMs + idleTimeoutMs,
    isDurable: true,
    apply: async (_tx, events, signal) => {
      for (const event of events) await react(reactor, decode(event), signal);
    },
  };
}

/** Joins the two names of an event's kind; neither can hold it. */
const SEPARATOR = "\u001F";

/**
 * `<aggregate type>␟<event type>`, and `<aggregate type>␟` for all of it: events of a type that this
 * release lacks are read too, so that they stop it (`unknown_event`) rather than be passed over.
 */
export function kindsOf(handles: readonly Handled[]): readonly string[] {
  return handles.flatMap(({ aggregate, eventTypes, isWhole }) =>
    [...(isWhole ? [""] : []), ...eventTypes].map((type) => aggregate.type + SEPARATOR + type),
  );
}

/** The condition of a query on `events`: of one of the kinds that the parameter has. */
export function isOfKinds(events: string, parameter: string): string {
  return `(${events}.aggregate_type || chr(31) || ${events}.event_type = any(${parameter})
    or ${events}.aggregate_type || chr(31) = any(${parameter}))`;
}

export function kindOf(event: AnyStoredEvent): string {
  return event.aggregateType + SEPARATOR + event.type;
}

/** To the newest shape. Throws `unknown_event` where another release has written the event. */
export function decoder(handles: readonly Handled[]) {
  const aggregates = new Map<string, Aggregate>(
    handles.map(({ aggregate }) => [aggregate.type, aggregate]),
  );
  return (event: AnyStoredEvent): AnyStoredEvent => {
    const aggregate = aggregates.get(event.aggregateType);
    return aggregate === undefined ? event : readEvent(aggregate, event, { check: false });
  };
}

/**
 * What a runner follows, by name: the reactors, and the projections that are not inline.
 *
 * @throws ProjectionError `usage` if two have one name
 */
export function subscribersOf(
  options: SubscriberOptions & {
    readonly projections?: readonly Projection[];
    readonly reactors?: readonly Reactor[];
  },
): ReadonlyMap<string, Subscriber> {
  const { projections = [], reactors = [] } = options;
  const names = [...projections, ...reactors].map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) {
    throw usage(
      `Two projections or reactors have the name ${twice}.`,
      "Rename one of them: the name is what its position is kept under.",
    );
  }
  const followers = [
    ...projections
      .filter(({ mode }) => mode === "async")
      .map((projection) => projectionSubscriber(projection, options)),
    ...reactors.map((reactor) => reactorSubscriber(reactor, options)),
  ];
  return new Map(followers.map((subscriber) => [subscriber.name, subscriber]));
}
