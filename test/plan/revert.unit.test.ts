import { describe, expect, test } from "vitest";
import {
  checksumOf,
  EMPTY_HEAD,
  headOf,
  linkAfter,
} from "../../src/db/migrate/history/checksum.ts";
import type { LedgerRow } from "../../src/db/migrate/ledger-types.ts";
import { halfWayDown } from "../../src/db/migrate/plan/half-way.ts";
import { planRun } from "../../src/db/migrate/plan/plan.ts";
import { planRevert, targetOf } from "../../src/db/migrate/plan/revert.ts";
import type { RollbackTarget } from "../../src/db/migrate/rollback-types.ts";
import type { DownFile, History } from "../../src/db/migrate/types.ts";

const OWNER = {
  ...{ user: "ada", host: "h", processId: 1, backendPid: 2, backendStart: null },
  ...{ toolVersion: "0", appVersion: null },
};
const BEFORE = {
  ...{ statementsDone: 1, statementsTotal: 1, prefix: null, durationMs: 1 },
  ...{ startedAt: new Date(0), finishedAt: new Date(1) },
};

function historyOf(...tags: readonly string[]): History {
  let link = EMPTY_HEAD;
  const migrations = tags.map((tag, index) => {
    const checksum = checksumOf(tag);
    link = linkAfter(link, tag, checksum);
    return { tag, index, file: `drizzle/${tag}.sql`, sql: tag, checksum, link };
  });
  return { dir: "drizzle", layout: "0.x", migrations, head: link, warnings: [] };
}

function applied(tag: string, rank: number, changes: Partial<LedgerRow> = {}): LedgerRow {
  return {
    ...{ tag, state: "DONE", rank, attempt: 1, checksum: checksumOf(tag), statementsDone: 1 },
    ...{ statementsTotal: 1, prefix: null, underWay: null, startedAt: new Date(0) },
    ...{ finishedAt: new Date(1), durationMs: 1, runId: "r", owner: OWNER, error: null },
    ...{ eventId: 1, reverting: null, ...changes },
  };
}

const down = (tag: string, sql = `-- down ${tag}`, isUnverified = false): DownFile => ({
  ...{ file: `drizzle/${tag}.down.sql`, sql, checksum: checksumOf(sql), isUnverified },
});
const stored = (tag: string, sql = `-- kept ${tag}`) => ({ tag, sql, checksum: checksumOf(sql) });

const HISTORY = historyOf("a", "b", "c");
const ROWS = [applied("c", 2), applied("a", 0), applied("b", 1)];
const FILES = new Map(["a", "b", "c"].map((tag) => [tag, down(tag)]));

function plan(target: RollbackTarget, given: { rows?: readonly LedgerRow[] } = {}) {
  const downs = { files: FILES, stored: new Map() };
  return planRevert(HISTORY, { rows: given.rows ?? ROWS }, downs, target);
}

const HALF = applied("c", 2, { state: "FAILED", reverting: BEFORE, statementsDone: 1 });

describe("which migrations go", () => {
  test.each<[string, RollbackTarget, readonly string[], string | undefined]>([
    ["the newest", {}, ["c"], "b"],
    ["so many", { steps: 2 }, ["c", "b"], "a"],
    ["all", { steps: "all" }, ["c", "b", "a"], undefined],
    ["what came after one", { to: "a" }, ["c", "b"], "a"],
    ["nothing after the newest", { to: "c" }, [], "c"],
  ])("%s", (_name, target, tags, versionAfter) => {
    const { steps, versionAfter: after, problems } = plan(target);
    expect(steps.map(({ migration }) => migration.tag)).toEqual(tags);
    expect(after).toBe(versionAfter);
    expect(problems).toEqual([]);
  });

  test.each<[string, RollbackTarget, string]>([
    [
      "more than are applied",
      { steps: 4 },
      "4 migrations were to be taken back, and 3 are applied.",
    ],
    ["to one that is not applied", { to: "d" }, "d is not applied here."],
    ["both", { to: "a", steps: 1 }, "Both a number of steps and a target are given."],
  ])("%s is refused", (_name, target, fact) => {
    expect(() => plan(target)).toThrow(fact);
  });

  test("none, where none is applied", () => {
    expect(plan({}, { rows: [] })).toMatchObject({ steps: [], versionAfter: undefined });
  });

  test("in the history's order, not in that of their application", () => {
    const late = [applied("a", 0), applied("c", 2), applied("b", 1, { finishedAt: new Date(9) })];
    expect(plan({}, { rows: late }).steps[0]?.migration.tag).toBe("c");
  });

  test("one that is half-way down first, from where it stopped; it cannot be the target", () => {
    const rows = [applied("a", 0), applied("b", 1), HALF];
    expect(plan({}, { rows }).steps).toMatchObject([
      { migration: { tag: "c" }, resumeAt: 1, attempt: 2 },
    ]);
    expect(() => plan({ to: "c" }, { rows })).toThrow("c is half-way down");
  });

  test("under the lease, what is left of the plan, and nothing that came since", () => {
    expect(targetOf(ROWS, ["c", "b"])).toEqual({ steps: 2 });
    expect(targetOf([applied("a", 0), applied("b", 1)], ["c", "b"])).toEqual({ steps: 1 });
    expect(targetOf([applied("a", 0)], ["c", "b"])).toEqual({ steps: 0 });
    expect(() => targetOf(ROWS, ["b"])).toThrow("Applied since this rollback was planned");
  });
});

describe("the database's head", () => {
  test("is that of what stays, and of no history while one is half-way down", () => {
    const { steps, head } = plan({ steps: "all" });
    expect(head).toBe(HISTORY.head);
    expect(steps.map(({ headAfter }) => headAfter)).toEqual([
      headOf(HISTORY.migrations.slice(0, 2)),
      headOf(HISTORY.migrations.slice(0, 1)),
      EMPTY_HEAD,
    ]);
    const links = new Set([EMPTY_HEAD, ...HISTORY.migrations.map(({ link }) => link)]);
    for (const { down: step } of steps) expect(links).not.toContain(step?.headMeanwhile);
  });
});

describe("which text takes it back", () => {
  const c = (
    files: readonly DownFile[],
    kept: readonly string[],
    changes: Partial<LedgerRow> = {},
  ) => {
    const rows = [applied("c", 2, changes)];
    const { steps, problems } = planRevert(
      HISTORY,
      { rows },
      {
        files: new Map(files.map((file) => ["c", file])),
        stored: new Map(kept.map((sql) => ["c", stored("c", sql)])),
      },
      {},
    );
    const [step] = steps;
    return problems[0]?.code ?? [step?.source, step?.otherwise?.source].join(" ").trim();
  };

  test.each<[string, readonly DownFile[], readonly string[], Partial<LedgerRow>, string]>([
    ["the folder's alone", [down("c")], [], {}, "folder"],
    ["the folder's before the ledger's", [down("c")], ["x"], {}, "folder"],
    ["the ledger's, where the folder has none", [], ["x"], {}, "ledger"],
    [
      "the ledger's, for a file that was edited since",
      [down("c")],
      ["x"],
      { checksum: checksumOf("?") },
      "ledger",
    ],
    [
      "none, for such a file, where none was kept",
      [down("c")],
      [],
      { checksum: checksumOf("?") },
      "missing_file",
    ],
    ["none", [], [], {}, "missing_file"],
    ["none that the sum has otherwise", [down("c", "x", true)], [], {}, "history_invalid"],
    ["one that the sum has otherwise, as it was kept", [down("c", "x", true)], ["x"], {}, "folder"],
    ["none, by its own word", [down("c", "-- irreversible: no")], [], {}, "irreversible"],
    ["none, by the word of the kept one", [], ["-- irreversible: no"], {}, "irreversible"],
    [
      "half-way down, the folder's, else what it was begun with",
      [down("c")],
      ["x"],
      { reverting: BEFORE },
      "folder ledger",
    ],
  ])("%s", (_name, files, kept, changes, expected) => {
    expect(c(files, kept, changes)).toBe(expected);
  });
});

describe("a run up, beside one that is half-way down", () => {
  const rows = [applied("a", 0), applied("b", 1), HALF];

  test("is refused, with what is committed and what to do", () => {
    expect(planRun(HISTORY, { runner: undefined, rows }).problems).toMatchObject([
      { code: "in_doubt", tag: "c", fact: expect.stringContaining("1 of its 1 statement") },
    ]);
    const untouched = [applied("c", 2, { state: "FAILED", reverting: BEFORE, statementsDone: 0 })];
    expect(halfWayDown(untouched, undefined)?.remedy).toContain("`tidemark repair`");
  });

  test("is refused too for an older release, which has not its file", () => {
    expect(planRun(historyOf("a", "b"), { runner: undefined, rows }).problems[0]?.code).toBe(
      "in_doubt",
    );
  });

  test("takes nothing that is recorded of its way down for its way up", () => {
    const [step] = planRun(HISTORY, { runner: undefined, rows }).steps;
    expect(step).toMatchObject({ resumeAt: 0, prefix: null, underWay: null });
  });
});
