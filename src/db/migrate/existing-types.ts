/** What a database holds that its ledger, which has no migration, does not account for. */
export interface Existing {
  /** Tables of drizzle's own migrator that have rows. */
  readonly drizzleTables: readonly DrizzleTable[];
  /** Undefined where there is nothing, or where it was not looked for. */
  readonly objects: ExistingObjects | undefined;
}

export interface DrizzleTable {
  readonly schema: string;
  readonly table: string;
  readonly rows: number;
  /** It is the one that the project's configuration names, or has rows of this history's files. */
  readonly isOurs: boolean;
}

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
