import type { Checksum, Owner, RecordedError, Tag } from "./types.ts";

/** Something that a statement of a repeatable makes, or drops. */
export type MadeObject =
  /** Views and materialized views; of `form` "table": tables. */
  | {
      readonly kind: "relation";
      readonly name: SqlName;
      readonly form?: "view" | "table";
      readonly within?: SearchPath;
    }
  /** `args` undefined where the statement has none, as `drop function f`. */
  | {
      readonly kind: "routine";
      readonly name: SqlName;
      readonly args?: readonly ArgumentType[] | undefined;
      readonly within?: SearchPath;
    }
  /** What stands on a table or a view; of `default` (of a view's column) the name is the column's. */
  | {
      readonly kind: "trigger" | "policy" | "rule" | "index" | "default";
      readonly name: string;
      readonly table: SqlName;
      readonly within?: SearchPath;
    }
  /** The indexes of a relation whose statement names none. */
  | { readonly kind: "indexes"; readonly table: SqlName; readonly within?: SearchPath };

/** A name as its parts, with the schema only where the SQL has it. */
export type SqlName = readonly string[];

/** The schemas in which a name without one is looked for, where the file says so. */
type SearchPath = readonly string[];

/** A type in SQL, or the column that has it (`%type`). */
export type ArgumentType = string | { readonly column: SqlName };

/**
 * Why a repeatable runs. `rolled-back`: a migration was taken back since it ran; `dropped`: something that it made
 * is gone, as a migration has dropped it; `remade`: what it makes depends on something that had to be dropped and
 * made again.
 */
export type RepeatableReason = "new" | "changed" | "always" | "rolled-back" | "dropped" | "remade";

/**
 * `CHANGED`: the database has another text of it. `OLDER`: it had this one before that, so a newer release has run
 * here: this one is not run. `MISSING`: it ran here, and is not on disk. `ALWAYS`: it runs at each `migrate()`.
 */
export type RepeatableFlag = "CHANGED" | "OLDER" | "MISSING" | "ALWAYS";

/** A repeatable as `status` shows it. */
export interface RepeatableStatus {
  readonly tag: Tag;
  readonly name: string;
  /** `PENDING`: the next run that leaves no migration pending runs it. */
  readonly state: "PENDING" | "DONE" | "FAILED";
  readonly flags: readonly RepeatableFlag[];
  /** When it ran last, or failed; null where it never did. */
  readonly at: Date | null;
  readonly durationMs: number | null;
  /** On disk; of a `MISSING` one, in the ledger. */
  readonly checksum: Checksum | null;
  readonly attempt: number;
  readonly by: Owner | null;
  readonly error: RecordedError | null;
}

/** A repeatable that this run ran. */
export interface RanRepeatable {
  readonly tag: Tag;
  readonly why: RepeatableReason;
  readonly durationMs: number;
}

/** A repeatable that `migrate()` would run. */
export interface PlannedRepeatable {
  readonly tag: Tag;
  readonly file: string;
  readonly why: RepeatableReason;
  /** As written but for passwords, which are masked. */
  readonly statements: readonly string[];
  /** Numbers in the file, from 1, of those in which a secret is masked. */
  readonly masked: readonly number[];
}

/** A row of `repeatables`: the fold of a repeatable's events. */
export interface RepeatableRow {
  readonly tag: Tag;
  /** Of the text that ran last; null where none did to its end. */
  readonly checksum: Checksum | null;
  /** Of the texts before that one, the newest first. */
  readonly earlier: readonly Checksum[];
  /** The database's head when it ran. */
  readonly head: Checksum | null;
  /** A migration was taken back since: it is to run again. */
  readonly isStale: boolean;
  /** What it made, as its statements name it. */
  readonly made: readonly MadeObject[];
  /** Times it was run, or tried. */
  readonly attempt: number;
  readonly finishedAt: Date | null;
  readonly durationMs: number | null;
  readonly runId: string;
  readonly owner: Owner;
  /** Of the last try, where that failed. */
  readonly error: RecordedError | null;
  readonly failedAt: Date | null;
  readonly failedChecksum: Checksum | null;
  readonly eventId: number;
}
