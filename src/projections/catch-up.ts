import { jittered, pause } from "../db/base/backoff.ts";
import type { EventStore } from "../eventstore/index.ts";
import { isTransient } from "./failures.ts";
import { createLane, type LaneContext, step } from "./lane.ts";
import { pollBehind } from "./poll.ts";
import { ProjectionError } from "./projection-error.ts";
import type { Subscriber } from "./subscriber.ts";
import { createPosition, retryLater } from "./turn.ts";

/** While another process is at it. */
const BUSY_MS = 20;
/** In a row: about half a minute. */
const MOST_FAILURES = 9;

/**
 * Runs these up to what was appended before the call, in every instance, so many at a time.
 *
 * @throws ProjectionError `halted`; what the events are not to blame for, if it stays so
 */
export async function catchUp(
  context: LaneContext,
  subscribers: ReadonlyMap<string, Subscriber>,
  store: Pick<EventStore, "barrier">,
  parallelism: number,
): Promise<void> {
  const behind = [...(await pollBehind(context.pool, [...subscribers.keys()]))];
  const { signal } = context;
  const work = async () => {
    for (let next = behind.pop(); next !== undefined; next = behind.pop()) {
      const { name, instanceId } = next;
      const subscriber = subscribers.get(name);
      if (subscriber === undefined) continue;
      await reach(context, subscriber, instanceId, () => store.barrier(instanceId, { signal }));
    }
  };
  await Promise.all(Array.from({ length: parallelism }, work));
}

/** Runs one in one instance up to the barrier that it asks for first. */
export async function reach(
  context: LaneContext,
  subscriber: Subscriber,
  instanceId: string,
  barrier: () => Promise<number | undefined>,
): Promise<void> {
  const lane = createLane(subscriber, instanceId);
  let upTo: number | undefined;
  for (;;) {
    context.signal.throwIfAborted();
    try {
      if (upTo === undefined) {
        const settled = (await barrier()) ?? 0;
        await createPosition(context.pool, lane, settled);
        upTo = settled;
      }
      const next = await step(context, lane, upTo);
      if (next.kind === "reached" || (next.kind === "went-on" && next.isThere)) return;
      if (next.kind === "busy") await pause(jittered(BUSY_MS));
      if (next.kind !== "wait") continue;
      if (next.halted !== undefined) throw halted(subscriber, instanceId, next.halted.error);
      await pause(next.ms, context.signal);
    } catch (error) {
      if (error instanceof ProjectionError || context.signal.aborted) throw error;
      if (!isTransient(error)) throw error;
      if (lane.transientFailures === MOST_FAILURES) throw error;
      await pause(jittered(retryLater(context, lane, error)), context.signal);
    }
  }
}

function halted(subscriber: Subscriber, instanceId: string, error: string): ProjectionError {
  return new ProjectionError({
    code: "halted",
    fact: `The projection ${subscriber.name} has halted in the instance ${instanceId}, because one aggregate after the other failed; the last error is: ${error}`,
    remedy: "Correct its handler, deploy it, then retry what is quarantined.",
  });
}
