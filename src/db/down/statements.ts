import { loadModule, type Node, parseSync } from "libpg-query";

/** The statements of a file; none where it does not parse: whoever runs it says what is wrong. */
export async function treesOf(sql: string): Promise<readonly Node[]> {
  // The binding takes neither an empty text nor one of comments alone.
  await loadModule();
  try {
    return (parseSync(`${sql}\n;select 1`).stmts ?? [])
      .flatMap(({ stmt }) => (stmt ? [stmt] : []))
      .slice(0, -1);
  } catch {
    return [];
  }
}

export interface Text {
  readonly String?: { readonly sval?: string };
}

export interface Relation {
  readonly schemaname?: string;
  readonly relname?: string;
}

export function pathOfRelation({ schemaname, relname }: Relation): readonly string[] {
  return [schemaname, relname].filter((name) => name !== undefined);
}

export function pathOfTexts(items: readonly Text[] | undefined): readonly string[] {
  return (items ?? []).flatMap(({ String: text }) => text?.sval ?? []);
}

/** Something with rows that a file drops. */
export interface Drop {
  readonly kind: "table" | "sequence" | "foreign table" | "column" | "attribute";
  /** Schema where it is written, table, column. */
  readonly path: readonly string[];
}

/** Tables, columns and sequences that a file drops, in its order; what CASCADE takes is not seen. */
export async function dropsIn(sql: string): Promise<readonly Drop[]> {
  return (await treesOf(sql)).flatMap((tree) => {
    if ("DropStmt" in tree) return dropped(tree.DropStmt as DropTree);
    if ("AlterTableStmt" in tree) return droppedColumns(tree.AlterTableStmt as AlterTree);
    return [];
  });
}

const KINDS: Readonly<Record<string, Drop["kind"]>> = {
  OBJECT_TABLE: "table",
  OBJECT_SEQUENCE: "sequence",
  OBJECT_FOREIGN_TABLE: "foreign table",
};

interface DropTree {
  readonly removeType?: string;
  readonly objects?: readonly { readonly List?: { readonly items?: readonly Text[] } }[];
}

function dropped({ removeType = "", objects = [] }: DropTree): readonly Drop[] {
  const kind = KINDS[removeType];
  if (kind === undefined) return [];
  return objects.map(({ List }) => ({ kind, path: pathOfTexts(List?.items) }));
}

interface AlterTree {
  readonly relation?: Relation;
  readonly objtype?: string;
  readonly cmds?: readonly {
    readonly AlterTableCmd?: { readonly subtype?: string; readonly name?: string };
  }[];
}

const COLUMN_KINDS: Readonly<Record<string, Drop["kind"]>> = {
  OBJECT_TABLE: "column",
  OBJECT_FOREIGN_TABLE: "column",
  OBJECT_TYPE: "attribute",
};

function droppedColumns({ relation = {}, objtype, cmds = [] }: AlterTree): readonly Drop[] {
  const kind = COLUMN_KINDS[objtype ?? ""];
  if (kind === undefined) return [];
  return cmds.flatMap(({ AlterTableCmd: command }) =>
    command?.subtype === "AT_DropColumn" && command.name !== undefined
      ? [{ kind, path: [...pathOfRelation(relation), command.name] }]
      : [],
  );
}
