import type { DrizzleMirror, Existing } from "./adopt-types.ts";
import type { MadeObject, RepeatableReason, RepeatableRow } from "./repeatable-types.ts";
import type { BackfillState, Checksum, Owner, RecordedError, Tag } from "./types.ts";

export const EVENT_TYPES = [
  "migration.started",
  "migration.done",
  "migration.failed",
  "migration.resolved",
  "migration.reverted",
  "migration.adopted",
  "repeatable.done",
  "repeatable.failed",
  "repeatable.removed",
  "backfill.started",
  "backfill.done",
  "backfill.failed",
  "backfill.paused",
  "backfill.resumed",
  "backfill.canceled",
  "statement.started",
  "statement.done",
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** A row of `migration_events`. */
export interface LedgerEvent {
  readonly id: number;
  /** Database clock. */
  readonly at: Date;
  readonly type: EventType;
  readonly runId: string;
  readonly tag: Tag;
  readonly attempt: number;
  readonly checksum: Checksum;
  readonly payload: EventPayload;
  readonly owner: Owner;
}

export interface EventPayload {
  /** Statements done when the event was written. */
  readonly statement?: number;
  readonly statements?: number;
  /** Digest of the statements done. */
  readonly prefix?: Checksum | null;
  readonly durationMs?: number;
  /** Rank among the applied migrations, in the history's order. */
  readonly rank?: number;
  readonly error?: RecordedError;
  /** What a repair or an answer cleared. */
  readonly before?: "FAILED" | "STUCK";
  /** Of `migration.failed`: the statement under way has ended, and needs no look. */
  readonly ended?: true;
  /** A person's answer to whether a statement in doubt was done. */
  readonly answer?: "done" | "retry";
  /** Of `statement.started`: what is begun, and what was there before. */
  readonly underWay?: UnderWay;
  /** Of `migration.adopted`: who said that it was applied. Absent for a new name. */
  readonly by?: AdoptedBy;
  /** When it was applied by then, as far as that is known. ISO 8601. */
  readonly appliedAt?: string | null;
  /** Of a start or a failure on the way down. */
  readonly direction?: "down";
  /** Checksum of the down file: stored with the migration, or run. */
  readonly down?: Checksum;
  /** Of the end of a migration with a code step: whether `check` let it run. */
  readonly code?: {
    readonly checksum: Checksum;
    readonly outcome: "ran" | "not-needed" | "background";
  };
  /** Of `migration.resolved`: nothing of its way down was committed, it is DONE again. */
  readonly restored?: true;
  /** Number of its row in drizzle's table. */
  readonly row?: number;
  /** Its name until now: drizzle-kit gave it another. */
  readonly formerly?: Tag;
  /** Of a backfill, when the event was written: rows that it has handled, of them put aside, and its batches. */
  readonly rows?: number;
  readonly quarantined?: number;
  readonly batches?: number;
  /** Why it waited, where it did. */
  readonly reason?: string;
  /** Of `repeatable.done`: why it ran. */
  readonly why?: RepeatableReason;
  /** What it made, as its statements name it. */
  readonly made?: readonly MadeObject[];
}

/**
 * Who says that a migration was applied before the ledger knew it: a row of drizzle's table; a person;
 * or a comparison with the live catalog. `skipped`: drizzle's migrator has passed it over for good.
 */
export type AdoptedBy = "drizzle" | "answer" | "comparison" | "skipped";

/** A row of `schema_migrations`: the fold of a tag's events. */
export interface LedgerRow {
  readonly tag: Tag;
  /** PENDING: cleared by a repair after it had been started. */
  readonly state: "PENDING" | "STARTED" | "DONE" | "FAILED";
  /** Rank among the applied migrations, in the history's order; null until DONE. */
  readonly rank: number | null;
  /** Times it was started here; 0 where it was taken over. */
  readonly attempt: number;
  readonly checksum: Checksum;
  readonly statementsDone: number;
  readonly statementsTotal: number;
  readonly prefix: Checksum | null;
  /** A statement outside transactions that was begun, and whose end is not recorded. */
  readonly underWay: UnderWay | null;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly durationMs: number | null;
  readonly runId: string;
  readonly owner: Owner;
  readonly error: RecordedError | null;
  /** The newest event folded in. */
  readonly eventId: number;
  /**
   * On its way down, begun and not at its end: what it was as an applied one. What the row says of statements is
   * of its down file then.
   */
  /** State of its backfill in the background; null where it has none. */
  readonly backfill?: BackfillState | null;
  readonly reverting: AppliedBefore | null;
}

/** What a row said of a migration that was applied, before it was begun to be taken back. */
export interface AppliedBefore {
  readonly statementsDone: number;
  readonly statementsTotal: number;
  readonly prefix: Checksum | null;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly durationMs: number | null;
}

/** What takes a migration back, as the ledger keeps it. */
export interface StoredDown {
  readonly tag: Tag;
  readonly checksum: Checksum;
  readonly sql: string;
}

/**
 * What a look at the lease says of its holder: none; at work; for which only
 * the rest of its time speaks, and that is short; past its time; surely gone; or nothing can be
 * said (a standby). While a transaction of its holds the row it is at work, whatever the time.
 */
export type Liveness = "free" | "alive" | "expiring-soon" | "expired" | "dead" | "unknown";

/** The one row of `runner`, as a look sees it. */
export interface RunnerRow {
  readonly ledgerVersion: number;
  readonly minReader: number;
  readonly head: Checksum | null;
  /** Digest of the repeatables that have all run; null where there are none, or some are to run again. */
  readonly repeatables: Checksum | null;
  readonly runId: string | null;
  readonly token: string;
  readonly direct: boolean | null;
  readonly host: string | null;
  readonly processId: number | null;
  readonly backendPid: number | null;
  readonly user: string | null;
  /** What the holder runs. */
  readonly activity: string | null;
  readonly acquiredAt: Date | null;
  readonly expiresAt: Date | null;
  readonly liveness: Liveness;
  /** Past its expiry, a backend still runs a statement of its holder's: this one. */
  readonly zombie: number | null;
  /** The server is a standby: it can be read and not written. */
  readonly standby: boolean;
  /** drizzle's table, where it is kept up to date beside the ledger. */
  readonly mirror: DrizzleMirror | null;
}

/** The database's side, as one message read it. */
export interface Ledger {
  /** Undefined where the ledger was never created. */
  readonly runner: RunnerRow | undefined;
  readonly rows: readonly LedgerRow[];
  /** Absent where they were not read. */
  readonly repeatables?: readonly RepeatableRow[];
  /** What the database holds that the ledger does not account for, where that was looked for. */
  readonly existing?: Existing;
}

/**
 * What a statement outside transactions does, as far as the catalog can tell afterwards
 * whether it was done. Names are SQL, as written in the file.
 */
export type OutsideAction =
  | { readonly kind: "create-index"; readonly name: string; readonly table: string }
  | { readonly kind: "drop-index"; readonly index: string }
  | { readonly kind: "reindex"; readonly scope: ReindexScope; readonly name: string | null }
  | { readonly kind: "detach"; readonly table: string; readonly partition: string }
  /** Does no harm when it is run twice: VACUUM, CLUSTER, REINDEX that locks. */
  | { readonly kind: "repeatable" }
  /** Leaves no trace that could be looked for. */
  | { readonly kind: "opaque" };

export type ReindexScope = "index" | "table" | "schema" | "database";

/** An index, or what else has its name. */
export interface FoundIndex {
  readonly oid: number;
  /** As SQL, with its schema. */
  readonly name: string;
  /** As `pg_class.relkind`: `i` for an index. */
  readonly relkind: string;
  readonly table: number | null;
  /** Built to the end, and used. */
  readonly valid: boolean;
  /** Without the table's schema. */
  readonly definition: string;
}

/** The state of what a statement is about, before it or after. */
export type ObjectState =
  | {
      readonly kind: "create-index";
      readonly table: number | null;
      /** The table is partitioned, where no index can be built concurrently. */
      readonly partitioned: boolean;
      readonly found: FoundIndex | null;
      /** The definition that the statement asks for; null where it could not be tried out. */
      readonly wanted: string | null;
    }
  | { readonly kind: "drop-index"; readonly found: FoundIndex | null }
  /** INVALID indexes that an interrupted REINDEX CONCURRENTLY leaves behind. */
  | {
      readonly kind: "reindex";
      readonly leftovers: readonly { readonly oid: number; readonly name: string }[];
    }
  | { readonly kind: "detach"; readonly attached: "yes" | "pending" | "no" }
  | { readonly kind: "repeatable" | "opaque" };

/** A statement outside transactions that was begun, and whose end is not recorded. */
export interface UnderWay {
  /** Its number in the file, from 1. */
  readonly statement: number;
  /** Digest of its text. */
  readonly digest: Checksum;
  /** For messages: `CREATE INDEX CONCURRENTLY users_email_idx`. */
  readonly label: string;
  readonly action: OutsideAction;
  readonly before: ObjectState;
}
