import { jittered } from "../../base/backoff.ts";
import { duration, plural } from "../../base/text.ts";
import { secondConnection } from "../../connection/second.ts";
import { LeaseLost } from "../lease/lost.ts";
import { pauseUnderLease } from "../lease/renew.ts";
import { isContended, isLockConflict } from "../ledger/server-error.ts";
import type { Blocker } from "../progress-types.ts";
import type { HeldRun, LockPatience } from "../run-types.ts";
import type { ParsedStep } from "../sql/segments.ts";
import { heldBy, watchBlockers } from "./blockers.ts";
import { type Execution, partsOf, type RunHooks } from "./execution.ts";
import { type PartFailure, runPipeline } from "./pipeline.ts";
import {
  commandOf,
  type FailureNotes,
  isUnjudgeable,
  recordFailure,
  recordStop,
} from "./record-failure.ts";
import { startMessage } from "./transaction.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Runs the steps under the lease, each in a transaction that also records it. One that
 * cannot get its locks in time is rolled back and tried again after a pause, in which
 * the sessions that queued up after it are served.
 *
 * @throws MigrateError `migration_failed`, `lock_timeout`, `canceled`; LeaseLost; SessionLost
 */
export async function executeSteps(
  run: HeldRun,
  steps: readonly ParsedStep[],
  hooks: RunHooks,
): Promise<void> {
  const [first] = steps;
  if (first === undefined) return;
  const start = await run.session.send("start", startMessage(run, first));
  const started = start.reply.catch((error: unknown) => {
    throw isContended(error) ? new LeaseLost(error.message, { cause: error }) : error;
  });
  started.catch(() => undefined);
  const second = secondConnection(run.url, run.onFailpoint);
  const watch = watchBlockers(run, second);
  const state = { parts: partsOf(steps), counter: { committed: 1 }, begun: new Map() };
  try {
    await runToTheEnd({ ...run, ...hooks, ...state, steps, second, watch }, started);
  } finally {
    watch.stop();
    second.close();
  }
}

async function runToTheEnd(execution: Execution, started: Promise<unknown>): Promise<void> {
  const { lockPatience, watch } = execution;
  let from = 0;
  let tries = 0;
  let since = performance.now();
  for (;;) {
    const end = await runPipeline(execution, from, started);
    if (end.kind === "done") return;
    if (end.kind === "aborted") throw await recordStop(execution, end.next, undefined);
    if (end.index > from) {
      tries = 0;
      since = performance.now();
    }
    from = end.index;
    tries += 1;
    const isConflict = gotNoLock(end);
    // A statement that cannot be judged afterwards is not run again.
    const pauseMs =
      isConflict && !isUnjudgeable(end.part)
        ? pauseAfterTry(lockPatience, tries, performance.now() - since)
        : undefined;
    if (pauseMs === undefined) {
      const locks = isConflict
        ? lockError(lockPatience, tries, watch.seen(), watch.blind(), commandOf(end.part.step))
        : undefined;
      throw await recordFailure(execution, end, locks);
    }
    await pauseForLocks(execution, end, tries, pauseMs);
  }
}

/** The migration's own statements did not get a lock; the fence's is another story. */
function gotNoLock({ stage, error }: PartFailure): boolean {
  return isLockConflict(error) && stage.kind !== "fence";
}

async function pauseForLocks(
  execution: Execution,
  { part, index, error }: PartFailure,
  tries: number,
  pauseMs: number,
): Promise<void> {
  const { lockPatience, watch, signal, onProgress } = execution;
  const { tag } = part.step.migration;
  const of = lockPatience.lockTries;
  const blockers = watch.seen();
  onProgress({ kind: "lock-retry", tag, reason: error.message, tries, of, pauseMs, blockers });
  try {
    await pauseUnderLease(execution, pauseMs);
  } catch (stopped) {
    if (!signal?.aborted) throw stopped;
    throw await recordStop(execution, index, error);
  }
}

/**
 * How long to pause before the next try: twice as long each time, between half of that and
 * all of it. Undefined when there is none left.
 *
 * @param tries made so far, from 1
 * @param spentMs since the first of them began
 * @param random from 0 to 1
 */
export function pauseAfterTry(
  { lockTries, lockBudgetMs }: LockPatience,
  tries: number,
  spentMs: number,
  random: number = Math.random(),
): number | undefined {
  if (tries >= lockTries) return undefined;
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS);
  const pauseMs = Math.round(jittered(longest, random));
  if (lockBudgetMs !== undefined && spentMs + pauseMs > lockBudgetMs) return undefined;
  return pauseMs;
}

/** What is said of a migration that got no lock: who held it, and what to do. */
export function lockError(
  { lockTimeoutMs, lockBudgetMs }: LockPatience,
  tries: number,
  blockers: readonly Blocker[],
  blind: string | undefined,
  command: "migrate" | "rollback" = "migrate",
): FailureNotes {
  const budget = lockBudgetMs === undefined ? "" : `, within ${duration(lockBudgetMs)} in all`;
  const held = heldBy(blockers);
  const nobody =
    blind === undefined
      ? []
      : [`held by: unknown, no second connection could be made to look (${blind})`];
  return {
    lines: [
      `tried ${plural(tries, "time")}, each up to ${duration(lockTimeoutMs)}${budget}`,
      ...(held.length > 0 ? held : nobody),
    ],
    remedy:
      "Next: wait for the other session to end, or end it (select pg_terminate_backend(pid)), " +
      `then run \`tidemark ${command}\` again. ` +
      "--lock-timeout and --lock-tries set how long it tries.",
  };
}
