import type { ConnectOptions } from "../../connection/connect.ts";
import type { Session } from "../../connection/session.ts";
import type { DrizzleTableName } from "../adopt/find-sql.ts";
import type { RowValues } from "../execute/failure.ts";
import type { LockPatience } from "../execute/lock-patience.ts";
import type { Waiting } from "../lease/wait.ts";
import type { RunIdentity } from "../ledger/record.ts";
import type { PlanOptions } from "../plan/plan.ts";
import type { AppliedMigration, Progress } from "../reports.ts";
import type { EventSink, History, MigrationStatus, Tag } from "../types.ts";

/** All that a run is given. */
export interface RunRequest extends Omit<ConnectOptions, "onProgress"> {
  readonly onProgress: (progress: Progress) => void;
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

/** One session's worth of a run. */
export interface Attempt {
  readonly request: RunRequest;
  readonly session: Session;
  /** When the run began, as `Date.now()`. */
  readonly since: number;
  readonly waiting: Waiting;
  readonly applied: { readonly add: (migration: AppliedMigration) => void };
}
