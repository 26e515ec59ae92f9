import type { z } from "zod";

/** What JSON holds: what a payload consists of. A field that is undefined is left out. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/**
 * A payload of an older revision to the next one. Pure: it is called again and again, and the event
 * in the database stays as it was written.
 */
export type Upcast = (payload: JsonObject) => JsonObject;

/** One type of event: the shape of its payload now, and the way from each older revision to it. */
export interface EventShape<Schema extends z.ZodObject = z.ZodObject> {
  readonly schema: Schema;
  /** From 1; stands in each event. */
  readonly revision: number;
  /** By the revision that each starts from: one for each below `revision`. */
  readonly upcasts: Readonly<Record<number, Upcast>>;
}

export type EventShapes = Readonly<Record<string, EventShape>>;

/** An event as it is appended: the union of the aggregate's types, each with its payload. */
export type EventOf<A> = A extends { readonly events: infer Shapes extends EventShapes }
  ? {
      [Type in keyof Shapes & string]: {
        readonly type: Type;
        readonly payload: z.output<Shapes[Type]["schema"]>;
      };
    }[keyof Shapes & string]
  : never;

/** What the store knows of an event besides its type and payload. */
export interface EventMeta {
  readonly instanceId: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** 1, 2, 3 … within the aggregate. */
  readonly sequence: number;
  /** `global_sequence`: rising over all instances, with gaps. The reader's cursor. */
  readonly position: number;
  /** Of the payload in the database, before upcasts. */
  readonly revision: number;
  readonly creator: string;
  readonly owner: string;
  /** By the database's clock; for people, not for order. */
  readonly createdAt: Date;
}

export type StoredEventOf<A> = EventOf<A> & EventMeta;

/** A stored event of any aggregate. */
export interface AnyStoredEvent extends EventMeta {
  readonly type: string;
  readonly payload: JsonObject;
}

/** Whose events, in which instance. */
export interface AggregateRef {
  readonly instanceId: string;
  readonly id: string;
}

/** A value that only one aggregate of an instance may have: compared in NFC and lower case. */
export interface UniqueValue {
  readonly type: string;
  readonly value: string;
}

/**
 * What must be so of the aggregate for its events to be appended: that it has exactly this version,
 * none, or any but none; `any` asks for nothing.
 */
export type Expected = number | "none" | "exists" | "any";

/** Events for one aggregate, all or none of them with the rest of their push. */
export interface Intent<Event extends { type: string; payload: object } = AnyNewEvent> {
  readonly aggregate: Aggregate;
  readonly instanceId: string;
  readonly id: string;
  readonly owner: string;
  readonly creator: string;
  readonly expected: Expected;
  readonly events: readonly Event[];
  /** Values that it now has. */
  readonly claim?: readonly UniqueValue[];
  /** Values that it no longer has; released before any is claimed. */
  readonly release?: readonly UniqueValue[];
}

export interface AnyNewEvent {
  readonly type: string;
  readonly payload: object;
}

/** For whom, and in whose name, events are appended. */
export interface Target extends AggregateRef {
  /** The organisation that owns the aggregate. */
  readonly owner: string;
  /** Who does it: a user's id or a system's name. */
  readonly creator: string;
}

/** A kind of aggregate: its name and all its events. */
export interface Aggregate<Type extends string = string, Shapes extends EventShapes = EventShapes> {
  readonly type: Type;
  readonly events: Shapes;
}

/** How a state follows from an aggregate's events. Pure. */
export interface Fold<A extends Aggregate, State> {
  /** Before the first event. */
  readonly initial: State;
  /** Called with every event of the aggregate, in order and in its newest shape. */
  readonly evolve: (state: State, event: EventOf<A>) => State;
  /** Only for aggregates of thousands of events. The state must consist of JSON. */
  readonly snapshot?: SnapshotOptions;
}

export interface SnapshotOptions {
  /** Of the fold: several may fold one kind of aggregate. */
  readonly name: string;
  /** Raise it when `evolve` or the state's shape changes: older snapshots are no longer read. */
  readonly version: number;
  /** A new one is written when a load has read this many events. */
  readonly every: number;
}

/** What a command leads to: its events, and values claimed and released with them. */
export interface Decision<Event> {
  readonly events: readonly Event[];
  readonly claim?: readonly UniqueValue[];
  readonly release?: readonly UniqueValue[];
}

/** How commands become events. Both functions are pure; `decide` throws what it refuses. */
export interface Decider<A extends Aggregate, State, Command> extends Fold<A, State> {
  readonly aggregate: A;
  /** No events: nothing is to be done, and nothing is appended. */
  readonly decide: (state: State, command: Command) => readonly EventOf<A>[] | Decision<EventOf<A>>;
}

/** An aggregate's definition, and what is made of it. */
export interface AggregateDefinition<Type extends string, Shapes extends EventShapes>
  extends Aggregate<Type, Shapes> {
  /** Writes events down for a push. */
  readonly at: (target: Target) => {
    readonly append: (
      what: Pick<
        Intent<EventOf<Aggregate<Type, Shapes>>>,
        "expected" | "events" | "claim" | "release"
      >,
    ) => Intent;
  };
  /** Its decider: the types of state and command follow from the functions. */
  readonly decider: <State, Command>(
    decider: Omit<Decider<Aggregate<Type, Shapes>, State, Command>, "aggregate">,
  ) => Decider<Aggregate<Type, Shapes>, State, Command>;
}

/** Defines a kind of aggregate by its name and the shapes of its events. */
export function defineAggregate<const Type extends string, const Shapes extends EventShapes>(
  aggregate: Aggregate<Type, Shapes>,
): AggregateDefinition<Type, Shapes> {
  const { type, events } = aggregate;
  return {
    type,
    events,
    at: (target) => ({ append: (what) => ({ aggregate, ...target, ...what }) }),
    decider: (decider) => ({ aggregate, ...decider }),
  };
}
