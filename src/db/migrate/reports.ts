import type { AdoptAnswers, DrizzleStatus, JudgedRow, TakenOver } from "./adopt-types.ts";
import type { BackfillStatus, HeldBack } from "./backfill-types.ts";
import type { MigrateError } from "./errors.ts";
import type { Blocker, LeaseHolder, Progress, ServerWork } from "./progress-types.ts";
import type { PlannedRepeatable, RanRepeatable, RepeatableStatus } from "./repeatable-types.ts";
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
   * `not_clean`. What drizzle's own migrator has applied of this history is taken over all the same.
   */
  readonly allowExisting?: boolean | undefined;
  /**
   * Run repeatables too whose text ran here before another did, since the newest migration. Default: leave them
   * alone, as a newer release's.
   */
  readonly allowOlder?: boolean | undefined;
  /**
   * Keep the table of drizzle's own migrator up to date as well, where it was taken over, so that drizzle can go on
   * from here. Default true; false ends that for good.
   */
  readonly mirror?: boolean | undefined;
}

export interface MigrateReport {
  /** Tag of the newest migration of this history that is applied now. */
  readonly version: Tag | undefined;
  /**
   * `applied`: this run did; `current`: nothing was pending (or another runner did it
   * while this one waited); `newer`: the database is ahead of this history.
   */
  readonly outcome: "applied" | "current" | "newer";
  /** What is pending still, because a backfill that it requires is not done. Absent where nothing is. */
  readonly heldBack?: HeldBack;
  readonly runId: string;
  readonly head: Checksum;
  readonly applied: readonly AppliedMigration[];
  /** Repeatables that this run ran, in its order. */
  readonly repeatables: readonly RanRepeatable[];
  /** Absent where nothing was taken over. */
  readonly takenOver?: TakenOver;
  readonly durationMs: number;
  /**
   * Each migration as the run left it. Absent where the database's head showed
   * that nothing was pending, and nothing else was read.
   */
  readonly migrations?: readonly MigrationStatus[];
  readonly warnings: readonly Warning[];
}

/** What a run tells of its end, beside what it applied. */
export type RunEnd = Pick<
  MigrateReport,
  "version" | "outcome" | "migrations" | "takenOver" | "heldBack" | "warnings"
>;

/** What a runner is at, in whichever process. */
export interface RunningNow {
  /** A migration's tag, with the statement where that runs outside transactions. */
  readonly activity: string;
  readonly holder: LeaseHolder;
  /** Null where its backend does nothing at the moment, or may not be seen. */
  readonly work: ServerWork | null;
  /** Who holds a lock that it waits for. */
  readonly blockers: readonly Blocker[];
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
  readonly repeatables: readonly RepeatableStatus[];
  /** Repeatables that a run would run, those apart that run always and have run. */
  readonly pendingRepeatables: number;
  /** What drizzle's table says that the ledger does not know yet; the rest is as if it did. */
  readonly drizzle?: DrizzleStatus;
  /** Pending migrations that have code, and its file; `plan()` loads it and says what it is. Absent where none has. */
  readonly pendingCode?: readonly { readonly tag: Tag; readonly file: string }[];
  /** Absent where no runner is at work. */
  readonly running?: RunningNow;
  /** Backfills that are not done. */
  readonly backfills: readonly BackfillStatus[];
  /** What would forbid a run. */
  readonly problems: readonly MigrateError[];
  readonly warnings: readonly Warning[];
}

export interface PlanReport {
  /** `pending`: `migrate()` would run the steps. */
  readonly outcome: "pending" | "current" | "newer";
  readonly head: Checksum;
  readonly drizzle?: DrizzleStatus;
  readonly steps: readonly PlannedStep[];
  /** What would stay pending, because a backfill that it requires is not done. */
  readonly heldBack?: HeldBack;
  /** What runs after the steps, in its order. */
  readonly repeatables: readonly PlannedRepeatable[];
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
  /** What shares a transaction, in order; the file's own BEGIN and COMMIT are in none. */
  readonly segments: readonly PlannedSegment[];
  /** Its code, which runs after them and counts as a statement; null where there is none. */
  readonly code: (PlannedCode & { readonly statement: number }) | null;
  /** Numbers of those in which a secret is masked: as they stand here they must not be run. */
  readonly masked: readonly number[];
}

/** What a migration's code is. */
export interface PlannedCode {
  readonly file: string;
  readonly kind: "step" | "backfill";
  /** What a backfill fills, as its file names it; null of a step. */
  readonly table: string | null;
  /** `migrate` does not wait for it. */
  readonly background: boolean;
}

export interface PlannedSegment {
  readonly kind: "transaction" | "outside";
  /** Numbers in the file, from 1. */
  readonly statements: readonly number[];
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
  /** It was on its way down, and is DONE again. */
  readonly restored?: true;
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

export interface AdoptOptions extends CallOptions, AdoptAnswers {
  /** As of `MigrateOptions`. */
  readonly mirror?: boolean | undefined;
  /** Only look: nothing is written. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface AdoptReport {
  /** drizzle's table, as `schema.table`; null where there is none, or nothing of it is new. */
  readonly table: string | null;
  /** Its rows that the ledger does not know yet, in their order, and which migration each is of. */
  readonly rows: readonly JudgedRow[];
  /** Migrations that the ledger knows as applied now; with `dryRun`, would. */
  readonly adopted: readonly Tag[];
  /** Those that drizzle's migrator had passed over for good. */
  readonly passedOver: readonly Tag[];
  /** What the next run would apply. */
  readonly pending: readonly Tag[];
  /** What forbids it: rows in doubt first. Where there is any, nothing was written. */
  readonly problems: readonly MigrateError[];
  /** drizzle's table is kept up to date beside the ledger. */
  readonly mirrored: boolean;
  readonly dryRun: boolean;
}

/** What a hook is told. */
export interface HookContext {
  /** Of the database; a hook opens connections of its own. */
  readonly url: string;
  /** Comes when the run is to stop, or has lost the lease: what the hook does then is done twice. */
  readonly signal: AbortSignal;
  /** Migrations that the run is about to apply, or that it has applied; often none. */
  readonly tags: readonly Tag[];
}

/**
 * Work of the caller's own, under the lease: one process at a time does it. Called at each `migrate()`, also
 * where nothing is pending (but not on a database that is ahead), and so at every start, which takes the lease
 * for it. It can be cut off at any point, and is called again then.
 */
export type Hook = (context: HookContext) => Promise<void> | void;

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
