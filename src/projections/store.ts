import type { z } from "zod";
import type { DatabasePool, DrizzleHandle } from "../db/pool/index.ts";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}
export type Upcast = (payload: JsonObject) => JsonObject;
export interface EventShape<Schema extends z.ZodObject = z.ZodObject> {
  readonly schema: Schema;
  readonly revision: number;
  readonly upcasts: Readonly<Record<number, Upcast>>;
}
export type EventShapes = Readonly<Record<string, EventShape>>;
export type EventOf<A> = A extends { readonly events: infer Shapes extends EventShapes }
  ? {
      [Type in keyof Shapes & string]: {
        readonly type: Type;
        readonly payload: z.output<Shapes[Type]["schema"]>;
      };
    }[keyof Shapes & string]
  : never;
export interface EventMeta {
  readonly instanceId: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly sequence: number;
  readonly position: number;
  readonly revision: number;
  readonly creator: string;
  readonly owner: string;
  readonly createdAt: Date;
}
export type StoredEventOf<A> = EventOf<A> & EventMeta;
export interface AnyStoredEvent extends EventMeta {
  readonly type: string;
  readonly payload: JsonObject;
}
export interface Aggregate<Type extends string = string, Shapes extends EventShapes = EventShapes> {
  readonly type: Type;
  readonly events: Shapes;
}
export type InlineHandler = (tx: DrizzleHandle, events: readonly AnyStoredEvent[]) => Promise<void>;
export interface EventStore {
  barrier(instanceId: string): Promise<number>;
}

export function createEventStore({ pool }: { readonly pool: DatabasePool }): EventStore {
  return {
    barrier: async (instanceId) => {
      const row = await pool.queryOne<{ barrier: number }>(
        `with bound as materialized (select set_config('lock_timeout', '100ms', true)),
              settled as materialized (
                select pg_advisory_xact_lock(hashtextextended('eventstore.events:' || $1, 0)) from bound)
         select coalesce(pg_sequence_last_value('eventstore.events_global_sequence_seq'), 0) as barrier
         from settled`,
        [instanceId],
      );
      return row?.barrier ?? 0;
    },
  };
}

/** The event as its newest revision has it. */
export function decodeEvent(shape: EventShape, event: AnyStoredEvent): AnyStoredEvent {
  let { payload } = event;
  for (let revision = event.revision; revision < shape.revision; revision += 1) {
    payload = shape.upcasts[revision]?.(payload) ?? payload;
  }
  return payload === event.payload ? event : { ...event, payload };
}

export function event<Schema extends z.ZodObject>(
  schema: Schema,
  { revision = 1, upcasts = {} }: { revision?: number; upcasts?: Record<number, Upcast> } = {},
): EventShape<Schema> {
  return { schema, revision, upcasts };
}
export function defineAggregate<const Type extends string, const Shapes extends EventShapes>(
  aggregate: Aggregate<Type, Shapes>,
): Aggregate<Type, Shapes> {
  return aggregate;
}
