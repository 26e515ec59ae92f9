import { urlProblem } from "../../base/address.ts";
import { LONGEST_TIMER_MS } from "../../base/backoff.ts";
import { Problem } from "../../base/problem.ts";
import { LOCK_TIMEOUT_MS } from "../../connection/begin.ts";
import { connectTimeoutOf, urlWarnings } from "../../connection/driver-options.ts";
import { DRIZZLE_TABLE } from "../adopt/find-sql.ts";
import type { DrizzleTableName } from "../adopt-types.ts";
import { STEP_TIMEOUT_MS } from "../code/definition.ts";
import { MigrateError } from "../errors.ts";
import type { GivenHistory } from "../history/given.ts";
import type { GivenRepeatable } from "../history/repeatables.ts";
import type { Hook } from "../reports.ts";
import type { LockPatience, RunSettings } from "../run-types.ts";
import type { BeforeFile, EventSink, Tag, Warning } from "../types.ts";
import { ofConnection } from "./thrown.ts";

export interface MigratorOptions {
  /**
   * `postgres://user:password@host:5432/database`, with libpq's parameters. What it does not say
   * comes from `PG*` and the password file.
   */
  readonly url: string;
  /** drizzle-kit's output folder. Default `./drizzle`. */
  readonly dir?: string;
  /** The migrations themselves, in place of a folder. */
  readonly history?: GivenHistory;
  /** Of `history`: what `before.sql` is to a folder. */
  readonly before?: BeforeFile | undefined;
  /** Of `history`: what `repeatable/` is to a folder. */
  readonly repeatables?: readonly GivenRepeatable[] | undefined;
  /** Schema of the ledger. Default `tidemark`. */
  readonly ledgerSchema?: string;
  /**
   * Bound on waiting for a server that is not up yet, in milliseconds. Default: the URL's
   * `connect_timeout`, else 10,000.
   */
  readonly connectTimeoutMs?: number;
  /** Bound on waiting for another runner, in milliseconds. Default 600,000. */
  readonly waitTimeoutMs?: number;
  /** `lock_timeout` of a migration's statements, in milliseconds. Default 5,000. */
  readonly lockTimeoutMs?: number;
  /** How often a migration that gets no lock is tried, with growing pauses. Default 10. */
  readonly lockTries?: number;
  /** Bound on all these tries and pauses, in milliseconds. Default: none but the tries. */
  readonly lockBudgetMs?: number;
  /**
   * Bound on a whole run of `migrate()`, waiting and working, in milliseconds: what runs then is
   * canceled and rolled back. Default: none.
   */
  readonly deadlineMs?: number;
  /** Bound on a code step that sets no `timeoutMs` itself, in milliseconds. Default 600,000. */
  readonly stepTimeoutMs?: number;
  /**
   * Run backfills with `background: true` too, or those of these migrations, in place of leaving them to a worker: for
   * scratch and test databases. Default false.
   */
  readonly runBackgroundBackfills?: boolean | readonly Tag[];
  /** The app's copy of the migration events. Default: `event-sink.sql` in the folder, where it is there. */
  readonly eventSink?: EventSink;
  /** Recorded in each event, so that a migration can be traced to a release. */
  readonly appVersion?: string;
  /**
   * Table of drizzle's own migrator, where `migrations` of drizzle.config.ts sets it. Default
   * `drizzle.__drizzle_migrations`; one by its columns is found in every schema.
   */
  readonly drizzleTable?: Partial<DrizzleTableName>;
  /**
   * Keep the server's DETAIL of a violated constraint, which holds values of rows, in the error and in
   * the ledger, whose log is never deleted. Default false: only the constraint and the table.
   */
  readonly recordRowValues?: boolean;
  /** Called under the lease, before what is pending. */
  readonly beforeMigrate?: Hook | undefined;
  /** Called under the lease, after what was pending: seeds, scripts. What it throws fails the run. */
  readonly afterMigrate?: Hook | undefined;
}

export interface ResolvedOptions extends RunSettings {
  readonly dir: string;
  /** In place of the folder. */
  readonly history: GivenHistory | undefined;
  readonly before: BeforeFile | undefined;
  readonly repeatables: readonly GivenRepeatable[] | undefined;
  readonly appVersion: string | null;
  /** What is unusual about the URL. */
  readonly urlWarnings: readonly Warning[];
}

// PostgreSQL cuts longer names short without an error (NAMEDATALEN - 1).
const LONGEST_NAME_BYTES = 63;

/**
 * Fills in defaults.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export function resolveOptions(options: MigratorOptions): ResolvedOptions {
  const problems = [...urlProblems(options.url), ...optionProblems(options)];
  if (problems.length > 0) throw settingsError(problems);
  const { url } = options;
  const ofUrl = readUrl(url);
  const connectTimeoutMs = options.connectTimeoutMs ?? ofUrl.connectTimeoutMs;
  return {
    url,
    ...withDefaults({ ...options, ...(connectTimeoutMs !== undefined && { connectTimeoutMs }) }),
    urlWarnings: ofUrl.warnings,
  };
}

/** What the URL, its service and the environment say of the connection. @throws MigrateError `config` */
function readUrl(url: string) {
  try {
    return { connectTimeoutMs: connectTimeoutOf(url), warnings: urlWarnings(url) };
  } catch (error) {
    throw error instanceof Problem ? ofConnection(error) : error;
  }
}

/** What is wrong with the options other than the URL, one text each. */
export function optionProblems(options: Omit<MigratorOptions, "url">): readonly string[] {
  const { dir, schema, connectTimeoutMs, waitTimeoutMs, lockPatience, deadlineMs, stepTimeoutMs } =
    withDefaults(options);
  return [
    ...(dir === "" ? ["the migrations folder has no name"] : []),
    ...(options.dir !== undefined && options.history !== undefined
      ? ["both a folder (dir) and the migrations themselves (history) are given"]
      : []),
    ...schemaProblems(schema),
    ...timeoutProblems("the connect time-out", connectTimeoutMs, LONGEST_TIMER_MS),
    ...timeoutProblems("the wait time-out", waitTimeoutMs, Number.MAX_VALUE),
    ...lockProblems(lockPatience),
    ...timeoutProblems("the step time-out", stepTimeoutMs, LONGEST_TIMER_MS),
    ...(deadlineMs === undefined
      ? []
      : timeoutProblems("the deadline", deadlineMs, LONGEST_TIMER_MS)),
  ];
}

/** The error that names every mistake in the settings at once. */
export function settingsError(problems: readonly string[]): MigrateError {
  const [first, ...more] = problems;
  const list = problems.map((problem) => `\n  ${problem}`).join("");
  return new MigrateError({
    code: "config",
    fact: `The settings cannot be used:${more.length === 0 ? ` ${first}.` : list}`,
    outcome: "nothing-run",
    remedy: `Correct ${more.length === 0 ? "this" : "these"} and run again.`,
  });
}

function withDefaults(
  options: Omit<MigratorOptions, "url">,
): Omit<ResolvedOptions, "url" | "urlWarnings"> {
  return {
    dir: options.dir ?? "./drizzle",
    history: options.history,
    before: options.before,
    repeatables: options.repeatables,
    schema: options.ledgerSchema ?? "tidemark",
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    waitTimeoutMs: options.waitTimeoutMs ?? 600_000,
    lockPatience: {
      lockTimeoutMs: Math.round(options.lockTimeoutMs ?? LOCK_TIMEOUT_MS),
      lockTries: options.lockTries ?? 10,
      lockBudgetMs: options.lockBudgetMs,
    },
    deadlineMs: options.deadlineMs,
    stepTimeoutMs: options.stepTimeoutMs ?? STEP_TIMEOUT_MS,
    runsBackfills: options.runBackgroundBackfills ?? false,
    eventSink: options.eventSink,
    appVersion: options.appVersion ?? null,
    beforeMigrate: options.beforeMigrate,
    afterMigrate: options.afterMigrate,
    rowValues: options.recordRowValues ? "recorded" : "left-out",
    drizzleTable: {
      schema: options.drizzleTable?.schema ?? DRIZZLE_TABLE.schema,
      isNamed: Object.values(options.drizzleTable ?? {}).some((name) => name !== undefined),
      table: options.drizzleTable?.table ?? DRIZZLE_TABLE.table,
    },
  };
}

function urlProblems(url: unknown): readonly string[] {
  if (typeof url !== "string" || url === "") {
    return ["there is no database URL (postgres://user:password@host:5432/database)"];
  }
  const problem = urlProblem(url);
  return problem === undefined ? [] : [`the database URL ${problem}`];
}

function schemaProblems(name: string): readonly string[] {
  if (name === "") return ["the ledger's schema has no name"];
  if (name.includes("\0")) return ["the ledger's schema has a NUL byte in its name"];
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES) {
    return [`the ledger's schema ${name} is longer than PostgreSQL's ${LONGEST_NAME_BYTES} bytes`];
  }
  if (name.startsWith("pg_"))
    return [`the ledger's schema ${name} starts with pg_, which PostgreSQL reserves`];
  return [];
}

/**
 * Refuses bad numbers of a call: times from 0, counts from 1. One that is undefined was not given.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export function refuseBadNumbers({
  times = {},
  counts = {},
}: Readonly<Partial<Record<"times" | "counts", Readonly<Record<string, number | undefined>>>>>) {
  const bad = (numbers: typeof times, isGood: (value: number) => boolean, expected: string) =>
    Object.entries(numbers)
      .filter(([, value]) => value !== undefined && !isGood(value))
      .map(([name, value]) => `${name} is ${value}, where a ${expected} is expected`);
  const problems = [
    ...bad(times, (value) => Number.isFinite(value) && value >= 0, "number from 0"),
    ...bad(counts, (value) => Number.isSafeInteger(value) && value >= 1, "whole number from 1"),
  ];
  if (problems.length > 0) throw settingsError(problems);
}

function lockProblems({ lockTimeoutMs, lockTries, lockBudgetMs }: LockPatience) {
  // 0 would wait for ever, and all that queue up after it too; PostgreSQL counts to 2^31 - 1.
  const timeout = lockTimeoutMs >= 1 && lockTimeoutMs <= LONGEST_TIMER_MS;
  const range = `from 1 to ${LONGEST_TIMER_MS}`;
  return [
    ...(timeout
      ? []
      : [`the lock time-out is ${lockTimeoutMs}, where milliseconds ${range} are expected`]),
    ...(Number.isInteger(lockTries) && lockTries >= 1
      ? []
      : [`the number of lock tries is ${lockTries}, where a whole number from 1 is expected`]),
    ...(lockBudgetMs === undefined
      ? []
      : timeoutProblems("the lock budget", lockBudgetMs, Number.MAX_VALUE)),
  ];
}

function timeoutProblems(name: string, value: number, most: number): readonly string[] {
  if (Number.isFinite(value) && value >= 0 && value <= most) return [];
  const range = most === LONGEST_TIMER_MS ? `from 0 to ${most}` : "from 0";
  return [`${name} is ${value}, where a number of milliseconds ${range} is expected`];
}
