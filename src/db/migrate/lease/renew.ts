import { pause } from "../../base/backoff.ts";
import { ask, columnOf, rolledBackAfterError } from "../../connection/ask.ts";
import type { SecondConnection } from "../../connection/second.ts";
import type { HeldRun, MessageName } from "../run-types.ts";
import { LeaseLost } from "./lost.ts";
import { LEASE_RENEW_MS, RENEWED, renewLease } from "./sql.ts";

/**
 * A pause in which the lease is kept: no transaction of the run is open meanwhile, so
 * that nothing but its expiry says that the run is alive.
 *
 * @throws LeaseLost, SessionLost; the signal's reason
 */
export async function pauseUnderLease(run: HeldRun, pauseMs: number): Promise<void> {
  const { session, signal } = run;
  const end = performance.now() + pauseMs;
  for (;;) {
    const text = renewLease(run, session.serverVersion);
    const reply = await rolledBackAfterError(session, ask(session, "renew", text));
    if (columnOf(reply, RENEWED) === undefined) throw new LeaseLost();
    const leftMs = end - performance.now();
    if (leftMs <= 0) return;
    await pause(Math.min(leftMs, LEASE_RENEW_MS), signal);
  }
}

/**
 * Works with the lease kept, while the session has nothing else to do.
 *
 * @param work given a signal that comes with the run's, or when the lease is found to be another's
 * @throws LeaseLost, SessionLost; what the work throws
 */
export async function workUnderLease<T>(
  run: HeldRun,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const lost = new AbortController();
  const signals = run.signal ? [run.signal, lost.signal] : [lost.signal];
  const working = work(AbortSignal.any(signals)).finally(() => over.abort());
  const keeping = (async () => {
    while (!over.signal.aborted) {
      await pauseUnderLease({ ...run, signal: over.signal }, LEASE_RENEW_MS);
    }
  })().catch((error: unknown) => {
    if (over.signal.aborted) return;
    lost.abort(error);
    throw error;
  });
  // What it was told of by its signal is the reason, not what it made of it.
  const [result, kept] = await Promise.allSettled([working, keeping]);
  if (kept.status === "rejected") throw kept.reason;
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

/**
 * Renews the lease by a second connection, while the run's own is busy with a statement that
 * holds no lock on the runner row. Where there is no second connection, that statement itself says
 * that the run lives.
 *
 * @param onLost called once, when the lease is found to be another's
 * @returns stops it
 */
export function startHeartbeat(
  second: SecondConnection<MessageName>,
  run: HeldRun,
  onLost: () => void,
): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const beat = async () => {
    try {
      const reply = await second.use((session) =>
        ask(session, "heartbeat", renewLease(run, session.serverVersion)),
      );
      if (!stopped && columnOf(reply, RENEWED) === undefined) {
        stopped = true;
        onLost();
      }
    } catch {
      // No slot, or a pooler that has none left: tried again.
    }
    if (!stopped) later();
  };
  const later = () => {
    timer = setTimeout(() => void beat(), LEASE_RENEW_MS);
  };
  later();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
