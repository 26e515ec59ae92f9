import { duration } from "../db/base/text.ts";
import type { AnyStoredEvent } from "../eventstore/index.ts";
import type { Reactor } from "./definition.ts";
import { ProjectionError } from "./projection-error.ts";

/**
 * One try of one event, within the reactor's bound; a reactor that does not look at its signal is
 * left behind when that is over.
 *
 * @throws ProjectionError `react_timeout`; the reason of `stop`; what the reactor throws
 */
export async function react(
  reactor: Reactor,
  event: AnyStoredEvent,
  stop: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(tooLong(reactor, event)), reactor.timeoutMs);
  const onStop = () => ended.abort(stop.reason);
  if (stop.aborted) onStop();
  stop.addEventListener("abort", onStop);
  const { signal } = ended;
  const over = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  try {
    signal.throwIfAborted();
    const key = `${event.instanceId}/${event.position}`;
    await Promise.race([reactor.react(event, { key, signal }), over]);
  } catch (error) {
    // Most of what is aborted fails with an error of its own; the reason says more.
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", onStop);
  }
}

function tooLong(reactor: Reactor, event: AnyStoredEvent): ProjectionError {
  return new ProjectionError({
    code: "react_timeout",
    fact: `The reactor ${reactor.name} took longer than ${duration(reactor.timeoutMs)} for ${event.type} ${event.instanceId}/${event.position}.`,
    remedy: "Raise its timeoutMs, or make it faster.",
  });
}
