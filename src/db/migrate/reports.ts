import type { ConnectProgress } from "../connection/connect.ts";
import type { MigrateError } from "./errors.ts";
import type { Checksum, MigrationState, MigrationStatus, Tag, Warning } from "./types.ts";

export interface CallOptions {
  /** Stops the call: what runs is canceled, rolled back, and recorded as canceled. */
  readonly signal?: AbortSignal;
  /** Told of each step. What it throws is ignored. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface MigrateOptions extends CallOptions {
  /** Last migration to apply; all of them when absent. */
  readonly to?: Tag | undefined;
  /** Apply pending migrations that are older than applied ones. Default: refuse. */
  readonly allowOutOfOrder?: boolean | undefined;
  /**
   * Start on a database that is not empty, though its ledger has no migration. Default: refuse with
   * `not_clean`. What drizzle's own migrator has applied of this history is refused all the same.
   */
  readonly allowExisting?: boolean | undefined;
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
  readonly applied: readonly AppliedMigration[];
  readonly durationMs: number;
  /**
   * Each migration as the run left it. Absent where the database's head showed
   * that nothing was pending, and nothing else was read.
   */
  readonly migrations?: readonly MigrationStatus[];
  readonly warnings: readonly Warning[];
}

/** What a run tells of its end, beside what it applied. */
export type RunEnd = Pick<MigrateReport, "version" | "outcome" | "migrations" | "warnings">;

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
  readonly warnings: readonly Warning[];
}

export interface PlanReport {
  /** `pending`: `migrate()` would run the steps. */
  readonly outcome: "pending" | "current" | "newer";
  readonly head: Checksum;
  readonly steps: readonly PlannedStep[];
  readonly warnings: readonly Warning[];
}

export interface PlannedStep {
  readonly tag: Tag;
  readonly file: string;
  /** The statements that would run, as written but for passwords, which are masked. */
  readonly statements: readonly string[];
  /** Statements that an earlier attempt committed; they are not in the list. */
  readonly resumeAt: number;
  /** Numbers in the file, from 1, of those that would run outside a transaction. */
  readonly outside: readonly number[];
}

export interface EventsOptions extends CallOptions {
  /** Only those of one migration. */
  readonly tag?: Tag;
  /** Id of the last event that is known: what comes after it. */
  readonly after?: number;
  /** The newest so many of them, read from the end of the log; all of them when absent. */
  readonly newest?: number;
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
  readonly warnings: readonly Warning[];
}

export interface RepairedMigration {
  readonly tag: Tag;
  /** What it was: FAILED or STUCK. */
  readonly before: Extract<MigrationState, { readonly kind: "FAILED" | "STUCK" }>;
}

export interface ResolveOptions extends CallOptions {
  readonly tag: Tag;
  /** Whether the statement in doubt was done, or must be run again. */
  readonly answer: "done" | "retry";
}

export interface ResolveReport {
  readonly tag: Tag;
  readonly answer: "done" | "retry";
  /** Number of the statement in its file, from 1. */
  readonly statement: number;
  readonly statements: number;
  /** What it is: `CALL refill()`. */
  readonly label: string;
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

/** A migration that this run applied. */
export interface AppliedMigration {
  readonly tag: Tag;
  readonly durationMs: number;
}

/** A session that holds a lock, as far as the run's role may see it. */
export interface Blocker {
  /** Backend; 0 for a prepared transaction. */
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  /** As in `pg_stat_activity`. */
  readonly state: string | null;
  /** The start of its query, running or last. */
  readonly query: string | null;
  /** Since its transaction began. */
  readonly forMs: number | null;
}

/** What happens while a run goes on, in order. */
export type Progress =
  | ConnectProgress
  | { readonly kind: "ledger-created"; readonly schema: string }
  | { readonly kind: "waiting"; readonly holder: LeaseHolder; readonly waitedMs: number }
  | { readonly kind: "took-over"; readonly holder: LeaseHolder }
  | { readonly kind: "planned"; readonly tags: readonly Tag[] }
  | {
      readonly kind: "migration-started";
      readonly tag: Tag;
      readonly index: number;
      readonly total: number;
      readonly statements: number;
      readonly resumedAt: number;
    }
  /** A statement outside transactions begins. */
  | {
      readonly kind: "statement-started";
      readonly tag: Tag;
      /** From 1. */
      readonly statement: number;
      readonly statements: number;
      readonly label: string;
    }
  | {
      readonly kind: "statement-done";
      readonly tag: Tag;
      readonly statement: number;
      readonly label: string;
      readonly durationMs: number;
    }
  /** What became of one that an earlier run had begun, or is cleared away before it runs again. */
  | { readonly kind: "statement-found"; readonly tag: Tag; readonly message: string }
  /** The migration waits for a lock that these sessions hold. */
  | { readonly kind: "blocked"; readonly tag: Tag; readonly blockers: readonly Blocker[] }
  /** It got no lock, was rolled back, and is tried again after a pause. */
  | {
      readonly kind: "lock-retry";
      readonly tag: Tag;
      readonly reason: string;
      readonly tries: number;
      readonly of: number;
      readonly pauseMs: number;
      readonly blockers: readonly Blocker[];
    }
  | { readonly kind: "migration-done"; readonly tag: Tag; readonly durationMs: number }
  /** A wait for another process's run: what is still missing. */
  | { readonly kind: "behind"; readonly pending: number; readonly holder: LeaseHolder | undefined }
  | { readonly kind: "reconnecting"; readonly reason: string; readonly attempt: number }
  | { readonly kind: "lease-lost" }
  | { readonly kind: "warning"; readonly warning: Warning };

/** Who holds the lease, what it runs, since when. */
export interface LeaseHolder {
  readonly runId: string;
  readonly host: string;
  readonly processId: number;
  readonly user: string;
  readonly backendPid: number;
  readonly activity: string | null;
  /** It does not renew its lease any more, and this backend still runs a statement of it. */
  readonly zombie: number | null;
  readonly since: Date;
}
