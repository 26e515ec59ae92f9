import type { ConnectOptions } from "../connection/connect.ts";
import type * as connection from "../connection/session.ts";
import type { AdoptAnswers, DrizzleMirror, DrizzleTableName } from "./adopt-types.ts";
import type { Progress } from "./progress-types.ts";
import type { CallOptions, Hook, MigrateOptions } from "./reports.ts";
import type { EventSink, History, Tag } from "./types.ts";

/** Names of the messages that the engine sends, at which a test may stop it. */
export type MessageName =
  | "look"
  | "read"
  | "events"
  | "find-existing"
  | "drizzle-rows"
  | "adopt"
  | "before"
  | "bootstrap"
  | "standby"
  | "take"
  | "renew"
  | "release"
  | "rollback"
  | "second"
  | "heartbeat"
  | "blockers"
  | "losses"
  | "partitioned"
  | "start"
  | "failed"
  | "repair"
  | "resolve"
  | "object"
  | "definition"
  | "prove"
  | "settings"
  | "clear"
  | "leave"
  | "backfill"
  | "grammar"
  | "pressure"
  | `migration:${Tag}`
  | `begin:${Tag}`
  | `statement:${Tag}`
  | `code:${Tag}`
  | `backfill:${Tag}`
  | `end:${Tag}`
  | "repeatables"
  | "dependents"
  | "settle"
  | `repeatable:${Tag}`;

export type Session = connection.Session<MessageName>;
export type Failpoint = connection.Failpoint<MessageName>;
export type OnFailpoint = connection.OnFailpoint<MessageName>;

/** All that the engine is given for one call. */
export interface Run extends RunSettings, Omit<ConnectOptions, "url" | "onProgress"> {
  readonly onProgress: (progress: Progress) => void;
  readonly identity: RunIdentity;
  /** Read while the connection is made. */
  readonly history: Promise<History>;
  readonly plan: PlanOptions;
  readonly waiting: Waiting;
  readonly server: SeenServer;
}

/** What a call is given by the migrator's options. */
export interface RunSettings {
  readonly url: string;
  /** Of the ledger. */
  readonly schema: string;
  readonly connectTimeoutMs: number;
  /** Bound on waiting for another runner, in milliseconds. */
  readonly waitTimeoutMs: number;
  readonly lockPatience: LockPatience;
  readonly deadlineMs: number | undefined;
  /** Bound on a code step that sets none itself. */
  readonly stepTimeoutMs: number;
  /** Backfills of the background that are run, in place of being left to a worker: on scratch databases. */
  readonly runsBackfills: boolean | readonly Tag[];
  /** In place of the folder's own. */
  readonly eventSink: EventSink | undefined;
  /** Where drizzle's migrator keeps its table; `isNamed`: the settings say so. */
  readonly drizzleTable: DrizzleTableName & { readonly isNamed: boolean };
  readonly rowValues: RowValues;
  readonly beforeMigrate: Hook | undefined;
  readonly afterMigrate: Hook | undefined;
}

/** A run that holds the lease. */
export interface HeldRun extends Run {
  readonly session: Session;
  readonly lease: LeaseToken;
  /** The app's copy of the events. */
  readonly sink: EventSink | undefined;
  /** The work gave it back with what it wrote. */
  isReleased: boolean;
  /** drizzle's table, where each migration is to be written there too. */
  mirror: DrizzleMirror | null;
}

/** Who a run is. */
export interface RunIdentity {
  readonly runId: string;
  readonly host: string;
  readonly processId: number;
  readonly toolVersion: string;
  readonly appVersion: string | null;
}

/** A lease that was taken: every write of the run proves it. */
export interface LeaseToken {
  readonly runId: string;
  readonly token: string;
  /** There is no pooler in between: the server's session is the run's own. */
  readonly direct: boolean;
}

/** A run's wait for other runners, over all its connections; its bound is `waitTimeoutMs`. */
export interface Waiting {
  /** As `performance.now()`; undefined while it does not wait. */
  since: number | undefined;
}

/** The server that a run has talked to last, over all its connections. */
export interface SeenServer {
  /** When it was started; undefined until that is known. */
  started: string | undefined;
  /** An administrator has ended the run's session there, or the server is shutting down: which, its next start tells. */
  hasTerminated: boolean;
}

/** What `migrate()` is asked for, and a person's answers of `adopt()`. */
export type PlanOptions = Omit<MigrateOptions, keyof CallOptions> & {
  readonly answers?: AdoptAnswers | undefined;
};

/** How long, and how often, a migration tries to get its locks. */
export interface LockPatience {
  /** `lock_timeout` of each try. */
  readonly lockTimeoutMs: number;
  /** Tries in all. */
  readonly lockTries: number;
  /** Bound on all tries and pauses of a migration; undefined where only the tries bound it. */
  readonly lockBudgetMs: number | undefined;
}

/** Whether DETAIL may be recorded where it holds values of the database's rows. */
export type RowValues = "recorded" | "left-out";
