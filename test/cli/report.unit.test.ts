import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { colorsFor } from "../../src/cli/support/colors.ts";
import { describe as describeProgress } from "../../src/cli/support/progress.ts";
import { statusTable } from "../../src/cli/support/table.ts";
import { duration } from "../../src/db/base/text.ts";
import { errorJson, migrationJson } from "../../src/db/migrate/calls/report.ts";
import { EXIT_CODES, MigrateError } from "../../src/db/migrate/errors.ts";
import type { MigrationStatus, Owner, RecordedError } from "../../src/db/migrate/types.ts";
import { TOOL_VERSION } from "../../src/db/migrate/version.ts";

const owner: Owner = {
  user: "ada",
  host: "build-7",
  processId: 42,
  backendPid: 4711,
  backendStart: null,
  toolVersion: "0.1.0",
  appVersion: "1.2.3",
};
const at = new Date("2026-03-04T05:06:07.890Z");
const checksum = `sha256:${"a".repeat(64)}` as const;
const error = { message: "no", text: "no, really" } as RecordedError;
const MIGRATIONS: readonly MigrationStatus[] = [
  {
    tag: "0000_a",
    state: { kind: "DONE", at, owner, durationMs: 1_234, checksum },
    flags: [],
    checksum,
    attempt: 1,
  },
  {
    tag: "0001_漢字",
    state: {
      kind: "FAILED",
      at,
      owner,
      durationMs: 5,
      error,
      statementsDone: 0,
      doubt: undefined,
    },
    flags: [],
    checksum,
    attempt: 2,
  },
  {
    tag: "0002_c",
    state: { kind: "STUCK", at, owner, statementsDone: 0, doubt: undefined },
    flags: [],
    checksum,
    attempt: 1,
  },
  {
    tag: "0003_d",
    state: { kind: "PENDING", statementsDone: 0 },
    flags: ["OUT_OF_ORDER"],
    checksum,
    attempt: 0,
  },
];

test("the status table lines up, in plain text", () => {
  const colors = colorsFor({ isTTY: false }, true, {});
  expect(statusTable(MIGRATIONS, colors)).toMatchInlineSnapshot(`
    "migration  state                 when                  took   by
    0000_a     DONE                  2026-03-04 05:06:07Z  1.2 s  ada@build-7
    0001_漢字  FAILED                2026-03-04 05:06:07Z  5 ms   ada@build-7
    0002_c     STUCK                 2026-03-04 05:06:07Z         ada@build-7
    0003_d     PENDING OUT_OF_ORDER"
  `);
});

test.each([
  [73, "migration  state                 when                  took   by"],
  [72, "migration  state                 when                  took"],
  [53, "migration  state                 when"],
  [52, "migration  state"],
  [20, "migration  state"],
])("the status table in %i columns keeps whole ones", (columns, head) => {
  const lines = statusTable(MIGRATIONS, colorsFor({}, true, {}), columns).split("\n");
  expect(lines[0]).toBe(head);
  expect(lines).toHaveLength(MIGRATIONS.length + 1);
});

test("the status table on a narrow terminal shortens long tags, and no state", () => {
  const [first, ...others] = MIGRATIONS;
  const long = [
    { ...first, tag: "0000_add_the_address_of_customers" } as MigrationStatus,
    ...others,
  ];
  const table = statusTable(long, colorsFor({}, true, {}), 44);
  expect(table).toMatchInlineSnapshot(`
    "migration               state
    0000_add_th…_customers  DONE
    0001_漢字               FAILED
    0002_c                  STUCK
    0003_d                  PENDING OUT_OF_ORDER"
  `);
  for (const line of table.split("\n")) expect(line.length).toBeLessThanOrEqual(44);
});

test("the JSON of each state has the same shape", () => {
  const rows = MIGRATIONS.map(migrationJson);
  for (const row of rows) {
    expect(Object.keys(row)).toEqual([
      "tag",
      "state",
      "flags",
      "at",
      "durationMs",
      "checksum",
      "attempt",
      "by",
      "error",
      "doubt",
    ]);
  }
  expect(rows[0]).toMatchObject({
    state: "DONE",
    at: at.toISOString(),
    durationMs: 1_234,
    by: owner,
    error: null,
  });
  expect(rows[1]).toMatchObject({ state: "FAILED", error, attempt: 2 });
  expect(rows[3]).toMatchObject({
    state: "PENDING",
    at: null,
    durationMs: null,
    by: null,
    flags: ["OUT_OF_ORDER"],
  });
});

test("an error's JSON carries code, exit code, remedy and what was applied", () => {
  const json = errorJson(
    new MigrateError({
      code: "migration_failed",
      fact: "It broke.",
      remedy: "Mend it.",
      tag: "b",
      applied: ["a"],
      notRun: ["c"],
      recorded: error,
      place: { file: "b.sql", line: 3, column: 1 },
    }),
  );
  expect(json).toEqual({
    error: {
      code: "migration_failed",
      exitCode: 1,
      fact: "It broke.",
      outcome: null,
      remedy: "Mend it.",
      place: { file: "b.sql", line: 3, column: 1 },
      tag: "b",
      applied: ["a"],
      notRun: ["c"],
      details: error,
    },
  });
});

test.each([
  [0, "0 ms"],
  [999.4, "999 ms"],
  [1_000, "1.0 s"],
  [59_949, "59.9 s"],
  [60_000, "1 min 0 s"],
  [200_000, "3 min 20 s"],
])("%f ms read as %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

describe("progress", () => {
  const holder = {
    runId: "r",
    host: "build-7",
    processId: 42,
    user: "ada",
    backendPid: 4711,
    zombie: null,
    activity: "0001_b",
    since: at,
  };

  test.each([
    [
      { kind: "waiting", holder, waitedMs: 5 },
      "waiting for another runner: ada@build-7 (process 42), backend 4711, running 0001_b, since 2026-03-04T05:06:07.890Z",
    ],
    [
      { kind: "migration-started", tag: "0001_b", index: 1, total: 3, statements: 2, resumedAt: 1 },
      "0001_b (2 of 3, 2 statements, from statement 2)",
    ],
    [{ kind: "migration-done", tag: "0001_b", durationMs: 7 }, "0001_b  7 ms"],
    [
      { kind: "server-unavailable", reason: "ECONNREFUSED", waitedMs: 5 },
      "waiting for the server: ECONNREFUSED",
    ],
    [{ kind: "notice", severity: "NOTICE", message: "hello" }, "notice: hello"],
  ] as const)("%j is told in a line", (progress, text) => {
    const { done, next } = describeProgress(progress);
    expect(done ?? next).toBe(text);
  });
});

test("every exit code is one that the design names", () => {
  expect(new Set(Object.values(EXIT_CODES))).toEqual(new Set([1, 2, 4, 5, 6, 130]));
});

test("the version in the events is the package's", async () => {
  const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
  expect(TOOL_VERSION).toBe(version);
});
