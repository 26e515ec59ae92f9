import { createLane, isPristine, type Lane } from "./lane.ts";
import type { Behind } from "./poll.ts";
import type { Subscriber } from "./subscriber.ts";
import type { TurnResult } from "./turn.ts";

interface Scheduled {
  readonly lane: Lane;
  isBusy: boolean;
  /** On the clock of `performance`. */
  notBefore: number;
  /** A number that rises; 0 before the first. */
  lastTurn: number;
}

export interface Turns {
  readonly run: (lane: Lane, state: Behind) => Promise<TurnResult>;
  /** Nothing is left to begin, and something was done: it is worth looking again. */
  readonly onDrained: () => void;
}

export interface Schedule {
  /** Runs a turn of each lane that is behind, so many at a time, in place of those before. */
  readonly take: (behind: readonly Behind[], turns: Turns) => void;
  readonly running: ReadonlySet<Promise<void>>;
  /** Begins no other turn. */
  readonly close: () => void;
}

/** Which lane has its turn when: one turn of a lane at a time, first those that waited longest. */
export function createSchedule(
  subscribers: ReadonlyMap<string, Subscriber>,
  parallelism: number,
): Schedule {
  const lanes = new Map<string, Scheduled>();
  const running = new Set<Promise<void>>();
  let queue: { readonly key: string; readonly state: Behind; readonly one: Scheduled }[] = [];
  let turns: Turns | undefined;
  let count = 0;
  let isMoving = false;

  function fill(): void {
    while (turns !== undefined && running.size < parallelism) {
      const next = queue.shift();
      if (next === undefined) break;
      const { one } = next;
      if (!one.isBusy && one.notBefore <= performance.now()) begin(turns, next);
    }
    if (queue.length > 0 || !isMoving || turns === undefined) return;
    isMoving = false;
    turns.onDrained();
  }

  function begin({ run }: Turns, { key, state, one }: (typeof queue)[number]): void {
    count += 1;
    one.isBusy = true;
    one.lastTurn = count;
    lanes.set(key, one);
    const turn = run(one.lane, state).then((result) => {
      running.delete(turn);
      one.isBusy = false;
      one.notBefore = performance.now() + result.waitMs;
      isMoving ||= result.isMoving;
      // There may be as many as instances: what has nothing to remember is forgotten.
      if (result.isDone && isPristine(one.lane)) lanes.delete(key);
      fill();
    });
    running.add(turn);
  }

  function scheduled(key: string, { name, instanceId }: Behind): Scheduled {
    const known = lanes.get(key);
    if (known !== undefined) return known;
    const subscriber = subscribers.get(name);
    if (subscriber === undefined) throw new TypeError(`unknown projection: ${name}`);
    const lane = createLane(subscriber, instanceId);
    return { lane, isBusy: false, notBefore: 0, lastTurn: 0 };
  }

  return {
    running,
    take: (behind, next) => {
      turns = next;
      queue = behind
        .map((state) => {
          const key = JSON.stringify([state.name, state.instanceId]);
          return { key, state, one: scheduled(key, state) };
        })
        // What is at work now may be there by then: the next look tells.
        .filter(({ one }) => !one.isBusy)
        .toSorted((a, b) => a.one.lastTurn - b.one.lastTurn);
      fill();
    },
    close: () => {
      turns = undefined;
      queue = [];
    },
  };
}
