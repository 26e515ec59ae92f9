import { describe, expect, test } from "vitest";
import {
  checksumOf,
  EMPTY_HEAD,
  headOf,
  linkAfter,
} from "../../src/db/migrate/history/checksum.ts";
import type { Ledger, LedgerRow, Liveness, RunnerRow } from "../../src/db/migrate/ledger-types.ts";
import { planRun } from "../../src/db/migrate/plan/plan.ts";
import { refuseUnknownTarget } from "../../src/db/migrate/plan/problems.ts";
import type { History } from "../../src/db/migrate/types.ts";

const RUN = "11111111-1111-4111-8111-111111111111";

const BUILD = {
  statement: 1,
  digest: checksumOf("vacuum notes"),
  label: "VACUUM notes",
  action: { kind: "repeatable" },
  before: { kind: "drop-index", found: null },
} as const;

function historyOf(...tags: readonly string[]): History {
  let link = EMPTY_HEAD;
  const migrations = tags.map((name, index) => {
    // "b!" is b with another content.
    const tag = name.replace("!", "");
    const checksum = checksumOf(name);
    link = linkAfter(link, tag, checksum);
    return { tag, index, file: `drizzle/${tag}.sql`, sql: name, checksum, link };
  });
  return { dir: "drizzle", layout: "0.x", migrations, head: link, warnings: [] };
}

function row(tag: string, changes: Partial<LedgerRow> = {}): LedgerRow {
  const owner = {
    user: "ada",
    host: "h",
    processId: 1,
    backendPid: 2,
    backendStart: null,
    toolVersion: "0",
    appVersion: null,
  };
  return {
    tag,
    state: "DONE",
    rank: 0,
    attempt: 1,
    checksum: checksumOf(tag),
    statementsDone: 1,
    statementsTotal: 1,
    prefix: null,
    underWay: null,
    startedAt: new Date(0),
    finishedAt: new Date(1),
    durationMs: 1,
    runId: RUN,
    owner,
    error: null,
    eventId: 1,
    reverting: null,
    ...changes,
  };
}

function ledgerOf(rows: readonly LedgerRow[], liveness?: Liveness): Ledger {
  const runner: RunnerRow = {
    ledgerVersion: 1,
    minReader: 1,
    head: null,
    runId: liveness === undefined || liveness === "free" ? null : RUN,
    token: "1",
    direct: true,
    host: "h",
    processId: 1,
    backendPid: 2,
    user: "ada",
    activity: null,
    acquiredAt: new Date(0),
    expiresAt: new Date(0),
    liveness: liveness ?? "free",
    zombie: null,
    standby: false,
    repeatables: null,
    mirror: null,
  };
  return { runner, rows };
}

const applied = (...tags: readonly string[]) => tags.map((tag, rank) => row(tag, { rank }));
const started = (tag: string) =>
  row(tag, { state: "STARTED", rank: null, finishedAt: null, durationMs: null, statementsDone: 0 });
const stepsOf = (plan: ReturnType<typeof planRun>) =>
  plan.steps.map(({ migration }) => migration.tag);
const codesOf = (plan: ReturnType<typeof planRun>) => plan.problems.map(({ code }) => code);

describe("what is to run", () => {
  test.each<
    readonly [string, readonly string[], readonly string[], string | undefined, readonly string[]]
  >([
    ["everything on an empty ledger", ["a", "b", "c"], [], undefined, ["a", "b", "c"]],
    ["the rest", ["a", "b", "c"], ["a"], undefined, ["b", "c"]],
    ["nothing when all is applied", ["a", "b"], ["a", "b"], undefined, []],
    ["up to the target", ["a", "b", "c"], [], "b", ["a", "b"]],
    ["nothing for a target that is applied", ["a", "b", "c"], ["a", "b"], "a", []],
    ["nothing of an empty history", [], [], undefined, []],
  ])("%s", (_name, disk, done, to, expected) => {
    const plan = planRun(
      historyOf(...disk),
      ledgerOf(applied(...done)),
      to === undefined ? {} : { to },
    );
    expect(stepsOf(plan)).toEqual(expected);
    expect(codesOf(plan)).toEqual([]);
  });

  test("carries attempt, rank and the head after each step", () => {
    const history = historyOf("a", "b", "c");
    const plan = planRun(
      history,
      ledgerOf([
        ...applied("a"),
        row("b", { state: "FAILED", rank: null, attempt: 2, statementsDone: 0 }),
      ]),
    );
    expect(plan.steps.map(({ attempt, rank }) => ({ attempt, rank }))).toEqual([
      { attempt: 3, rank: 1 },
      { attempt: 1, rank: 2 },
    ]);
    expect(plan.steps.map(({ headAfter }) => headAfter)).toEqual(
      history.migrations.slice(1).map(({ link }) => link),
    );
    expect(plan.versionAfter).toBe("c");
  });

  test("resumes behind the statements that are committed", () => {
    const prefix = checksumOf("prefix");
    const interrupted = { ...started("a"), statementsDone: 3, prefix };
    const [step] = planRun(historyOf("a"), ledgerOf([interrupted])).steps;
    expect(step).toMatchObject({ resumeAt: 3, prefix, attempt: 2 });
  });
});

describe("an older file merged late", () => {
  const history = historyOf("a", "late", "b");
  const ledger = ledgerOf(applied("a", "b"));

  test("is out of order, flagged and refused", () => {
    const plan = planRun(history, ledger);
    expect(codesOf(plan)).toEqual(["out_of_order"]);
    expect(plan.problems[0]?.message).toContain("late");
    expect(plan.migrations.map(({ flags }) => flags)).toEqual([[], ["OUT_OF_ORDER"], []]);
  });

  test("takes its place between the applied ones when it is allowed", () => {
    const plan = planRun(history, ledger, { allowOutOfOrder: true });
    expect(codesOf(plan)).toEqual([]);
    expect(plan.steps).toMatchObject([{ rank: 1, headAfter: history.head }]);
    expect(plan.versionAfter).toBe("b");
  });

  test("among several: each takes its place, and the head is the history's in the end", () => {
    const all = historyOf("x", "a", "y", "b", "z");
    const plan = planRun(all, ledger, { allowOutOfOrder: true });
    expect(plan.steps.map(({ migration, rank }) => [migration.tag, rank])).toEqual([
      ["x", 0],
      ["y", 2],
      ["z", 4],
    ]);
    expect(plan.steps.at(-1)?.headAfter).toBe(all.head);
  });
});

describe("files and ledger that disagree", () => {
  test("an edited applied file is a mismatch", () => {
    const plan = planRun(historyOf("a", "b!"), ledgerOf(applied("a", "b")));
    expect(codesOf(plan)).toEqual(["checksum_mismatch"]);
    expect(plan.migrations[1]?.flags).toEqual(["CHANGED"]);
  });

  test("an edited failed file is none: nothing of it is committed", () => {
    const failed = row("b", { state: "FAILED", rank: null, statementsDone: 0 });
    const plan = planRun(historyOf("a", "b!"), ledgerOf([...applied("a"), failed]));
    expect(codesOf(plan)).toEqual([]);
    expect(stepsOf(plan)).toEqual(["b"]);
  });

  test("more in the ledger behind a common start is a newer database", () => {
    const plan = planRun(historyOf("a", "b"), ledgerOf(applied("a", "b", "c")));
    expect(plan).toMatchObject({ newer: true, steps: [], problems: [] });
    expect(plan.migrations.map(({ tag, flags }) => [tag, ...flags])).toEqual([
      ["a"],
      ["b"],
      ["c", "MISSING"],
    ]);
  });

  test.each([
    ["at work", "STARTED", "alive", { statementsDone: 0, underWay: BUILD }],
    ["stopped", "STARTED", "dead", { statementsDone: 0, underWay: BUILD }],
    ["failed after a statement", "FAILED", "free", { statementsDone: 1, underWay: null }],
  ] as const)(
    "so is one with the first statements of a newer release that is %s",
    (_name, state, liveness, begun) => {
      const ledger = ledgerOf(
        [...applied("a", "b"), row("c", { state, rank: null, ...begun })],
        liveness,
      );
      const older = planRun(historyOf("a", "b"), ledger);
      expect(older).toMatchObject({ newer: true, steps: [], problems: [] });
      for (const other of [historyOf("a", "d"), historyOf("a", "b!"), historyOf("b", "a")]) {
        expect(planRun(other, ledger).newer).toBe(false);
        expect(codesOf(planRun(other, ledger))).toContain("missing_file");
      }
    },
  );

  test.each([
    ["missing in the middle", ["a", "c"], ["a", "b", "c"], ["missing_file"]],
    ["newer, and edited", ["a!", "b"], ["a", "b", "c"], ["checksum_mismatch", "missing_file"]],
    ["newer, with something pending", ["a", "x"], ["a", "c"], ["missing_file"]],
  ])("%s is an error", (_name, disk, done, codes) => {
    const plan = planRun(historyOf(...disk), ledgerOf(applied(...done)));
    expect(plan.newer).toBe(false);
    expect(codesOf(plan)).toEqual(codes);
  });

  test("a failed migration whose file is gone left nothing behind and forbids nothing", () => {
    const failed = row("b", { state: "FAILED", rank: null, statementsDone: 0 });
    const plan = planRun(historyOf("a", "c"), ledgerOf([...applied("a"), failed]));
    expect(codesOf(plan)).toEqual([]);
    expect(stepsOf(plan)).toEqual(["c"]);
    expect(plan.migrations.at(-1)).toMatchObject({ tag: "b", flags: ["MISSING"] });
  });

  test("an unknown target is refused, and the newest is named", () => {
    const refuse = (to?: string) => () => refuseUnknownTarget(historyOf("a", "b"), to);
    expect(refuse("nope")).toThrow(/no migration nope.*newest is b/s);
    expect(refuse("a")).not.toThrow();
    expect(refuse()).not.toThrow();
  });

  test("rows of drizzle's own migrator beside an empty ledger forbid a run", () => {
    const unknown = { ...{ id: 1, hash: "x", createdAt: 1, name: null, appliedAt: null } };
    const table = {
      ...{ schema: "drizzle", table: "__drizzle_migrations", standing: "default" as const },
      ...{ hasNames: false, role: "ada", rows: [{ ...unknown, verdict: "unknown" as const }] },
      read: { after: 0, count: 1, last: 1 },
    };
    const existing = { isTableSet: false, drizzleTables: [table], objects: undefined };
    const foreign = { ...ledgerOf([]), existing };
    expect(codesOf(planRun(historyOf("a"), foreign))).toEqual(["adopt_required"]);
    const adopted = { ...ledgerOf(applied("a")), existing };
    expect(codesOf(planRun(historyOf("a", "b"), adopted))).toEqual([]);
  });
});

describe("the state of a started migration", () => {
  test.each<readonly [Liveness, string]>([
    ["alive", "STARTED"],
    ["unknown", "STARTED"],
    ["dead", "STUCK"],
    ["expired", "STUCK"],
    ["free", "STUCK"],
  ])("whose runner is %s is %s", (liveness, kind) => {
    const plan = planRun(historyOf("a"), ledgerOf([started("a")], liveness));
    expect(plan.migrations[0]?.state.kind).toBe(kind);
  });

  test("of an earlier run is STUCK whoever holds the lease now", () => {
    const other = { ...started("a"), runId: "22222222-2222-4222-8222-222222222222" };
    const plan = planRun(historyOf("a"), ledgerOf([other], "alive"));
    expect(plan.migrations[0]?.state.kind).toBe("STUCK");
  });
});

test("the plan changes neither of its arguments", () => {
  const history = historyOf("x", "a", "b");
  const ledger = ledgerOf(applied("a", "b").toReversed());
  const before = JSON.stringify([history, ledger]);
  planRun(history, ledger, { allowOutOfOrder: true });
  expect(JSON.stringify([history, ledger])).toBe(before);
  expect(planRun(history, ledger).version).toBe("b");
  expect(headOf([])).toBe(EMPTY_HEAD);
});
