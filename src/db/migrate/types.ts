import type { Existing } from "./existing-types.ts";
import type { UnderWay } from "./outside-types.ts";

/** A migration's name: the journal's tag, which is also its file's name without `.sql`. */
export type Tag = string;

/** `sha256:` and 64 hexadecimal digits, of a text without BOM and with LF line ends. */
export type Checksum = `sha256:${string}`;

/** One entry of the history on disk. */
export interface Migration {
  readonly tag: Tag;
  /** Place in the history, from 0. */
  readonly index: number;
  /** The file as people name it in messages, e.g. `drizzle/0003_add_orgs.sql`. */
  readonly file: string;
  /** The file's text, without BOM, line ends as they are. */
  readonly sql: string;
  /** The file holds bytes that are no UTF-8: in `sql` they are replaced. */
  readonly isDamaged?: boolean;
  readonly checksum: Checksum;
  /** Digest of the history up to and with this migration: the head, were it the last. */
  readonly link: Checksum;
}

/** The ordered list of migrations on disk. */
export interface History {
  readonly dir: string;
  readonly migrations: readonly Migration[];
  /** Digest of the whole list; of an empty one, the digest of the empty text. */
  readonly head: Checksum;
  /** The app's own copy of the events; absent where it has none. */
  readonly eventSink?: EventSink;
  /** What is odd but harmless, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * Where the app keeps a copy of the migration events: its own event store. The ledger
 * stays the truth; the copy never fails a migration.
 */
export interface EventSink {
  /** Qualified name of the table, as SQL: the copy starts where it is there. */
  readonly table: string;
  /**
   * One statement that writes the events in `$1` there, a jsonb array in the log's order, each as
   * `tidemark events --json` shows it. It may be given an event a second time (after a
   * restored backup), and must not write it twice. Names in it are schema-qualified.
   */
  readonly sql: string;
}

/** Who ran a migration, as it stands in the events. */
export interface Owner {
  readonly user: string;
  readonly host: string;
  readonly processId: number;
  readonly backendPid: number;
  /** ISO 8601, or null where the server hides it. */
  readonly backendStart: string | null;
  readonly toolVersion: string;
  readonly appVersion: string | null;
}

/** An error as the ledger keeps it. */
export interface RecordedError {
  /** SQLSTATE, or null when the failure was not the server's (`canceled`). */
  readonly sqlState: string | null;
  readonly message: string;
  readonly detail: string | null;
  readonly hint: string | null;
  /** The server's context: function and line within a `DO` block or a function. */
  readonly where: string | null;
  readonly file: string | null;
  /** From 1. */
  readonly line: number | null;
  /** From 1, in code points. */
  readonly column: number | null;
  /** Number of the statement in its file, from 1. */
  readonly statement: number | null;
  readonly statements: number | null;
  /** The whole text that was printed. */
  readonly text: string;
}

export type EventType =
  | "migration.started"
  | "migration.done"
  | "migration.failed"
  | "migration.resolved"
  | "migration.reverted"
  | "migration.adopted"
  | "repeatable.done"
  | "statement.started"
  | "statement.done";

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
  /** Of `migration.failed`: nothing of the statement under way is to be looked for. */
  readonly ended?: true;
  /** A person's answer to whether a statement in doubt was done. */
  readonly answer?: "done" | "retry";
  /** Of `statement.started`: what is begun, and what was there before. */
  readonly underWay?: UnderWay;
}

/** A row of `schema_migrations`: the fold of a tag's events. */
export interface LedgerRow {
  readonly tag: Tag;
  /** PENDING: cleared by a repair after it had been started. */
  readonly state: "PENDING" | "STARTED" | "DONE" | "FAILED";
  /** Rank among the applied migrations, in the history's order; null until DONE. */
  readonly rank: number | null;
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
}

/**
 * What a look at the lease says of its holder: none; at work; for which only
 * the rest of its time speaks, and that is short; past its time; surely gone; or nothing can be
 * said (a standby). While a transaction of its holds the row it is at work, whatever the time.
 */
export type Liveness = "free" | "alive" | "waning" | "expired" | "dead" | "unknown";

/** The one row of `runner`, as a look sees it. */
export interface RunnerRow {
  readonly ledgerVersion: number;
  readonly minReader: number;
  readonly head: Checksum | null;
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
}

/** The database's side, as one message read it. */
export interface Ledger {
  /** Undefined where the ledger was never created. */
  readonly runner: RunnerRow | undefined;
  readonly rows: readonly LedgerRow[];
  /** What else the database holds; looked for where the ledger has no migration. */
  readonly existing?: Existing;
}

/** A statement outside transactions of which nobody has recorded whether it was done. */
export interface Doubt {
  /** Number of the statement in its file, from 1. */
  readonly statement: number;
  readonly reason: string;
  /** The catalog cannot tell: `resolve` is needed. Otherwise the next run finds it out. */
  readonly needsAnswer: boolean;
}

/** State of a migration: what the ledger says of it, and of its runner. */
export type MigrationState =
  | {
      readonly kind: "PENDING";
      /** Committed by an attempt before a person's answer (`resolve`); else 0. */
      readonly statementsDone: number;
    }
  | {
      readonly kind: "STARTED";
      readonly at: Date;
      readonly owner: Owner;
      readonly statementsDone: number;
    }
  | {
      readonly kind: "DONE";
      readonly at: Date;
      readonly owner: Owner;
      readonly durationMs: number;
      readonly checksum: Checksum;
    }
  | {
      readonly kind: "FAILED";
      readonly at: Date;
      readonly owner: Owner;
      readonly durationMs: number;
      readonly error: RecordedError;
      /** Committed before the failure; they stay. */
      readonly statementsDone: number;
      readonly doubt: Doubt | undefined;
    }
  | {
      readonly kind: "STUCK";
      readonly at: Date;
      readonly owner: Owner;
      readonly statementsDone: number;
      readonly doubt: Doubt | undefined;
    };

/** `CHANGED`: checksum differs. `MISSING`: in the ledger, not on disk. `OUT_OF_ORDER`: pending, older than the head. */
export type MigrationFlag = "CHANGED" | "MISSING" | "OUT_OF_ORDER";

/** A migration as `status` shows it: on disk, in the ledger, or both. */
export interface MigrationStatus {
  readonly tag: Tag;
  readonly state: MigrationState;
  readonly flags: readonly MigrationFlag[];
  /** On disk; of a `MISSING` one, in the ledger. */
  readonly checksum: Checksum;
  /** Times it was started; 0 when never. */
  readonly attempt: number;
}
