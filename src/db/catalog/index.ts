import { type ComparisonWarning, compareContents, readWarnings } from "./compare.ts";
import { type CatalogContents, readContents } from "./contents.ts";
import type { Difference } from "./difference.ts";
import { type PlannedStatement, planStatements } from "./plan-statements.ts";
import { renameRole } from "./rename-role.ts";
import { withoutGranteesOf } from "./without-grantees.ts";

export { CatalogError, type CatalogErrorCode } from "./catalog-error.ts";
export type { ComparisonWarning } from "./compare.ts";
export { OWNER_OF_THE_SERVERS } from "./deltas.ts";
export {
  type Difference,
  describeDifference,
  expectedAndFound,
  type ObjectKind,
} from "./difference.ts";
export type { PlannedStatement } from "./plan-statements.ts";

const CONTENTS: unique symbol = Symbol("contents");

export interface Comparison {
  /** In the order of their names. Empty: the catalogs are the same. */
  readonly differences: readonly Difference[];
  /** On either side. A person must look. */
  readonly warnings: readonly ComparisonWarning[];
}

export interface CatalogPlan {
  /** In an order in which they run. Empty: nothing to do, or nothing that can be planned. */
  readonly statements: readonly PlannedStatement[];
  /** Differences that the statements leave as they are. */
  readonly remaining: readonly Difference[];
}

/** A database's catalog at one moment. */
export interface Catalog {
  readonly [CONTENTS]: CatalogContents;
}

export interface ReadCatalogOptions {
  readonly url: string;
  /** Schemas to leave out with everything in them: the ledger's, `drizzle`. Default: none. */
  readonly leaveOut?: readonly string[];
  /** Drops the connection, which ends the reading: `unreadable`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a database's catalog, in one read-only transaction: schemas, tables, columns, constraints,
 * indexes, triggers, policies, views, types, functions, sequences, extensions, grants, owners,
 * comments, the database's own settings. An extension's objects count as the extension. Any role
 * that may connect sees all of it, except the secrets of foreign servers.
 *
 * @throws CatalogError `config`, `connect`, `unreadable`
 */
export async function readCatalog(options: ReadCatalogOptions): Promise<Catalog> {
  const { url, leaveOut = [], signal } = options;
  return { [CONTENTS]: await readContents(url, new Set(leaveOut), signal) };
}

/** Of PostgreSQL: `18`. */
export function majorVersionOf(catalog: Catalog): number {
  return catalog[CONTENTS].majorVersion;
}

/**
 * The catalog as it would be if one role had another name: a stand-in's objects become those of the
 * role that it stands in for. Covers owners, grants, default privileges and policies, but not the
 * text of definitions.
 */
export function withRoleRenamed(catalog: Catalog, from: string, to: string): Catalog {
  return { [CONTENTS]: renameRole(catalog[CONTENTS], from, to) };
}

/** The catalog as if nothing had ever been granted to these roles, by default privileges neither. */
export function withoutGrantees(catalog: Catalog, roles: readonly string[]): Catalog {
  return { [CONTENTS]: withoutGranteesOf(catalog[CONTENTS], new Set(roles)) };
}

/**
 * Compares two catalogs, both ways; pure. Not compared: the order of columns (one that is added
 * later comes last, wherever the schema file has it) and of a type's attributes, the order and way
 * in which objects were made, names of NOT NULL constraints, the position of a sequence, an
 * extension's version, tablespaces, CLUSTER, rows, large objects, the server's roles, and the
 * comment and grants of the database itself. Owners and grants are compared by role names.
 *
 * Warnings: kinds that are compared only by name (operators, casts, text search, languages); servers
 * of two major versions, which print the same definition differently.
 */
export function compareCatalogs(expected: Catalog, found: Catalog): Comparison {
  const { modeled, others } = compareContents(expected[CONTENTS], found[CONTENTS]);
  return {
    differences: [...modeled, ...others].toSorted(byName),
    warnings: readWarnings(expected[CONTENTS], found[CONTENTS]),
  };
}

/**
 * Plans the statements that turn one catalog into the other; pure, nothing is run. It is a draft: a
 * renamed column is dropped and added, and only running it and comparing again proves that it is
 * right. Owners and grants need a role that may set them.
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
