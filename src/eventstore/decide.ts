import { jittered, pause } from "../db/base/backoff.ts";
import type {
  Aggregate,
  AggregateRef,
  AnyStoredEvent,
  Decider,
  Decision,
  Intent,
} from "./definition.ts";
import { ConcurrencyConflict } from "./event-store-error.ts";
import { type LoadContext, type Loaded, loadAggregate } from "./load.ts";
import { digestOf, type IdempotencyOptions } from "./prepared-push.ts";
import type { PushOptions, PushResult } from "./push.ts";
import { conflictOf, findEarlier } from "./refusal.ts";

/** On what a command is executed, and in whose name. */
export interface CommandTarget<State> extends AggregateRef {
  /** The organisation that owns the aggregate; of an existing one usually told by its state. */
  readonly owner: string | ((state: State) => string);
  readonly creator: string;
}

export interface ExecuteOptions extends IdempotencyOptions {
  /** How often a conflict leads to another try, which loads and decides again. Default 3. */
  readonly retries?: number;
  /** The version that the caller decided on: another one is a conflict, and is not tried again. */
  readonly expected?: number | undefined;
  /**
   * Called before each decision, to look at what is not in the aggregate; what it throws refuses the
   * command. Not for a request that is repeated under its key: that was done already.
   */
  readonly check?: () => Promise<void>;
}

export interface Executed<State> {
  /** What was appended; empty if nothing was to be done. */
  readonly events: readonly AnyStoredEvent[];
  readonly state: State;
  readonly version: number;
  /** Of the aggregate's last event that is known; undefined if it was not read. */
  readonly position: number | undefined;
  readonly replayed: boolean;
}

const FIRST_PAUSE_MS = 5;

/**
 * Loads, decides, pushes; again from the start where another writer came between.
 *
 * @throws what `decide` throws, and what a push throws
 */
export async function execute<A extends Aggregate, State, Command>(
  context: LoadContext & {
    readonly push: (intents: readonly Intent[], options: PushOptions) => Promise<PushResult>;
  },
  decider: Decider<A, State, Command>,
  { owner, creator, ...ref }: CommandTarget<State>,
  command: Command,
  { retries = 3, expected, idempotencyKey, request, check }: ExecuteOptions = {},
): Promise<Executed<State>> {
  const { aggregate } = decider;
  const { instanceId, id } = ref;
  const idempotency = idempotencyKey === undefined ? undefined : { key: idempotencyKey };
  const asked = request ?? [aggregate.type, id, command];
  for (let tries = 0; ; tries += 1) {
    if (idempotency !== undefined) {
      // Before deciding: what the first request has done may forbid the second one.
      const keyed = { instanceId, idempotency: { ...idempotency, digest: digestOf(asked) } };
      const earlier = await findEarlier(context.run, keyed);
      if (earlier?.kind === "refused") throw earlier.error;
      if (earlier !== undefined) return replayed(context, decider, ref, earlier.events);
    }
    await check?.();
    const loaded = await loadAggregate(context, aggregate, ref, decider);
    await refuseOther(context, decider, ref, loaded, expected);
    const { events, claim, release } = asDecision(decider.decide(loaded.state, command));
    if (events.length === 0) return unchanged(loaded);
    const intent: Intent = {
      aggregate,
      instanceId,
      id,
      creator,
      owner: typeof owner === "string" ? owner : owner(loaded.state),
      expected: loaded.version,
      events,
      ...(claim && { claim }),
      ...(release && { release }),
    };
    try {
      const pushed = await context.push([intent], { idempotencyKey, request: asked });
      if (pushed.replayed) return replayed(context, decider, ref, pushed.events);
      return {
        events: pushed.events,
        state: events.reduce(decider.evolve, loaded.state),
        version: pushed.events.at(-1)?.sequence ?? loaded.version,
        position: pushed.position,
        replayed: false,
      };
    } catch (error) {
      if (!(error instanceof ConcurrencyConflict) || expected !== undefined) throw error;
      if (tries >= retries) throw error;
      await pause(jittered(FIRST_PAUSE_MS * (tries + 1)));
    }
  }
}

function asDecision<Event>(decision: readonly Event[] | Decision<Event>): Decision<Event> {
  return "events" in decision ? decision : { events: decision };
}

async function refuseOther<A extends Aggregate, State, Command>(
  { run }: LoadContext,
  { aggregate: { type } }: Decider<A, State, Command>,
  { instanceId, id }: AggregateRef,
  { version }: Loaded<State>,
  expected: number | undefined,
): Promise<void> {
  if (expected === undefined || expected === version) return;
  const asked = { type, id, owner: "", creator: "", expected };
  throw await conflictOf(run, instanceId, asked, version);
}

function unchanged<State>({ state, version, last }: Loaded<State>): Executed<State> {
  return { events: [], state, version, position: last?.position, replayed: false };
}

async function replayed<A extends Aggregate, State, Command>(
  context: LoadContext,
  decider: Decider<A, State, Command>,
  ref: AggregateRef,
  events: readonly AnyStoredEvent[],
): Promise<Executed<State>> {
  const { state, version } = await loadAggregate(context, decider.aggregate, ref, decider);
  return { events, state, version, position: events.at(-1)?.position, replayed: true };
}
