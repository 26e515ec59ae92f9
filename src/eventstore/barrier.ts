import { jittered, pause } from "../db/base/backoff.ts";
import type { Run } from "./database.ts";
import { serverError } from "./database.ts";

/**
 * How long the reader stands in the queue for its lock: appends that come meanwhile stand behind it.
 * Longer than any append of one statement; a transaction that holds the lock for longer is met again
 * later, and delays no other append by more than this.
 */
const LOCK_TIMEOUT_MS = 100;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;
const LOCK_NOT_AVAILABLE = "55P03";

// Each step depends on the one before, so that none is evaluated early: the number is read when the
// lock is held. A sequence that was never used has no last value.
const BARRIER = `
with bounded as materialized (
  select pg_catalog.set_config('lock_timeout', '${LOCK_TIMEOUT_MS}ms', true) as setting
),
held as materialized (
  select pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtextextended('eventstore.events:' || $1::text || pg_catalog.left(b.setting, 0), 0))
  from bounded b
)
select coalesce(
  pg_catalog.pg_sequence_last_value('eventstore.events_global_sequence_seq'::pg_catalog.regclass), 0
) as position
from held`;

export interface BarrierOptions {
  readonly signal?: AbortSignal | undefined;
  /** Do not wait for a transaction that appends for long: undefined is returned instead. */
  readonly onBusy?: "wait" | "give-up";
}

/**
 * The position up to which nothing of the instance is still to come: every event below it is
 * committed, or never will be. An append holds the instance's lock, shared, from before it draws its
 * numbers until its transaction ends; so when the exclusive lock was had for an instant, all numbers
 * drawn before are decided.
 *
 * Read the events in a statement of its own afterwards: one that began earlier would not see them.
 *
 * @throws the signal's reason
 */
export async function readBarrier(
  run: Run,
  instanceId: string,
  { signal, onBusy = "wait" }: BarrierOptions = {},
): Promise<number | undefined> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      const [row] = await run<{ position: number | string }>(BARRIER, [instanceId]);
      return Number(row?.position ?? 0);
    } catch (error) {
      if (serverError(error)?.sqlState !== LOCK_NOT_AVAILABLE) throw error;
      if (onBusy === "give-up") return undefined;
    }
    await pause(jittered(pauseMs), signal);
  }
}
