import type { Node } from "libpg-query";
import { pathOfRelation, pathOfTexts, type Relation, type Text, treesOf } from "./statements.ts";

/**
 * The statements that take back a file's renames and moves to another schema, the last one first. A
 * catalog only shows that one name went and another came: dropping and adding would lose the rows.
 * What is renamed inside of functions and DO blocks is not seen; functions need no such care.
 */
export async function inverseRenames(sql: string): Promise<readonly string[]> {
  return (await treesOf(sql)).flatMap((tree) => inverseOf(tree) ?? []).toReversed();
}

function inverseOf(tree: Node): string | undefined {
  if ("RenameStmt" in tree) return inverseRename(tree.RenameStmt as Rename);
  if ("AlterObjectSchemaStmt" in tree) return inverseMove(tree.AlterObjectSchemaStmt as Move);
  if (!("AlterEnumStmt" in tree)) return undefined;
  const { typeName, oldVal, newVal } = tree.AlterEnumStmt as EnumChange;
  if (oldVal === undefined || newVal === undefined) return undefined;
  return `ALTER TYPE ${nameOf(typeName)} RENAME VALUE ${literal(newVal)} TO ${literal(oldVal)}`;
}

interface Target {
  readonly relation?: Relation;
  readonly object?: { readonly List?: { readonly items?: readonly Text[] } };
}

interface Rename extends Target {
  readonly renameType: string;
  readonly relationType: string;
  readonly subname?: string;
  readonly newname: string;
}

interface Move extends Target {
  readonly objectType: string;
  readonly newschema: string;
}

interface EnumChange {
  readonly typeName?: readonly Text[];
  readonly oldVal?: string;
  readonly newVal?: string;
}

/** What has a name of its own, as ALTER calls it. */
const OBJECTS: Readonly<Record<string, string>> = {
  OBJECT_TABLE: "TABLE",
  OBJECT_FOREIGN_TABLE: "FOREIGN TABLE",
  OBJECT_VIEW: "VIEW",
  OBJECT_MATVIEW: "MATERIALIZED VIEW",
  OBJECT_INDEX: "INDEX",
  OBJECT_SEQUENCE: "SEQUENCE",
  OBJECT_TYPE: "TYPE",
  OBJECT_DOMAIN: "DOMAIN",
};

/** What has its name within another. */
const PARTS: Readonly<Record<string, string>> = {
  OBJECT_COLUMN: "COLUMN",
  OBJECT_ATTRIBUTE: "ATTRIBUTE",
  OBJECT_TABCONSTRAINT: "CONSTRAINT",
  OBJECT_DOMCONSTRAINT: "CONSTRAINT",
};

function inverseRename(rename: Rename): string | undefined {
  const { renameType, relationType, subname = "", newname } = rename;
  const to = `RENAME TO ${identifier(subname)}`;
  if (renameType === "OBJECT_SCHEMA") return `ALTER SCHEMA ${identifier(newname)} ${to}`;
  if (renameType === "OBJECT_ROLE") return `ALTER ROLE ${identifier(newname)} ${to}`;
  const path = pathOf(rename);
  const whole = path.map(identifier).join(".");
  if (renameType === "OBJECT_POLICY" || renameType === "OBJECT_TRIGGER") {
    return `ALTER ${renameType.slice("OBJECT_".length)} ${identifier(newname)} ON ${whole} ${to}`;
  }
  const part = PARTS[renameType];
  if (part !== undefined) {
    const object =
      renameType === "OBJECT_DOMCONSTRAINT" ? "DOMAIN" : (OBJECTS[relationType] ?? "TABLE");
    return `ALTER ${object} ${whole} RENAME ${part} ${identifier(newname)} TO ${identifier(subname)}`;
  }
  const object = OBJECTS[renameType];
  const old = path.at(-1);
  if (object === undefined || old === undefined) return undefined;
  const renamed = [...path.slice(0, -1), newname].map(identifier).join(".");
  return `ALTER ${object} ${renamed} RENAME TO ${identifier(old)}`;
}

function inverseMove(move: Move): string | undefined {
  const object = OBJECTS[move.objectType];
  const path = pathOf(move);
  const name = path.at(-1);
  if (object === undefined || name === undefined) return undefined;
  // One without a schema was found on the search path, which begins there by default.
  const from = path.length > 1 ? (path[0] ?? "public") : "public";
  const moved = [move.newschema, name].map(identifier).join(".");
  return `ALTER ${object} ${moved} SET SCHEMA ${identifier(from)}`;
}

function pathOf({ relation, object }: Target): readonly string[] {
  return relation ? pathOfRelation(relation) : pathOfTexts(object?.List?.items);
}

function nameOf(items: readonly Text[] | undefined): string {
  return pathOfTexts(items).map(identifier).join(".");
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
