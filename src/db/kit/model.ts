import type { Layout, Tag, WrittenSum } from "../migrate/index.ts";
import type { SnapshotSchema } from "./snapshots.ts";

/** What drizzle-kit asks about (was it renamed, or is it new?), with the rename of one as typed. */
export const RENAME_EXAMPLES = {
  column: "users.name=full_name",
  table: "users=people",
  schema: "app=core",
  enum: "mood=feeling",
  sequence: "order_no=invoice_no",
  view: "active_users=active_people",
  policy: "users.own_rows=own_users",
  role: "reader=viewer",
} as const;

export type RenameKind = keyof typeof RENAME_EXAMPLES;

/**
 * A name in full: `[schema]`, `[role]`, `[schema, table]` (enums, sequences and views too),
 * `[schema, table, column]`, `[schema, table, policy]`, `[policy]` of one that is linked to a table.
 */
export type FullName = readonly string[];

export interface Rename {
  readonly kind: RenameKind;
  readonly from: FullName;
  readonly to: FullName;
}

/** Something is new, and others of its kind are gone: was one of them renamed? */
export interface Question {
  readonly kind: RenameKind;
  readonly created: FullName;
  readonly candidates: readonly FullName[];
}

/** What was treated as dropped and created without a person having said so of each. */
export interface Assumption {
  readonly kind: RenameKind;
  readonly dropped: readonly FullName[];
  readonly added: readonly FullName[];
}

export interface Answers {
  readonly renames: readonly Rename[];
  /** For what no rename answers: `ask` (on the terminal, else the draft is `unanswered`), or drop and add. */
  readonly others: "ask" | "drop-and-add";
}

export interface KitProject {
  /** The project's folder, where its drizzle-kit is run. */
  readonly cwd: string;
  /** The drizzle configuration. Default: drizzle-kit's. */
  readonly config?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DraftOptions extends KitProject {
  /** The migrations folder, as messages name it; relative to `cwd`. */
  readonly dir: string;
  readonly name?: string;
  /** An empty file, for SQL written by hand. */
  readonly custom?: boolean;
  readonly answers: Answers;
  /** Whether the folder must match its `tidemark.sum`. Default `check`. */
  readonly sumFile?: "check" | "ignore";
  /** Enums that the newest snapshot is to have in the order of the schema. */
  readonly enumOrder?: readonly ReorderedEnum[];
  /** File descriptor of a terminal on which drizzle-kit 0.31 may ask; stdin must be one too. */
  readonly terminal?: 1 | 2;
}

/** An enum whose values the schema lists in another order than the newest snapshot. */
export interface ReorderedEnum {
  readonly name: FullName;
  /** As the snapshot has them. */
  readonly values: readonly string[];
  /** As the schema has them. */
  readonly wanted: readonly string[];
}

/** A file of the migrations folder, by its path there. */
export interface FolderFile {
  readonly path: string;
  readonly text: string;
}

export interface DraftedMigration {
  readonly kind: "drafted";
  readonly tag: Tag;
  /** That of its folder. */
  readonly layout: Layout;
  /** As messages name it: `drizzle/0003_add_orgs.sql`. */
  readonly file: string;
  readonly sql: string;
  readonly statements: readonly string[];
  readonly renamed: readonly Rename[];
  readonly assumed: readonly Assumption[];
  readonly warnings: readonly string[];
  /** The schemas that it leads from and to, as the snapshots have them. */
  readonly schemas: {
    readonly before: SnapshotSchema | undefined;
    readonly after: SnapshotSchema;
  };
  /** Path in the folder of the snapshot that it leads from. */
  readonly comparedWith: string | undefined;
  /** Older migrations without a snapshot: drizzle-kit does not know what they make. */
  readonly withoutSnapshot: readonly Tag[];
  /**
   * Puts it into the folder, with its down file: all of it, or nothing after an error. A crash
   * leaves the old history or the new one.
   */
  readonly keep: (also?: readonly FolderFile[]) => Promise<KeptMigration>;
}

export type KeptMigration = Omit<WrittenSum, "downFiles" | "repeatables">;

export type Draft =
  /** The schema is as the newest migration has it. */
  | { readonly kind: "nothing"; readonly newest: Tag | undefined }
  | {
      readonly kind: "unanswered";
      readonly questions: readonly Question[];
      /** What it would write if nothing had been renamed. */
      readonly statements: readonly string[];
    }
  | DraftedMigration;
