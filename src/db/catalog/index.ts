import { compareContents } from "./compare.ts";
import { planStatements } from "./plan.ts";
import { type CatalogContents, readContents } from "./read.ts";
import { renameRole } from "./rename-role.ts";
import type { CatalogPlan, Comparison, Difference } from "./types.ts";
import { readWarnings } from "./warnings.ts";

export { describeDifference, expectedAndFound } from "./describe.ts";
export { CatalogError, type CatalogErrorCode } from "./errors.ts";
export type {
  CatalogPlan,
  Comparison,
  ComparisonWarning,
  Difference,
  ObjectKind,
  PlannedStatement,
} from "./types.ts";

const CONTENTS: unique symbol = Symbol("contents");

/** A database's catalog at one moment. */
export interface Catalog {
  readonly [CONTENTS]: CatalogContents;
}

export interface ReadCatalogOptions {
  readonly url: string;
  /** Schemas to leave out, with all that lies in them: the ledger's, `drizzle`. Default: none. */
  readonly leaveOut?: readonly string[];
  /** Drops the connection, and with it the reading: `unreadable`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a database's catalog, in one read-only transaction: schemas, tables, columns, constraints,
 * indexes, triggers, policies, views, types, functions, sequences, extensions, grants, owners,
 * comments, the database's own settings. What an extension made is the extension's. Any role that
 * may connect sees all of it, save the secrets of foreign servers.
 *
 * @throws CatalogError `config`, `connect`, `unreadable`
 */
export async function readCatalog(options: ReadCatalogOptions): Promise<Catalog> {
  const { url, leaveOut = [], signal } = options;
  return { [CONTENTS]: await readContents(url, new Set(leaveOut), signal) };
}

/**
 * The catalog as it were, had one role another name: what a stand-in made, as made by whom it stands
 * in for. Owners, grants, default privileges and policies; not what a definition says in its text.
 */
export function withRoleRenamed(catalog: Catalog, from: string, to: string): Catalog {
  return { [CONTENTS]: renameRole(catalog[CONTENTS], from, to) };
}

/**
 * Compares two catalogs, both ways; pure. No difference: the order of columns (one that is added
 * later is the last, wherever the schema file has it) and of a type's attributes, in which order and
 * how anything was made, names of NOT NULL constraints, where a sequence stands, an extension's
 * version, tablespaces, CLUSTER, rows, large objects, the server's roles, and the comment and grants
 * of the database itself. Owners and grants are compared by the roles' names.
 *
 * A warning: kinds that are known by name alone (operators, casts, text search, languages) and are
 * compared by it; servers of two major versions, which write the same definition differently.
 */
export function compareCatalogs(expected: Catalog, found: Catalog): Comparison {
  const { modeled, others } = compareContents(expected[CONTENTS], found[CONTENTS]);
  return {
    differences: [...modeled, ...others].toSorted(byName),
    warnings: readWarnings(expected[CONTENTS], found[CONTENTS]),
  };
}

/**
 * Plans the statements that make one catalog the other; pure, nothing is run. A draft: a column
 * that was renamed is dropped and added, and whether it all holds is proven by running it and
 * comparing again. Owners and grants need a role that may set them.
 *
 * @throws CatalogError `not_plannable`
 */
export function planCatalog(from: Catalog, to: Catalog): CatalogPlan {
  return {
    statements: planStatements(from[CONTENTS], to[CONTENTS]),
    remaining: compareContents(to[CONTENTS], from[CONTENTS]).others.toSorted(byName),
  };
}

function byName(a: Difference, b: Difference): number {
  return compareText(a.name, b.name) || compareText(a.kind, b.kind);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
