import { type Path, pathOf, pathOfTable, type Readers, readNode, treesOf } from "./tree.ts";

/** Something with rows that a file drops. */
export interface Drop {
  readonly kind: "table" | "sequence" | "foreign table" | "column" | "attribute";
  /** Schema where it is written, table, column. */
  readonly path: Path;
}

/** Tables, columns and sequences that a file drops, in its order; what CASCADE drops is not seen. */
export async function dropsIn(sql: string): Promise<readonly Drop[]> {
  return (await treesOf(sql)).flatMap((tree) => readNode(tree, READERS) ?? []);
}

const KINDS: Readonly<Record<string, Drop["kind"]>> = {
  OBJECT_TABLE: "table",
  OBJECT_SEQUENCE: "sequence",
  OBJECT_FOREIGN_TABLE: "foreign table",
};

const COLUMN_KINDS: Readonly<Record<string, Drop["kind"]>> = {
  OBJECT_TABLE: "column",
  OBJECT_FOREIGN_TABLE: "column",
  OBJECT_TYPE: "attribute",
};

const READERS: Readers<readonly Drop[]> = {
  DropStmt: ({ removeType = "", objects = [] }) => {
    const kind = KINDS[removeType];
    return kind === undefined ? [] : objects.map((object) => ({ kind, path: pathOf(object) }));
  },
  AlterTableStmt: ({ relation = {}, objtype = "", cmds = [] }) => {
    const kind = COLUMN_KINDS[objtype];
    if (kind === undefined) return [];
    return cmds.flatMap((command) => {
      if (!("AlterTableCmd" in command)) return [];
      const { subtype, name } = command.AlterTableCmd;
      return subtype === "AT_DropColumn" && name !== undefined
        ? [{ kind, path: [...pathOfTable(relation), name] }]
        : [];
    });
  },
};
