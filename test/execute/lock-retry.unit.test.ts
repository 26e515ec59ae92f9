import { describe, expect, test } from "vitest";
import { lockError, pauseAfterTry } from "../../src/db/migrate/execute/lock-retry.ts";

const patience = { lockTimeoutMs: 5_000, lockTries: 10, lockBudgetMs: undefined };

describe("the pause after a try that got no lock", () => {
  test.each([
    [1, 500],
    [2, 1_000],
    [3, 2_000],
    [5, 8_000],
    [6, 10_000],
    [9, 10_000],
  ])("number %i is at most %i ms, and at least half of it", (tries, longest) => {
    expect(pauseAfterTry(patience, tries, 0, 1)).toBe(longest);
    expect(pauseAfterTry(patience, tries, 0, 0)).toBe(longest / 2);
  });

  test("is none after the last try", () => {
    expect(pauseAfterTry(patience, 10, 0)).toBeUndefined();
    expect(pauseAfterTry({ ...patience, lockTries: 1 }, 1, 0)).toBeUndefined();
  });

  test("is none where it would end behind the budget", () => {
    const bounded = { ...patience, lockBudgetMs: 6_000 };
    expect(pauseAfterTry(bounded, 1, 5_400, 1)).toBe(500);
    expect(pauseAfterTry(bounded, 1, 5_600, 1)).toBeUndefined();
  });
});

describe("what is said of a migration that got no lock", () => {
  const blocker = {
    pid: 42,
    user: "app",
    application: "worker",
    state: "idle in transaction",
    query: "update orgs set name = 'x'",
    forMs: 61_000,
  };

  test.each([
    [
      "names each session that held it",
      [blocker],
      undefined,
      "held by: pid 42 (app, worker), idle in transaction for 1 min 1 s: update orgs set name = 'x'",
    ],
    [
      "says so of what another role may not see",
      [{ ...blocker, user: null, application: null, state: null, query: null, forMs: null }],
      undefined,
      "held by: pid 42 (another role), at work",
    ],
    [
      "says where to look for a prepared transaction",
      [{ ...blocker, pid: 0 }],
      undefined,
      "held by: a prepared transaction (see pg_prepared_xacts)",
    ],
    [
      "says why nobody could look",
      [],
      "too many connections",
      "held by: unknown, no second connection could be made to look (too many connections)",
    ],
  ])("%s", (_name, blockers, blind, line) => {
    expect(lockError(patience, 10, blockers, blind).lines).toEqual([
      "tried 10 times, each up to 5.0 s",
      line,
    ]);
  });
});
