import type { StableId } from "@supabase/pg-delta/core";
import { quotedIfNeeded } from "../base/quote.ts";
import type { ObjectKind } from "./types.ts";

/** An object's identity, outermost name first: `["public", "users", "name"]`. */
export type Path = readonly string[];

const KIND_WORDS: Readonly<Record<string, ObjectKind>> = {
  materializedView: "materialized view",
  foreignTable: "foreign table",
  eventTrigger: "event trigger",
  userMapping: "user mapping",
  typeAttribute: "type attribute",
  publicationRel: "published table",
  publicationSchema: "published schema",
  defaultPrivilege: "default privileges",
  securityLabel: "security label",
  fdw: "foreign data wrapper",
};

export function kindOf(id: StableId): ObjectKind {
  return KIND_WORDS[id.kind] ?? id.kind;
}

/** A path as SQL writes it. */
export function formatPath(path: Path): string {
  return path.map(quotedIfNeeded).join(".");
}

export function nameOf(id: StableId): string {
  switch (id.kind) {
    case "function":
    case "procedure":
    case "aggregate":
      return `${formatPath([id.schema, id.name])}(${id.args.join(", ")})`;
    case "defaultPrivilege": {
      const where = id.schema === null ? "" : ` in schema ${formatPath([id.schema])}`;
      return `for ${formatPath([id.role])}${where} on ${DEFAULT_OF[id.objtype] ?? id.objtype}`;
    }
    case "publicationRel":
      return `${formatPath([id.schema, id.table])} of ${formatPath([id.publication])}`;
    case "publicationSchema":
      return `${formatPath([id.schema])} of ${formatPath([id.publication])}`;
    case "userMapping":
      return `for ${formatPath([id.role])} on ${formatPath([id.server])}`;
    default:
      return formatPath(pathOf(id));
  }
}

const DEFAULT_OF: Readonly<Record<string, string>> = {
  r: "tables",
  S: "sequences",
  f: "functions",
  T: "types",
  n: "schemas",
  L: "large objects",
};

/** Where it is. Of what belongs to another object (comment, grant): that object's path. */
export function pathOf(id: StableId): Path {
  switch (id.kind) {
    case "comment":
    case "securityLabel":
      return pathOf(id.target);
    case "acl":
      return id.column === undefined ? pathOf(id.target) : [...pathOf(id.target), id.column];
    case "function":
    case "procedure":
    case "aggregate":
      return [id.schema, `${id.name}(${id.args.join(", ")})`];
    case "typeAttribute":
      return [id.schema, id.type, id.name];
    case "publicationRel":
      return [id.publication, id.schema, id.table];
    case "publicationSchema":
      return [id.publication, id.schema];
    case "userMapping":
      return [id.server, id.role];
    case "membership":
      return [id.role, id.member];
    case "defaultPrivilege":
      return [id.schema ?? "", id.role, id.objtype];
    case "extensionIntent":
      return [id.ext, id.intentKind, id.key];
    default:
      if ("table" in id) return [id.schema, id.table, id.name];
      return "schema" in id ? [id.schema, id.name] : [id.name];
  }
}

/** What an object lies in, outermost first: its schema, and the table that an index or a column is of. */
export function withinOf(id: StableId, parent: StableId | undefined): readonly string[] {
  const schema = id.kind === "schema" ? undefined : schemaOf(id);
  const path = pathOf(id);
  const holders: readonly Path[] = [
    ...(schema === undefined ? [] : [[schema]]),
    ...(parent === undefined ? [] : [pathOf(parent)]),
    // Of a constraint, trigger, policy, column, attribute: the table or type.
    ...(schema === undefined || "args" in id ? [] : [path.slice(0, 2)]),
    ...("table" in id && id.schema !== null ? [[id.schema, id.table]] : []),
  ];
  const self = formatPath(path);
  return [...new Set(holders.map(formatPath))].filter((name) => name !== self);
}

/** The schema that it lies in, or is. */
export function schemaOf(id: StableId): string | undefined {
  if (id.kind === "schema") return id.name;
  if ("target" in id) return schemaOf(id.target);
  return "schema" in id && id.schema !== null ? id.schema : undefined;
}
