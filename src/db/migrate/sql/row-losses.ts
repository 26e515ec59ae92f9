import type { AlterTableStmt, DropStmt, Node, RangeVar } from "libpg-query";
import { quotedIfNeeded } from "../../base/quote.ts";
import { lossNotes } from "../history/down-notes.ts";
import type { Statement } from "./statements.ts";

/** A name as its parts, with the schema only where the SQL names it. */
type Path = readonly string[];

/** Something with rows that a statement takes away. */
export type RowLoss =
  | { readonly kind: "table" | "sequence" | "schema"; readonly path: Path }
  /** Values of one column; `path` is the table's. */
  | { readonly kind: "column"; readonly path: Path; readonly column: string }
  /** Rows of a table that a DELETE chooses: at most all. */
  | { readonly kind: "rows"; readonly path: Path }
  /** What no name tells: `label` is for people. */
  | { readonly kind: "unknown"; readonly label: string };

/**
 * What a down file's notes say that it loses and no statement shows: values of column users.age that do not fit
 * integer.
 *
 * @param seen what its statements take away
 */
export function notedLosses(sql: string, seen: readonly RowLoss[]): readonly RowLoss[] {
  const labels = new Set(seen.map(labelOf));
  return lossNotes(sql)
    .filter((label) => !labels.has(label))
    .map(ofNote);
}

/** Whether short names mean something else after a statement. */
export function setsSearchPath({ tree }: Statement): boolean {
  if (!("VariableSetStmt" in tree)) return false;
  const { name } = tree.VariableSetStmt;
  return name === "search_path" || name === "role" || name === "session_authorization";
}

/** The table, or the columns, that a statement makes: as `keyOf` names them. */
export function madeBy({ tree }: Statement): readonly string[] {
  if ("CreateStmt" in tree) return [keyOf(pathOfTable(tree.CreateStmt.relation))];
  if (!("AlterTableStmt" in tree)) return [];
  const { relation, cmds = [] } = tree.AlterTableStmt;
  return cmds.flatMap((command) => {
    const { subtype, def } = "AlterTableCmd" in command ? command.AlterTableCmd : {};
    if (subtype !== "AT_AddColumn" || def === undefined || !("ColumnDef" in def)) return [];
    return [keyOf([...pathOfTable(relation), def.ColumnDef.colname ?? ""])];
  });
}

/** As people say it: `column users.bio` for `public.users.bio`. */
export function labelOf(loss: RowLoss): string {
  switch (loss.kind) {
    case "column":
      return `column ${shortName([...loss.path, loss.column])}`;
    case "rows":
      return `rows of table ${shortName(loss.path)}`;
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

function shortName(path: Path): string {
  return (path[0] === "public" && path.length > 1 ? path.slice(1) : path)
    .map(quotedIfNeeded)
    .join(".");
}

/**
 * What a statement drops, truncates or deletes. What a function or a DO block does is not seen.
 */
export function rowLossesOf(tree: Node): readonly RowLoss[] {
  if ("DropStmt" in tree) return dropped(tree.DropStmt);
  if ("AlterTableStmt" in tree) return droppedColumns(tree.AlterTableStmt);
  if ("TruncateStmt" in tree) {
    return (tree.TruncateStmt.relations ?? []).flatMap((relation): readonly RowLoss[] =>
      "RangeVar" in relation ? [{ kind: "table", path: pathOfTable(relation.RangeVar) }] : [],
    );
  }
  if ("DeleteStmt" in tree) return [{ kind: "rows", path: pathOfTable(tree.DeleteStmt.relation) }];
  if ("DropOwnedStmt" in tree) return [{ kind: "unknown", label: "what DROP OWNED drops" }];
  return [];
}

function dropped({ removeType, objects = [], behavior }: DropStmt): readonly RowLoss[] {
  const paths = objects.map(pathOf);
  const kinds: Readonly<Record<string, "table" | "sequence">> = {
    OBJECT_TABLE: "table",
    OBJECT_FOREIGN_TABLE: "table",
    OBJECT_SEQUENCE: "sequence",
  };
  if (removeType === undefined) return [];
  const kind = kinds[removeType];
  if (kind !== undefined) return paths.map((path) => ({ kind, path }));
  if (behavior !== "DROP_CASCADE") return [];
  if (removeType === "OBJECT_SCHEMA") return paths.map((path) => ({ kind: "schema", path }));
  const reaches = ["OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_EXTENSION"].includes(removeType);
  return reaches
    ? paths.map((path) => ({
        kind: "unknown",
        label: `what depends on ${removeType.replace("OBJECT_", "").toLowerCase()} ${shortName(path)}`,
      }))
    : [];
}

function droppedColumns({ relation, objtype, cmds = [] }: AlterTableStmt): readonly RowLoss[] {
  return cmds.flatMap((command): readonly RowLoss[] => {
    if (!("AlterTableCmd" in command)) return [];
    const { subtype, name } = command.AlterTableCmd;
    // Of a composite type too.
    if (subtype !== "AT_DropColumn" || name === undefined) return [];
    const path = pathOfTable(relation);
    return objtype === "OBJECT_TYPE"
      ? [{ kind: "unknown", label: `attribute ${shortName([...path, name])}` }]
      : [{ kind: "column", path, column: name }];
  });
}

const VALUES = /^values of column (.+) that do not fit /;

/** A note that no statement explains. */
function ofNote(label: string): RowLoss {
  const name = VALUES.exec(label)?.[1];
  const path = name === undefined ? [] : partsOfName(name);
  const [first, second] = path;
  const column = path.at(-1);
  if (first === undefined || second === undefined || column === undefined) {
    return { kind: "unknown", label };
  }
  // A note leaves `public` out.
  return { kind: "column", path: path.length === 2 ? ["public", first] : [first, second], column };
}

/** The parts of a name as SQL writes it. */
function partsOfName(name: string): readonly string[] {
  const parts = name.match(/"(?:[^"]|"")*"|[^."]+/g) ?? [];
  return parts.map((part) =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part,
  );
}

function pathOfTable({ schemaname, relname }: RangeVar = {}): Path {
  return [schemaname, relname].filter((name) => name !== undefined);
}

function pathOf(object: Node): Path {
  if ("RangeVar" in object) return pathOfTable(object.RangeVar);
  const texts =
    "List" in object
      ? (object.List.items ?? [])
      : "TypeName" in object
        ? (object.TypeName.names ?? [])
        : [object];
  return texts.flatMap((item) => ("String" in item ? (item.String.sval ?? []) : []));
}
