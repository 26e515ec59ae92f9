import { guarded } from "../db/base/listener.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import { type BarrierOptions, readBarrier } from "./barrier.ts";
import { runOn } from "./database.ts";
import { type CommandTarget, type Executed, type ExecuteOptions, execute } from "./decide.ts";
import type {
  Aggregate,
  AggregateRef,
  AnyStoredEvent,
  Decider,
  Fold,
  Intent,
  StoredEventOf,
} from "./definition.ts";
import { type LoadContext, type Loaded, loadAggregate, type StoreWarning } from "./load.ts";
import { readEvent } from "./payload.ts";
import { type InlineHandler, type PushOptions, type PushResult, push } from "./push.ts";
import {
  aggregatePages,
  instancePages,
  type ReadAggregateOptions,
  type ReadInstanceOptions,
} from "./read.ts";

export interface EventStoreOptions {
  /** For all that no transaction of the caller's is given for. */
  readonly pool: DatabasePool;
  /** Check events against their schemas when they are read, too: for development. Default false. */
  readonly checkReads?: boolean;
  /** Run in the transaction of each append. */
  readonly inline?: readonly InlineHandler[];
  /**
   * Called after events were committed by a push that had a transaction of its own. What it throws does
   * not reach the push, which has succeeded: it becomes an uncaught exception.
   */
  readonly onAppended?: (result: PushResult) => void;
  readonly onWarning?: (warning: StoreWarning) => void;
}

export type EventStore = ReturnType<typeof createEventStore>;

/** The event store of one database. It holds no connection and no state of its own. */
export function createEventStore(options: EventStoreOptions) {
  const { pool, checkReads = false, inline = [] } = options;
  const onAppended = guarded(options.onAppended);
  const run = runOn(pool);
  const loading: LoadContext = {
    run,
    check: checkReads,
    onWarning: guarded(options.onWarning),
  };

  const append = async (intents: readonly Intent[], pushOptions: PushOptions = {}) => {
    const result = await push({ pool, inline }, intents, pushOptions);
    if (pushOptions.transaction === undefined && !result.replayed) onAppended(result);
    return result;
  };

  return {
    pool,

    /**
     * Appends the intents' events in their order, all or none, in one statement.
     *
     * @throws EventStoreError `concurrency_conflict`, `unique_violation`, `idempotency_mismatch`,
     * `invalid_event`, `commit_in_doubt`, `usage`
     */
    push: append,

    /** Loads, decides, pushes; again where another writer came between. Throws as those do. */
    execute: <A extends Aggregate, State, Command>(
      decider: Decider<A, State, Command>,
      target: CommandTarget<State>,
      command: Command,
      executeOptions?: ExecuteOptions,
    ): Promise<Executed<State>> =>
      execute({ ...loading, push: append }, decider, target, command, executeOptions),

    /** The aggregate's state. Throws `unknown_event`, `invalid_event`. */
    load: <A extends Aggregate, State>(
      aggregate: A,
      ref: AggregateRef,
      fold: Fold<A, State>,
    ): Promise<Loaded<State>> => loadAggregate(loading, aggregate, ref, fold),

    /** The aggregate's events, in their newest shape, page by page. */
    async *readAggregate<A extends Aggregate>(
      aggregate: A,
      ref: AggregateRef,
      readOptions?: ReadAggregateOptions,
    ): AsyncGenerator<StoredEventOf<A>> {
      for await (const page of aggregatePages(run, aggregate, ref, readOptions)) {
        for (const event of page) {
          yield readEvent(aggregate, event, {
            check: checkReads,
          }) as unknown as StoredEventOf<A>;
        }
      }
    },

    /**
     * The instance's events after a cursor, as they were stored, in their order and page by page. It
     * ends at the barrier: reading on from the last position later misses nothing.
     */
    async *readInstance(
      instanceId: string,
      readOptions?: ReadInstanceOptions,
    ): AsyncGenerator<AnyStoredEvent> {
      const upTo = (await readBarrier(run, instanceId)) ?? 0;
      for await (const page of instancePages(run, instanceId, upTo, readOptions)) yield* page;
    },

    /** The position up to which nothing is still to come; undefined if told to give up. */
    barrier: (instanceId: string, barrierOptions?: BarrierOptions): Promise<number | undefined> =>
      readBarrier(run, instanceId, barrierOptions),
  };
}
