import type { Node } from "libpg-query";
import type { MadeObject, SqlName } from "../repeatable-types.ts";
import { nameOfRange, namesOf } from "./sql-names.ts";

/** The name of something that has a space of names of its own: a schema, a role, an operator. */
export function nameWithin(
  space: "schema" | "role" | "operator" | "all of" | "extension",
  name: SqlName,
): SqlName {
  return [...name.slice(0, -1), `${space} ${name.at(-1) ?? ""}`];
}

/** What a file with `create extension` gives: nobody knows what is in it. */
export const EXTENSION = nameWithin("extension", [""]);

/** Whether it is the name of a schema or a role: files make them only where they are not there. */
export function mayBeThere(name: SqlName): boolean {
  return /^(?:schema|role) /.test(name.at(-1) ?? "");
}

/** The names that a statement gives to others, beside those of what it makes that is looked for later. */
export function givenBy(tree: Node): readonly SqlName[] {
  if ("CreateSchemaStmt" in tree) {
    const { schemaname, authrole } = tree.CreateSchemaStmt;
    return [nameWithin("schema", [schemaname ?? authrole?.rolename ?? ""])];
  }
  if ("CreateRoleStmt" in tree) return [nameWithin("role", [tree.CreateRoleStmt.role ?? ""])];
  if ("CreateExtensionStmt" in tree) return [EXTENSION];
  if ("CreateDomainStmt" in tree) return [namesOf(tree.CreateDomainStmt.domainname)];
  if ("CreateEnumStmt" in tree) return [namesOf(tree.CreateEnumStmt.typeName)];
  if ("CreateRangeStmt" in tree) return [namesOf(tree.CreateRangeStmt.typeName)];
  const range =
    "CompositeTypeStmt" in tree
      ? tree.CompositeTypeStmt.typevar
      : "CreateSeqStmt" in tree
        ? tree.CreateSeqStmt.sequence
        : undefined;
  if (range !== undefined) return [nameOfRange(range)];
  if (!("DefineStmt" in tree)) return [];
  const { kind, defnames } = tree.DefineStmt;
  const name = namesOf(defnames);
  return [kind === "OBJECT_OPERATOR" ? nameWithin("operator", name) : name];
}

/** The names by which others may use an object. */
export function namesOfMade(made: MadeObject): readonly SqlName[] {
  if (made.kind !== "relation" && made.kind !== "routine") return [];
  const schema = made.name.length > 1 ? made.name.at(-2) : undefined;
  return [made.name, nameWithin("all of", [schema ?? "public"])];
}
