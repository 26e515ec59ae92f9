import { jittered, pause, within } from "../db/base/backoff.ts";
import { guarded } from "../db/base/listener.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import type { EventStore } from "../eventstore/index.ts";
import { catchUp } from "./catch-up.ts";
import type { Projection, Reactor } from "./definition.ts";
import { textOf } from "./failures.ts";
import type { LaneContext } from "./lane.ts";
import { createPoll } from "./poll.ts";
import { createPositions } from "./position.ts";
import type { OnProgress } from "./progress.ts";
import { createSchedule, type Turns } from "./schedule.ts";
import { subscribersOf } from "./subscriber.ts";
import { runTurn } from "./turn.ts";
import { createWaker } from "./waker.ts";

export interface RunnerOptions {
  readonly pool: DatabasePool;
  readonly store: Pick<EventStore, "barrier">;
  readonly projections?: readonly Projection[];
  readonly reactors?: readonly Reactor[];
  readonly onProgress?: OnProgress;
  /** Pauses between polls, in milliseconds: the first while there is work, up to the second. Default 20 and 1,000. */
  readonly pollMs?: { readonly min: number; readonly max: number };
  /** Transactions at a time, each of which occupies a connection of the pool. Default 4. */
  readonly parallelism?: number;
  /** The same for reactors, whose events may take long: projections do not wait for them. Default 2. */
  readonly reactorParallelism?: number;
  /** Events in one transaction, at most. Default 1,000. */
  readonly batchSize?: number;
  /**
   * How long a transaction may stand still between two statements. A process that is frozen for longer
   * loses it, and another one goes on. Default 15,000; a reactor's bound is added.
   */
  readonly idleTimeoutMs?: number;
  /** How long one statement of a handler may take. Default 60,000. */
  readonly statementTimeoutMs?: number;
  /** How often a halted projection tries again. Default 30,000. */
  readonly haltedRetryMs?: number;
}

export interface ProjectionRunner {
  /** Follows the events from now on. Inline projections are left out. */
  start(): void;
  /** Tells that events were appended: it looks at once. Any number of calls count as one. */
  wake(): void;
  /**
   * Takes no more work, finishes the transactions that run, and resolves; at the latest after
   * `timeoutMs` (default 10,000), with `drained: false`, when what still runs is left to the server
   * and the pool. Reactors are aborted at four fifths of that time.
   */
  stop(options?: { readonly timeoutMs?: number }): Promise<{ readonly drained: boolean }>;
  /**
   * Runs everything up to what was appended before the call, and resolves; with `start` or without.
   *
   * @throws ProjectionError `halted`
   */
  catchUp(): Promise<void>;
}

export const STOPPING = new Error("the runner stops");

/**
 * Follows the events with projections and reactors. Any number of processes may do so with the same
 * ones: each is at work in one process at a time in each instance, and one that dies is replaced.
 *
 * @throws ProjectionError `usage` if two have one name
 */
export function createProjectionRunner(options: RunnerOptions): ProjectionRunner {
  const { pool, store, pollMs = { min: 20, max: 1_000 }, parallelism = 4 } = options;
  const subscribers = subscribersOf(options);
  const poll = createPoll(pool, [...subscribers.keys()]);
  const waker = createWaker();
  const stopping = new AbortController();
  const aborting = new AbortController();
  const schedules = {
    projection: createSchedule(subscribers, parallelism),
    reactor: createSchedule(subscribers, options.reactorParallelism ?? 2),
  };
  const running = () => [...schedules.projection.running, ...schedules.reactor.running];
  const close = () => {
    for (const schedule of Object.values(schedules)) schedule.close();
  };
  const report = guarded(options.onProgress);
  const context: LaneContext = {
    pool,
    report,
    signal: aborting.signal,
    statementTimeoutMs: options.statementTimeoutMs ?? 60_000,
    haltedRetryMs: options.haltedRetryMs ?? 30_000,
  };
  let loop: Promise<void> | undefined;

  async function look(): Promise<number> {
    const behind = await poll();
    const barriers = new Map<string, Promise<number | undefined>>();
    const barrierOf = (instanceId: string) => {
      const barrier = barriers.get(instanceId) ?? store.barrier(instanceId, { onBusy: "give-up" });
      barriers.set(instanceId, barrier);
      return barrier;
    };
    await createPositions(pool, behind, subscribers);
    if (stopping.signal.aborted) return 0;
    const turns: Turns = {
      run: (lane, state) => runTurn(context, lane, state, barrierOf, stopping.signal),
      onDrained: waker.wake,
    };
    for (const role of ["projection", "reactor"] as const) {
      const own = behind.filter(({ name }) => subscribers.get(name)?.role === role);
      schedules[role].take(own, turns);
    }
    return behind.length;
  }

  async function run(): Promise<void> {
    let delayMs = pollMs.min;
    while (!stopping.signal.aborted) {
      const started = performance.now();
      try {
        const isBusy = (await look()) > 0 && running().length > 0;
        delayMs = isBusy ? pollMs.min : Math.min(delayMs * 2, pollMs.max);
      } catch (error) {
        delayMs = pollMs.max;
        report({ kind: "retrying", error: textOf(error), retryInMs: delayMs });
      }
      const ended = performance.now();
      await waker.sleep(jittered(delayMs));
      // However often it is woken, polling takes no more than half of the time.
      const restMs = 2 * ended - started - performance.now();
      if (restMs > 0) await pause(Math.min(restMs, pollMs.max));
    }
    close();
  }

  async function drain(timeoutMs: number): Promise<{ readonly drained: boolean }> {
    stopping.abort(STOPPING);
    waker.wake();
    const abort = setTimeout(() => aborting.abort(STOPPING), timeoutMs * 0.8);
    try {
      close();
      const over = Promise.all([loop, ...running()]);
      await within(timeoutMs, over, () => STOPPING);
      return { drained: true };
    } catch {
      aborting.abort(STOPPING);
      return { drained: false };
    } finally {
      clearTimeout(abort);
    }
  }

  let drained: Promise<{ readonly drained: boolean }> | undefined;
  return {
    start: () => {
      if (stopping.signal.aborted) return;
      loop ??= run();
    },
    wake: () => waker.wake(),
    stop: ({ timeoutMs = 10_000 } = {}) => {
      drained ??= drain(timeoutMs);
      return drained;
    },
    catchUp: () => catchUp(context, subscribers, store, parallelism),
  };
}
