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
  readonly digest: `sha256:${string}`;
  /** For messages: `CREATE INDEX CONCURRENTLY users_email_idx`. */
  readonly label: string;
  readonly action: OutsideAction;
  readonly before: ObjectState;
}
