import type { Node, RangeVar } from "libpg-query";
import { identifier, literal } from "../base/quote.ts";
import {
  type Path,
  pathOf,
  pathOfTable,
  pathOfTexts,
  type Readers,
  readNode,
  treesOf,
} from "./tree.ts";

/**
 * The statements that undo a file's renames and its moves to other schemas, the last one first. A
 * catalog only shows that one name went and another came: dropping and adding would lose the rows.
 * Renames inside functions and DO blocks are not seen; those of functions need no such care.
 */
export async function inverseRenames(sql: string): Promise<readonly string[]> {
  return (await treesOf(sql)).flatMap((tree) => readNode(tree, INVERSES) ?? []).toReversed();
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

/** What is named alone, or on a table. */
const WHOLES: Readonly<Record<string, string>> = {
  OBJECT_SCHEMA: "SCHEMA",
  OBJECT_ROLE: "ROLE",
  OBJECT_POLICY: "POLICY",
  OBJECT_TRIGGER: "TRIGGER",
};

const INVERSES: Readers<string | undefined> = {
  RenameStmt: ({ renameType = "", relationType = "", subname = "", newname = "", ...target }) => {
    const path = targetOf(target);
    const [old, now] = [identifier(subname), identifier(newname)];
    const whole = WHOLES[renameType];
    if (whole !== undefined) {
      const on = path.length === 0 ? "" : ` ON ${sqlName(path)}`;
      return `ALTER ${whole} ${now}${on} RENAME TO ${old}`;
    }
    const part = PARTS[renameType];
    if (part !== undefined) {
      const owner = renameType === "OBJECT_DOMCONSTRAINT" ? "OBJECT_DOMAIN" : relationType;
      return `ALTER ${OBJECTS[owner] ?? "TABLE"} ${sqlName(path)} RENAME ${part} ${now} TO ${old}`;
    }
    const [object, name] = [OBJECTS[renameType], path.at(-1)];
    if (object === undefined || name === undefined) return undefined;
    const renamed = sqlName([...path.slice(0, -1), newname]);
    return `ALTER ${object} ${renamed} RENAME TO ${identifier(name)}`;
  },
  AlterObjectSchemaStmt: ({ objectType = "", newschema = "", ...target }) => {
    const path = targetOf(target);
    const [object, name] = [OBJECTS[objectType], path.at(-1)];
    if (object === undefined || name === undefined) return undefined;
    // One without a schema was found on the search path, which begins at public by default.
    const from = path.length > 1 ? (path[0] ?? "public") : "public";
    return `ALTER ${object} ${sqlName([newschema, name])} SET SCHEMA ${identifier(from)}`;
  },
  AlterEnumStmt: ({ typeName, oldVal, newVal }) =>
    oldVal === undefined || newVal === undefined
      ? undefined
      : `ALTER TYPE ${sqlName(pathOfTexts(typeName))} RENAME VALUE ${literal(newVal)} TO ${literal(oldVal)}`,
};

function targetOf({ relation, object }: { relation?: RangeVar; object?: Node }): Path {
  return relation ? pathOfTable(relation) : pathOf(object);
}

function sqlName(path: Path): string {
  return path.map(identifier).join(".");
}
