import type { Node, RangeVar } from "libpg-query";
import { quotedIfNeeded } from "../../base/quote.ts";

/** A name as its parts, with the schema only where the SQL names it. */
export type Path = readonly string[];

/** Catalogs of the objects whose drop reaches others. */
export type ReachingCatalog =
  | "pg_type"
  | "pg_namespace"
  | "pg_extension"
  | "pg_class"
  | "pg_proc"
  | "pg_collation"
  | "pg_am"
  | "pg_language"
  | "pg_opclass"
  | "pg_opfamily"
  | "pg_operator"
  | "pg_foreign_data_wrapper"
  | "pg_foreign_server";

/** Something with rows that a statement takes away. */
export type RowLoss =
  | { readonly kind: "sequence"; readonly path: Path }
  /** `cascade`: what refers to it is emptied too. */
  | { readonly kind: "table"; readonly path: Path; readonly cascade?: "truncate" }
  /** One column, or what it holds; `path` is the table's. */
  | { readonly kind: "column" | "values"; readonly path: Path; readonly column: string }
  /** Rows of a table that a DELETE chooses: at most all. */
  | { readonly kind: "rows"; readonly path: Path }
  /** Tables and columns that go with what is dropped. */
  | { readonly kind: "reached"; readonly catalog: ReachingCatalog; readonly path: Path }
  /** What a function does, if it may do anything. */
  | { readonly kind: "call"; readonly path: Path }
  /** What no name tells: `label` is for people. */
  | { readonly kind: "unknown"; readonly label: string };

/** As people say it: `column users.bio` for `public.users.bio`. */
export function labelOf(loss: RowLoss): string {
  switch (loss.kind) {
    case "column":
      return `column ${shortName([...loss.path, loss.column])}`;
    case "values":
      return `values of column ${shortName([...loss.path, loss.column])}`;
    case "rows":
      return `rows of table ${shortName(loss.path)}`;
    case "reached":
      return `what goes with ${shortName(loss.path)}`;
    case "call":
      return `what the function ${shortName(loss.path)} does`;
    case "unknown":
      return loss.label;
    default:
      return `${loss.kind} ${shortName(loss.path)}`;
  }
}

/** Tells names apart; a name without a schema is found on the search path, which begins at `public`. */
export function keyOf(path: Path): string {
  return JSON.stringify(path[0] === "public" ? path.slice(1) : path);
}

export function shortName(path: Path): string {
  return (path[0] === "public" && path.length > 1 ? path.slice(1) : path)
    .map(quotedIfNeeded)
    .join(".");
}

export function pathOfTable({ schemaname, relname }: RangeVar = {}): Path {
  return [schemaname, relname].filter((name) => name !== undefined);
}

/** The name of an object, in any of the forms in which statements hold one. */
export function pathOf(object: Node): Path {
  if ("RangeVar" in object) return pathOfTable(object.RangeVar);
  if ("ObjectWithArgs" in object) return textsOf(object.ObjectWithArgs.objname);
  if ("List" in object) return textsOf(object.List.items);
  return "TypeName" in object ? textsOf(object.TypeName.names) : textsOf([object]);
}

export function textsOf(items: readonly Node[] = []): Path {
  return items.flatMap((item) => ("String" in item ? (item.String.sval ?? []) : []));
}
