import type { MigrateError } from "./errors.ts";
import type { Checksum, MigrationState, MigrationStatus, Progress, Tag } from "./types.ts";

export interface CallOptions {
  /** Stops the call: what runs is canceled, rolled back and recorded as such. */
  readonly signal?: AbortSignal;
  /** Told of each step. What it throws is ignored. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface MigrateOptions extends CallOptions {
  /** Last migration to apply; all of them when absent. */
  readonly to?: Tag;
  /** Apply pending migrations that are older than applied ones. Default: refuse. */
  readonly allowOutOfOrder?: boolean;
}

export interface MigrateReport {
  /** Tag of the newest migration of this history that is applied now. */
  readonly version: Tag | undefined;
  /**
   * `applied`: this run did; `current`: nothing was pending (or another runner did it
   * while this one waited); `newer`: the database is ahead of this history.
   */
  readonly outcome: "applied" | "current" | "newer";
  readonly runId: string;
  readonly head: Checksum;
  readonly applied: readonly { readonly tag: Tag; readonly durationMs: number }[];
  readonly durationMs: number;
  /**
   * Each migration as the run left it. Absent where the database's head alone told
   * that nothing was pending, and nothing else was read.
   */
  readonly migrations?: readonly MigrationStatus[];
  readonly warnings: readonly string[];
}

export interface StatusReport {
  /** Tag of the newest applied migration, in the history's order. */
  readonly version: Tag | undefined;
  /** Head of the history on disk. */
  readonly head: Checksum;
  /** The database is ahead of this history, which is fine. */
  readonly newer: boolean;
  /** Migrations that a run would apply. */
  readonly pending: number;
  readonly migrations: readonly MigrationStatus[];
  /** What would forbid a run. */
  readonly problems: readonly MigrateError[];
  readonly warnings: readonly string[];
}

export interface PlanReport {
  /** `pending`: `migrate()` would run the steps. */
  readonly outcome: "pending" | "current" | "newer";
  readonly head: Checksum;
  readonly steps: readonly PlannedStep[];
  readonly warnings: readonly string[];
}

export interface PlannedStep {
  readonly tag: Tag;
  readonly file: string;
  /** The statements that would run, as written. */
  readonly statements: readonly string[];
  /** Statements that an earlier attempt committed; they are not in the list. */
  readonly resumeAt: number;
}

export interface EventsOptions extends CallOptions {
  /** Of one migration alone. */
  readonly tag?: Tag;
  /** Id of the last event that is known: what comes after it. */
  readonly after?: number;
}

export interface FollowOptions extends EventsOptions {
  /** How often to look, in milliseconds. Default 500. */
  readonly everyMs?: number;
}

export interface RepairReport {
  /** What was cleared: PENDING again. */
  readonly repaired: readonly RepairedMigration[];
  /** What was left as it is, and why. */
  readonly kept: readonly { readonly tag: Tag; readonly reason: string }[];
  /** A lease whose runner is gone was given back. */
  readonly leaseFreed: boolean;
  readonly warnings: readonly string[];
}

export interface RepairedMigration {
  readonly tag: Tag;
  /** What it was: FAILED or STUCK. */
  readonly before: Extract<MigrationState, { readonly kind: "FAILED" | "STUCK" }>;
}

export interface WaitOptions extends CallOptions {
  /** Bound on the wait, in milliseconds. Default: `waitTimeoutMs` of the migrator. */
  readonly timeoutMs?: number;
}

export interface WaitReport {
  /** `newer`: the database is ahead of this history. */
  readonly outcome: "current" | "newer";
  readonly version: Tag | undefined;
  readonly head: Checksum;
  readonly waitedMs: number;
}
