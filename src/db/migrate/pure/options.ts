import { MigrateError } from "../errors.ts";
import type { EventSink } from "../types.ts";
import { LOCK_TIMEOUT_MS } from "./lease-sql.ts";
import type { LockPatience } from "./lock-patience.ts";

export interface MigratorOptions {
  /** `postgres://user:password@host:5432/database`. */
  readonly url: string;
  /** drizzle-kit's output folder. Default `./drizzle`. */
  readonly dir?: string;
  /** Schema of the ledger. Default `tidemark`. */
  readonly ledgerSchema?: string;
  /** Bound on waiting for a server that is not up yet, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Bound on waiting for another runner, in milliseconds. Default 600,000. */
  readonly waitTimeoutMs?: number;
  /** `lock_timeout` of a migration's statements, in milliseconds. Default 5,000. */
  readonly lockTimeoutMs?: number;
  /** How often a migration that gets no lock is tried, with growing pauses. Default 10. */
  readonly lockTries?: number;
  /** Bound on all these tries and pauses, in milliseconds. Default: none but the tries. */
  readonly lockBudgetMs?: number;
  /** The app's copy of the migration events. Default: `event-sink.sql` in the folder, where it is there. */
  readonly eventSink?: EventSink;
  /** Stands in each event, so that a migration can be traced to a release. */
  readonly appVersion?: string;
}

export interface ResolvedOptions {
  readonly url: string;
  readonly dir: string;
  readonly ledgerSchema: string;
  readonly connectTimeoutMs: number;
  readonly waitTimeoutMs: number;
  readonly lockPatience: LockPatience;
  readonly eventSink: EventSink | undefined;
  readonly appVersion: string | null;
}

// PostgreSQL cuts longer names short without an error (NAMEDATALEN - 1).
const LONGEST_NAME_BYTES = 63;

/**
 * Fills in defaults.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export function resolveOptions(options: MigratorOptions): ResolvedOptions {
  const resolved = {
    url: options.url,
    dir: options.dir ?? "./drizzle",
    ledgerSchema: options.ledgerSchema ?? "tidemark",
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    waitTimeoutMs: options.waitTimeoutMs ?? 600_000,
    lockPatience: {
      lockTimeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
      lockTries: options.lockTries ?? 10,
      lockBudgetMs: options.lockBudgetMs,
    },
    eventSink: options.eventSink,
    appVersion: options.appVersion ?? null,
  };
  const problems = [
    ...urlProblems(resolved.url),
    ...(resolved.dir === "" ? ["the migrations folder is empty"] : []),
    ...schemaProblems(resolved.ledgerSchema),
    ...timeoutProblems("the connect time-out", resolved.connectTimeoutMs),
    ...timeoutProblems("the wait time-out", resolved.waitTimeoutMs),
    ...lockProblems(resolved.lockPatience),
  ];
  if (problems.length === 0) return resolved;
  throw new MigrateError({
    code: "config",
    fact: `The settings cannot be used: ${problems.join("; ")}.`,
    remedy: "Nothing was run.",
  });
}

/** Never shows the URL itself: it holds a password. */
function urlProblems(url: unknown): readonly string[] {
  const expected = "postgres://user:password@host:5432/database";
  if (typeof url !== "string" || url === "") return [`there is no database URL (${expected})`];
  let protocol: string;
  try {
    protocol = new URL(url).protocol;
  } catch {
    return [
      `the database URL cannot be read: it must look like ${expected}, special characters encoded (@ as %40)`,
    ];
  }
  return protocol === "postgres:" || protocol === "postgresql:"
    ? []
    : [`the database URL starts with ${protocol}// where postgres:// is expected`];
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

function lockProblems({ lockTimeoutMs, lockTries, lockBudgetMs }: LockPatience) {
  // 0 would wait for ever, and everybody behind it with it.
  const timeout = Number.isInteger(lockTimeoutMs) && lockTimeoutMs >= 1;
  const tries = Number.isInteger(lockTries) && lockTries >= 1;
  return [
    ...(timeout
      ? []
      : [
          `the lock time-out is ${lockTimeoutMs}, where a whole number of milliseconds from 1 is expected`,
        ]),
    ...(tries ? [] : [`the number of lock tries is ${lockTries}, where 1 or more is expected`]),
    ...(lockBudgetMs === undefined ? [] : timeoutProblems("the lock budget", lockBudgetMs)),
  ];
}

function timeoutProblems(name: string, value: number): readonly string[] {
  const fine = Number.isFinite(value) && value >= 0;
  return fine ? [] : [`${name} is ${value}, where a number of milliseconds from 0 is expected`];
}
