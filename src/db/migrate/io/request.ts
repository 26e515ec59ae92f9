import type { DrizzleTableName } from "../pure/existing-sql.ts";
import type { RowValues } from "../pure/failure.ts";
import type { RunIdentity } from "../pure/lease-sql.ts";
import type { LockPatience } from "../pure/lock-patience.ts";
import type { PlanOptions } from "../pure/plan.ts";
import type { AppliedMigration } from "../reports.ts";
import type { EventSink, History, MigrationStatus, Tag } from "../types.ts";
import type { ConnectOptions } from "./connect.ts";
import type { Session } from "./session.ts";

/** All that a run is given. */
export interface RunRequest extends ConnectOptions {
  readonly schema: string;
  readonly identity: RunIdentity;
  readonly waitTimeoutMs: number;
  readonly lockPatience: LockPatience;
  readonly deadlineMs: number | undefined;
  /** In place of the folder's own. */
  readonly eventSink: EventSink | undefined;
  readonly history: Promise<History>;
  readonly plan: PlanOptions;
  readonly drizzleTable: DrizzleTableName;
  readonly rowValues: RowValues;
}

export interface RunResult {
  readonly outcome: "applied" | "current" | "newer";
  readonly applied: readonly AppliedMigration[];
  /** What went wrong beside the run, as sentences. */
  readonly warnings?: readonly string[];
  /** Tag of the newest applied migration, in the history's order. */
  readonly version: Tag | undefined;
  /** Each migration as the run left it; absent where the head alone told that nothing was pending. */
  readonly migrations?: readonly MigrationStatus[];
}

/** How one session's worth of a run ended. */
export interface AttemptResult {
  /** What went wrong beside the run, as sentences. */
  readonly warnings?: readonly string[];
  readonly outcome: RunResult["outcome"];
  readonly version: Tag | undefined;
  readonly migrations?: readonly MigrationStatus[];
}

/** A run's wait for other runners, over all its connections; its bound is `waitTimeoutMs`. */
export interface Waiting {
  /** As `Date.now()`; undefined while it does not wait. */
  since: number | undefined;
}

/** One session's worth of a run. */
export interface Attempt {
  readonly request: RunRequest;
  readonly session: Session;
  /** When the run began, as `Date.now()`. */
  readonly since: number;
  readonly waiting: Waiting;
  readonly applied: { readonly add: (migration: AppliedMigration) => void };
}
