import { jittered } from "../../base/backoff.ts";
import { duration, plural } from "../../base/text.ts";
import type { Blocker } from "../reports.ts";
import { describeBlocker } from "./blockers.ts";

/** How long, and how often, a migration tries to get its locks. */
export interface LockPatience {
  /** `lock_timeout` of each try. */
  readonly lockTimeoutMs: number;
  /** Tries in all. */
  readonly lockTries: number;
  /** Bound on all tries and pauses of a migration; undefined where the tries alone bound it. */
  readonly lockBudgetMs: number | undefined;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

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

/** A line for each session that held a migration up. */
export function heldBy(blockers: readonly Blocker[]): readonly string[] {
  return blockers.map((blocker) => `held by: ${describeBlocker(blocker)}`);
}

/** What is said of a migration that got no lock: who held it, and what to do. */
export function lockError(
  { lockTimeoutMs, lockBudgetMs }: LockPatience,
  tries: number,
  blockers: readonly Blocker[],
  blind: string | undefined,
): { readonly lines: readonly string[]; readonly remedy: string } {
  const budget = lockBudgetMs === undefined ? "" : `, within ${duration(lockBudgetMs)} in all`;
  const held = heldBy(blockers);
  const nobody = blind === undefined ? [] : [`held by: nobody could look (${blind})`];
  return {
    lines: [
      `tried ${plural(tries, "time")}, each up to ${duration(lockTimeoutMs)}${budget}`,
      ...(held.length > 0 ? held : nobody),
    ],
    remedy:
      "Next: let the other session end, or end it (select pg_terminate_backend(pid)), then run `tidemark migrate` again. " +
      "--lock-timeout and --lock-tries set how long to try.",
  };
}
