import type { PgTable } from "drizzle-orm/pg-core";
import type { DrizzleHandle } from "../db/pool/index.ts";
import type { Aggregate, AnyStoredEvent, EventOf, StoredEventOf } from "../eventstore/index.ts";
import { usage } from "./projection-error.ts";

/** Drizzle tables by the names that the handler knows them by. */
export type TableMap = Readonly<Record<string, PgTable>>;

/** Events of one aggregate that a projection or reactor is given. */
export interface Handled<Event = unknown> {
  readonly aggregate: Aggregate;
  readonly eventTypes: readonly string[];
  /** All of the aggregate's, also those that only a newer release knows. */
  readonly isWhole: boolean;
  /** Carries the type only. */
  readonly event?: Event;
}

type EventsOf<Selected extends readonly Handled[]> = Selected[number] extends infer One
  ? One extends Handled<infer Event>
    ? Event
    : never
  : never;

/** The aggregate's events of these types; all of them without `types`. */
export function on<A extends Aggregate, Type extends EventOf<A>["type"] = EventOf<A>["type"]>(
  aggregate: A,
  types?: readonly Type[],
): Handled<Extract<StoredEventOf<A>, { type: Type }> & { readonly aggregateType: A["type"] }> {
  const known = Object.keys(aggregate.events);
  for (const type of types ?? []) {
    if (known.includes(type)) continue;
    throw usage(
      `The aggregate ${aggregate.type} has no event ${type}.`,
      `Name one of ${known.join(", ")}.`,
    );
  }
  return { aggregate, eventTypes: types ?? known, isWhole: types === undefined };
}

export type ProjectionMode = "async" | "inline";

/** A projection for the runner, whatever its tables and events are. */
export interface Projection<Tables extends TableMap = TableMap> {
  readonly name: string;
  readonly mode: ProjectionMode;
  readonly tables: Tables;
  readonly handles: readonly Handled[];
  handle(tx: DrizzleHandle, batch: readonly AnyStoredEvent[], tables: TableMap): Promise<void>;
}

export interface ProjectionOptions<Tables extends TableMap, Selected extends readonly Handled[]> {
  /** Stands in the database: lower case, digits, `_`, at most 40. Keep it. */
  readonly name: string;
  /** The tables that this projection writes, and nothing else does. */
  readonly tables: Tables;
  /** `async` (the default): a runner follows the events. `inline`: in the append's transaction. */
  readonly mode?: ProjectionMode;
  readonly handles: Selected;
  /**
   * Writes what the events say, at most 1,000 at a time, in order, of one instance. Everything
   * through `tx` and `tables` (a rebuild passes others than the ones imported), set-based. What it
   * throws rolls the batch back; it is called again with fewer events, so it may have no effects
   * outside `tx`.
   */
  readonly handle: (
    tx: DrizzleHandle,
    batch: readonly EventsOf<Selected>[],
    tables: Tables,
  ) => Promise<void>;
}

/**
 * Defines tables that follow from events. Each event is handled once: the rows and the position
 * commit together.
 *
 * @throws ProjectionError `usage` for a name that cannot stand in the database
 */
export function defineProjection<
  const Tables extends TableMap,
  const Selected extends readonly Handled[],
>(options: ProjectionOptions<Tables, Selected>): Projection<Tables> {
  const { name, tables, mode = "async", handles, handle } = options;
  checkName(name);
  return {
    name,
    mode,
    tables,
    handles,
    handle: handle as unknown as Projection["handle"],
  };
}

/** What a reactor is given besides the event. */
export interface Reaction {
  /** The same for each try of one event, and for no other: give it to what you call. */
  readonly key: string;
  /** Aborted when the bound is reached or the process stops. */
  readonly signal: AbortSignal;
}

/** A reactor for the runner, whatever its events are. */
export interface Reactor {
  readonly name: string;
  readonly handles: readonly Handled[];
  readonly from: "beginning" | "now";
  readonly timeoutMs: number;
  readonly tries: number;
  react(event: AnyStoredEvent, reaction: Reaction): Promise<void>;
}

export interface ReactorOptions<Selected extends readonly Handled[]> {
  /** As a projection's; the two share their names. */
  readonly name: string;
  readonly handles: Selected;
  /**
   * Where it starts in an instance that it has not seen: at the first event (the default), or
   * behind those that are there when a runner first meets the instance.
   */
  readonly from?: "beginning" | "now";
  /** Longest time for one event. Default 30,000. */
  readonly timeoutMs?: number;
  /** How often an event is tried before its aggregate is quarantined. Default 5. */
  readonly tries?: number;
  /** Does something outside the database, at least once for each event, in order per instance. */
  readonly react: (event: EventsOf<Selected>, reaction: Reaction) => Promise<void>;
}

/**
 * Defines a side effect of events.
 *
 * @throws ProjectionError `usage` for a name that cannot stand in the database
 */
export function defineReactor<const Selected extends readonly Handled[]>(
  options: ReactorOptions<Selected>,
): Reactor {
  const { name, handles, from = "beginning", timeoutMs = 30_000, tries = 5, react } = options;
  checkName(name);
  return {
    name,
    handles,
    from,
    timeoutMs,
    tries,
    react: react as unknown as Reactor["react"],
  };
}

function checkName(name: string): void {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(name)) return;
  throw usage(
    `${JSON.stringify(name)} cannot be the name of a projection.`,
    "Use lower case letters, digits and _, beginning with a letter, at most 40 in all.",
  );
}
