/** A migration's name: in the layout of 0.x the journal's tag, in that of 1.x the folder's name. */
export type Tag = string;

/**
 * How drizzle-kit lays a folder out. `0.x`: `meta/_journal.json` and `<tag>.sql`; `1.x`:
 * `<YYYYMMDDHHMMSS>_<name>/migration.sql`, without a journal.
 */
export type Layout = "0.x" | "1.x";

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
  /** The file starts with a byte order mark, which drizzle hashes too. */
  readonly hasBom?: boolean;
  /** drizzle's time of it, in milliseconds since 1970: the journal's `when`, or what the folder's name says. */
  readonly when?: number;
  /** The file holds bytes that are no UTF-8: in `sql` they are replaced. */
  readonly isDamaged?: boolean;
  /** Code that runs after the SQL. */
  readonly code?: CodeFile;
  /** Of the SQL; where there is code, of both. */
  readonly checksum: Checksum;
  /** Digest of the history up to and with this migration: the head, were it the last. */
  readonly link: Checksum;
}

/** A migration's file of code, which runs after its SQL, in a transaction of its own. */
export interface CodeFile {
  /** As messages name it: `drizzle/0003_fill.ts`. */
  readonly file: string;
  /** Where it lies; undefined of code that was given. */
  readonly path: string | undefined;
  /** As written. */
  readonly text: string;
  /** Of what it does: comments, formatting and types do not count, what it imports by a relative path does. */
  readonly checksum: Checksum;
  /** Of the migration's SQL alone. */
  readonly sqlChecksum: Checksum;
  /** Runs the file; its default export. */
  readonly load: () => Promise<unknown>;
}

/** The ordered list of migrations on disk. */
export interface History {
  readonly dir: string;
  readonly layout: Layout;
  readonly migrations: readonly Migration[];
  /** Digest of the whole list; of an empty one, the digest of the empty text. */
  readonly head: Checksum;
  /** The app's own copy of the events; absent where it has none. */
  readonly eventSink?: EventSink;
  /** What runs before the migrations; absent where there is nothing of the kind. */
  readonly before?: BeforeFile;
  /** What runs after the migrations, whenever it changes; in the order of their names. */
  readonly repeatables?: readonly Repeatable[];
  /** Texts of the down files, where the history lies in no folder. */
  readonly downs?: ReadonlyMap<Tag, string>;
  /** What is unusual but harmless. */
  readonly warnings: readonly Warning[];
}

/** A file of `repeatable/`: views, functions, triggers, grants, policies. Runs again when its text changes. */
export interface Repeatable {
  /** The file's name without `.sql`. */
  readonly name: string;
  /** `repeatable/<name>`: how the log and messages name it. */
  readonly tag: Tag;
  /** As messages name it. */
  readonly file: string;
  /** Without BOM. */
  readonly sql: string;
  /** As of a migration. */
  readonly isDamaged?: boolean;
  readonly checksum: Checksum;
  /** `-- tidemark: run-always`: it runs at each `migrate()`. */
  readonly isAlways: boolean;
}

/** What takes a migration back, as it lies in the history. */
export interface DownFile {
  /** As messages name it. */
  readonly file: string;
  readonly sql: string;
  readonly checksum: Checksum;
  /** `tidemark.sum` does not have it like this. */
  readonly isUnverified: boolean;
}

/**
 * SQL that must be there before the migrations: extensions, schemas, roles, stand-ins for what a platform
 * brings. Runs in one transaction at each run that has something to do, and does nothing where it is there.
 */
export interface BeforeFile {
  /** As messages name it. */
  readonly file: string;
  readonly sql: string;
}

/**
 * State of a backfill. `PENDING`: nobody runs it; `RUNNING`: a process does, or did when it was killed. `PAUSED` and
 * `CANCELED`: by a person. `FAILED`: with its error, until it is tried again.
 */
export type BackfillState = "PENDING" | "RUNNING" | "PAUSED" | "CANCELED" | "FAILED" | "DONE";

/** Something that went wrong, or is unusual, and does not end a run. */
export interface Warning {
  readonly kind: /** The app's copy of the events stays behind. */
    | "copy-behind"
    /** A file of the folder has no entry in the journal. */
    | "stray-file"
    /** The lease could not be given back. */
    | "lease-kept"
    /** Statements outside transactions run behind a pooler. */
    | "pooler"
    /** The database URL has a parameter that nobody knows: it is left out. */
    | "url-parameter"
    /** Statements that only the server's grammar reads. */
    | "unread"
    /** The password file is not read. */
    | "password-file"
    /** drizzle's migrator passed migrations over, and they are not run unasked. */
    | "passed-over"
    /** A newer release has run other texts of repeatables: these are left alone. */
    | "older-repeatable";
  /** For people. */
  readonly message: string;
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

/** A statement outside transactions whose end is not recorded. */
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
      /** Null where it was applied by another tool, and taken over. */
      readonly durationMs: number | null;
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

/**
 * `CHANGED`: checksum differs. `MISSING`: in the ledger, not on disk. `OUT_OF_ORDER`: pending, older
 * than the head, or passed over by drizzle's migrator. `HELD_BACK`: pending, until a backfill that it requires is done. `REVERTING`: on its way down, begun and not at its end; its
 * state is of that.
 */
export type MigrationFlag = "CHANGED" | "MISSING" | "OUT_OF_ORDER" | "REVERTING" | "HELD_BACK";

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
