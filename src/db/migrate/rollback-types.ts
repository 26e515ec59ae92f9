import type { MigrateError } from "./errors.ts";
import type { AppliedMigration, CallOptions } from "./reports.ts";
import type { Checksum, MigrationStatus, Tag, Warning } from "./types.ts";

/** Which migrations are taken back. */
export interface RollbackTarget {
  /** How many, the newest first; `all` of them. Default 1. Not together with `to`. */
  readonly steps?: number | "all" | undefined;
  /** The newest that stays applied: all after it are taken back. */
  readonly to?: Tag | undefined;
}

export interface RollbackOptions extends CallOptions, RollbackTarget {
  /** Take back what loses rows too. Default: refuse with `data_loss`, and name them. */
  readonly allowDataLoss?: boolean | undefined;
  /**
   * Name of the database that is meant: another one is refused with `usage`. Must be given with `allowDataLoss`
   * where the server is not on this machine.
   */
  readonly database?: string | undefined;
  /**
   * What a plan has shown, newest first: where other migrations would be taken back, nothing is
   * (`out_of_order`). Those of them that another run has taken back meanwhile are done.
   */
  readonly expect?: readonly Tag[] | undefined;
}

/** Rows that go with a rollback. */
export interface RollbackLoss {
  /** What holds them: `table users`, `column users.bio`. */
  readonly what: string;
  /** Null where they cannot be counted. */
  readonly rows: number | null;
  /** Counted; otherwise estimated by the server's statistics. */
  readonly isExact: boolean;
}

/** A migration that a rollback would take back. */
export interface PlannedRevert {
  readonly tag: Tag;
  /** The down file; of a stored one, its name. */
  readonly file: string;
  /** Where the SQL comes from: the folder, or the ledger, which kept it when the migration was applied. */
  readonly source: "folder" | "ledger";
  /** What would run, as written but for passwords, which are masked. */
  readonly statements: readonly string[];
  /** Statements that an earlier attempt committed; they are not in the list. */
  readonly resumeAt: number;
  /** Numbers in the file, from 1, of those that would run outside a transaction. */
  readonly outside: readonly number[];
  /** Rows that would go; empty tables and columns are not named. */
  readonly loses: readonly RollbackLoss[];
}

export interface RollbackPlan {
  /** `current`: nothing is to be taken back. */
  readonly outcome: "pending" | "current";
  /** As the server calls it. */
  readonly database: string;
  /** The server is on this machine. */
  readonly isLocal: boolean;
  /** Another run holds the lease: what goes, and what it would lose, may change. */
  readonly isBusy: boolean;
  /** Newest first. */
  readonly steps: readonly PlannedRevert[];
  /** Tag of the newest migration that stays applied. */
  readonly versionAfter: Tag | undefined;
  /** What forbids it, worst first; the steps are empty then. Data loss is none of them. */
  readonly problems: readonly MigrateError[];
  readonly warnings: readonly Warning[];
}

export interface RollbackReport {
  /** `current`: nothing was to be taken back, or another run did it while this one waited. */
  readonly outcome: "reverted" | "current";
  /** Tag of the newest migration that is applied now. */
  readonly version: Tag | undefined;
  readonly runId: string;
  /** Digest of what is applied now. */
  readonly head: Checksum;
  /** In the order in which they were taken back; how long it took. */
  readonly reverted: readonly AppliedMigration[];
  readonly durationMs: number;
  /** Each migration as the run left it, where that was read. */
  readonly migrations?: readonly MigrationStatus[];
  readonly warnings: readonly Warning[];
}
