import { describe, expect, test } from "vitest";
import type { Difference } from "../../src/db/catalog/index.ts";
import { appliedSet } from "../../src/db/drift/applied.ts";
import { ignoreDifferences, parseIgnorePatterns } from "../../src/db/drift/ignore.ts";
import {
  type Doubt,
  MigrateError,
  type MigrateErrorCode,
  type MigrationFlag,
  type MigrationState,
  type StatusReport,
} from "../../src/db/migrate/index.ts";

const DIFFERENCES: readonly Difference[] = [
  object("schema", "audit", []),
  object("table", "audit.log", ["audit"]),
  object("column", "audit.log.at", ["audit", "audit.log"]),
  object("table", "public.spatial_ref_sys", ["public"]),
  object("column", "public.spatial_ref_sys.srid", ["public", "public.spatial_ref_sys"]),
  object("index", "public.srid_idx", ["public", "public.spatial_ref_sys"]),
  object("index", "public.users_tmp", ["public", "public.users"]),
  object("table", "public.users_tmp_2", ["public"]),
  object("function", "public.add(integer, integer)", ["public"]),
  object("extension", "audit", []),
  object("column", 'public."Größe: 1".a', ["public", 'public."Größe: 1"']),
];

function object(kind: string, name: string, within: readonly string[]): Difference {
  return { kind, name, within, change: "missing", expected: undefined };
}

describe("--ignore", () => {
  test.each<[string, readonly string[]]>([
    ["audit.*", ["table audit.log", "column audit.log.at"]],
    ["audit", ["schema audit", "table audit.log", "column audit.log.at", "extension audit"]],
    ["schema:audit", ["schema audit", "table audit.log", "column audit.log.at"]],
    ["extension:audit", ["extension audit"]],
    [
      "public.spatial_ref_sys",
      [
        "table public.spatial_ref_sys",
        "column public.spatial_ref_sys.srid",
        "index public.srid_idx",
      ],
    ],
    [
      "table:public.spatial*",
      [
        "table public.spatial_ref_sys",
        "column public.spatial_ref_sys.srid",
        "index public.srid_idx",
      ],
    ],
    ["column:public.spatial*", ["column public.spatial_ref_sys.srid"]],
    ["index:public.*_tmp", ["index public.users_tmp"]],
    ["public.users_tmp", ["index public.users_tmp"]],
    ["public.add(integer, integer)", ["function public.add(integer, integer)"]],
    ["function:public.add(*", ["function public.add(integer, integer)"]],
    ['public."Größe: 1"', ['column public."Größe: 1".a']],
    ["public.add", []],
    ["ublic.spatial_ref_sys", []],
    ["Audit.*", []],
  ])("%s leaves out what it names, with what lies in it", (text, names) => {
    const { differences, ignored, idle } = ignoreDifferences(
      DIFFERENCES,
      parseIgnorePatterns([text]),
    );
    const left = DIFFERENCES.filter((difference) => !differences.includes(difference));
    expect(left.map(({ kind, name }) => `${kind} ${name}`)).toEqual(names);
    expect({ ignored, idle }).toEqual({
      ignored: names.length,
      idle: names.length === 0 ? [text] : [],
    });
  });

  test("all that cannot be meant is named at once", () => {
    expect(() => parseIgnorePatterns(["", "index:", "tabel:public.x", "audit.*"])).toThrow(
      expect.objectContaining({
        code: "usage",
        fact: expect.stringMatching(
          /^--ignore "" names no object\.\n--ignore "index:" names no object\.\n--ignore "tabel:public\.x": there is no kind "tabel"\. Kinds are table, .*$/,
        ),
      }),
    );
  });
});

const at = new Date(0);
const owner = {
  user: "ada",
  host: "laptop",
  processId: 7,
  backendPid: 8,
  backendStart: null,
  toolVersion: "1",
  appVersion: null,
};
const DONE: MigrationState = {
  kind: "DONE",
  at,
  owner,
  durationMs: 1,
  checksum: "sha256:00",
};
const doubt: Doubt = { statement: 3, reason: "", needsAnswer: true };
const failed = (statementsDone: number, open?: Doubt): MigrationState => ({
  kind: "FAILED",
  at,
  owner,
  durationMs: 1,
  statementsDone,
  doubt: open,
  error: {
    sqlState: "22012",
    message: "division by zero",
    detail: null,
    hint: null,
    where: null,
    file: null,
    line: null,
    column: null,
    statement: 1,
    statements: 2,
    text: "",
  },
});

function statusOf(
  state: MigrationState,
  report: Partial<StatusReport> = {},
  flags: readonly MigrationFlag[] = [],
): StatusReport {
  const migration = { checksum: "sha256:00", attempt: 1 } as const;
  return {
    version: "0000_a",
    head: "sha256:00",
    newer: false,
    pending: 1,
    backfills: [],
    repeatables: [],
    pendingRepeatables: 0,
    problems: [],
    warnings: [],
    migrations: [
      { ...migration, tag: "0000_a", state: DONE, flags: [] },
      { ...migration, tag: "0001_b", state, flags },
    ],
    ...report,
  };
}

describe("what is applied", () => {
  test.each<[string, StatusReport, readonly string[]]>([
    ["pending", statusOf({ kind: "PENDING", statementsDone: 0 }), ["0001_b"]],
    ["failed, with nothing committed,", statusOf(failed(0)), ["0001_b"]],
    [
      "interrupted, with nothing committed,",
      statusOf({ kind: "STUCK", at, owner, statementsDone: 0, doubt: undefined }),
      ["0001_b"],
    ],
    ["failed and deleted since, with nothing committed,", statusOf(failed(0), {}, ["MISSING"]), []],
    [
      "out of order",
      statusOf({ kind: "PENDING", statementsDone: 0 }, { problems: [problem("out_of_order")] }),
      ["0001_b"],
    ],
  ])("is without a migration that is %s", (_what, status, pending) => {
    expect(appliedSet(status)).toMatchObject({
      migrations: [{ tag: "0000_a", by: "ada" }],
      pending,
      version: "0000_a",
    });
  });

  test.each<[string, StatusReport, MigrateErrorCode, RegExp]>([
    [
      "a runner is at work",
      statusOf({ kind: "STARTED", at, owner, statementsDone: 0 }),
      "lock_timeout",
      /0001_b is being applied by ada@laptop \(process 7\).*tidemark wait && tidemark drift/s,
    ],
    [
      "a part of a failed one is committed",
      statusOf(failed(1)),
      "migration_failed",
      /0001_b has failed, and one statement is committed.*tidemark migrate/s,
    ],
    [
      "a part of an interrupted one is committed",
      statusOf({ kind: "STUCK", at, owner, statementsDone: 2, doubt: undefined }),
      "migration_failed",
      /0001_b was interrupted, and 2 statements are committed.*tidemark migrate/s,
    ],
    [
      "a part of an answered one is committed",
      statusOf({ kind: "PENDING", statementsDone: 2 }),
      "migration_failed",
      /0001_b was not finished, and 2 statements are committed/,
    ],
    [
      "a statement needs an answer",
      statusOf({ kind: "STUCK", at, owner, statementsDone: 0, doubt }),
      "in_doubt",
      /0001_b was interrupted: statement 3 was started.*tidemark resolve 0001_b --done or --retry/s,
    ],
    [
      "the next run would look what became of a statement",
      statusOf(failed(0, { ...doubt, needsAnswer: false })),
      "migration_failed",
      /0001_b has failed: statement 3 was started.*tidemark migrate$/s,
    ],
    [
      "drizzle's migrator has filled the database",
      statusOf({ kind: "PENDING", statementsDone: 0 }, { problems: [problem("adopt_required")] }),
      "adopt_required",
      /^It is so\.\nNothing was compared\. Do this\.$/,
    ],
    [
      "an applied file was edited",
      statusOf(DONE, { problems: [problem("checksum_mismatch")] }),
      "checksum_mismatch",
      /^It is so\.\nNothing was compared\. Do this\.$/,
    ],
    [
      "the database is ahead",
      statusOf(DONE, { newer: true, version: "0001_b" }, ["MISSING"]),
      "missing_file",
      /is at 0001_b, ahead of this checkout, which lacks 0001_b/,
    ],
  ])("cannot be said where %s", (_what, status, code, message) => {
    expect(() => appliedSet(status)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  function problem(code: MigrateErrorCode): MigrateError {
    return new MigrateError({
      code,
      fact: "It is so.",
      outcome: "nothing-run",
      remedy: "Do this.",
    });
  }
});
