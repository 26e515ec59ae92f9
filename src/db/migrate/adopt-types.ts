import type { Tag } from "./types.ts";

/** Where drizzle's own migrator keeps its table: `migrations` of drizzle.config.ts. */
export interface DrizzleTableName {
  readonly schema: string;
  readonly table: string;
}

/** drizzle's table, of which the ledger took over all rows up to one, and which it keeps up to date. */
export interface DrizzleMirror extends DrizzleTableName {
  /** Number of the last row that was settled; 0 where there was none. */
  readonly seen: number;
  /** All that it held was left out of account: it is another project's, and nothing is written there. */
  readonly isOthers?: true;
  /** Rows of no file were left out of account as a kind: another folder's, and so are those to come. */
  readonly isShared?: true;
}

/** What a database holds that its ledger does not account for. */
export interface Existing {
  /** The settings name drizzle's table: no other is this history's. */
  readonly isTableSet: boolean;
  /** Tables of drizzle's own migrator: those that have rows, and the one of the settings without any. */
  readonly drizzleTables: readonly DrizzleTable[];
  /** Undefined where there is nothing, or where it was not looked for. */
  readonly objects: ExistingObjects | undefined;
}

export interface DrizzleTable extends DrizzleTableName {
  /** The settings name it; it is drizzle's default, and they name none; or it was found by its columns. */
  readonly standing: "set" | "default" | "found";
  /** It has drizzle 1.x's column of names, by which that decides what to run. */
  readonly hasNames: boolean;
  /** The role that looked. */
  readonly role: string;
  /** What each of its rows is, in their order; of a table that is kept up to date, those that are not settled. */
  readonly rows: readonly JudgedRow[];
  /** Which rows were read to know that: how many have a number above `after`, and the last of them. */
  readonly read: { readonly after: number; readonly count: number; readonly last: number };
}

/** A row of drizzle's table, with whatever stands in it. */
export interface DrizzleRow {
  readonly id: number;
  readonly hash: string;
  /** drizzle's time of the migration, in milliseconds since 1970. */
  readonly createdAt: number | null;
  /** In 1.x: the migration's tag. */
  readonly name: string | null;
  /** In 1.x: when it was applied. */
  readonly appliedAt: Date | null;
}

/**
 * What a row of drizzle's table is of (`retimed`: the text is a file's, the time is not, as of any other row): a migration of the history, by its text; one whose file has another
 * text now; one that a person marked by its tag; one that an earlier row is of already; or none.
 */
export type JudgedRow = DrizzleRow &
  (
    | {
        readonly verdict: "matched" | "edited" | "marked" | "retimed" | "duplicate";
        readonly tag: Tag;
      }
    | { readonly verdict: "unknown"; readonly tag?: undefined }
  );

export interface ExistingObjects {
  readonly database: string;
  readonly ledgerSchema: string;
  readonly count: number;
  readonly schemas: readonly string[];
  readonly owners: readonly string[];
  /** Other schemas that hold a ledger. */
  readonly ledgers: readonly string[];
  /** The first ten, as `table public.users`. */
  readonly first: readonly string[];
}

/** A person's answers to the rows in doubt. */
export interface AdoptAnswers {
  /** Take files as applied whose text has changed since. Default false. */
  readonly acceptEdited?: boolean | undefined;
  /** Take these as applied, whatever drizzle's table says of them. */
  readonly markApplied?: readonly Tag[] | undefined;
  /** What `markApplied` rests on: a person's word (default), or a comparison with the live catalog. */
  readonly evidence?: "answer" | "comparison" | undefined;
  /**
   * Take migrations as applied that a row names by its tag in place of a hash, or by a text whose time is not
   * the file's. Default false.
   */
  readonly acceptMarked?: boolean | undefined;
  /** Rows to leave out of account: their numbers (`id`), or all that are of no file, or of one that has a row. */
  readonly forget?: readonly (number | "unknown" | "duplicate")[] | undefined;
}

/** What a run took over before it applied anything. */
export interface TakenOver {
  /** drizzle's table, as `schema.table`; null where only names were new. */
  readonly table: string | null;
  /** Migrations that the ledger knows as applied now. */
  readonly adopted: readonly Tag[];
  /** Those that drizzle's migrator had passed over for good: they run only where somebody asks for it. */
  readonly passedOver: readonly Tag[];
  /** Applied ones that `drizzle-kit up` gave other names. */
  readonly renamed: readonly { readonly from: Tag; readonly to: Tag }[];
  /** drizzle's table is kept up to date from here on. */
  readonly mirrored: boolean;
}

/** drizzle's table before it is taken over. */
export interface DrizzleStatus {
  /** As `schema.table`. */
  readonly table: string;
  readonly rows: number;
  /** Rows that are of a migration of this history, beyond doubt. */
  readonly matched: number;
}
