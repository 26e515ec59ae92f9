import type { AlterTableStmt, DropStmt, Node } from "libpg-query";
import { lossNotes } from "../history/down-notes.ts";
import {
  keyOf,
  labelOf,
  pathOf,
  pathOfTable,
  type ReachingCatalog,
  type RowLoss,
  shortName,
} from "./loss-label.ts";
import { calls, lossyWritesOf } from "./lossy-writes.ts";
import { decidesNames } from "./made-settings.ts";
import type { Statement } from "./statements.ts";

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
    .map(ofNote)
    .filter((loss) => !labels.has(labelOf(loss)));
}

/** Whether short names may mean something else after a statement. */
export function setsSearchPath(statement: Statement): boolean {
  return decidesNames(statement) || calls(statement.tree, "set_config");
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

/** Names that stand for other rows after a statement than in the database as it is now. */
export function renamedBy({ tree }: Statement): readonly string[] {
  if ("RenameStmt" in tree) return [tree.RenameStmt.newname ?? ""];
  if ("AlterObjectSchemaStmt" in tree) return pathOfTable(tree.AlterObjectSchemaStmt.relation);
  if (!("AlterTableStmt" in tree)) return [];
  const { relation, cmds = [] } = tree.AlterTableStmt;
  return cmds.flatMap((command) => {
    const { subtype, def } = "AlterTableCmd" in command ? command.AlterTableCmd : {};
    if (subtype === "AT_AttachPartition") return pathOfTable(relation).slice(-1);
    return subtype === "AT_AddInherit" && def && "RangeVar" in def ? pathOf(def).slice(-1) : [];
  });
}

/**
 * What a statement drops, truncates, deletes or overwrites. What a function or a DO block does is not known.
 */
export function rowLossesOf(tree: Node): readonly RowLoss[] {
  if ("DropStmt" in tree) return dropped(tree.DropStmt);
  if ("AlterTableStmt" in tree) return changedColumns(tree.AlterTableStmt);
  if ("TruncateStmt" in tree) {
    const { relations = [], behavior } = tree.TruncateStmt;
    const cascade = behavior === "DROP_CASCADE" ? { cascade: "truncate" as const } : {};
    return relations.map((relation) => ({ kind: "table", path: pathOf(relation), ...cascade }));
  }
  if ("DropOwnedStmt" in tree) return [{ kind: "unknown", label: "what DROP OWNED drops" }];
  return lossyWritesOf(tree);
}

/** What else goes with a drop that cascades; the tables of an extension go without that. */
const REACHING: Readonly<Record<string, ReachingCatalog>> = {
  OBJECT_TABLE: "pg_class",
  OBJECT_FOREIGN_TABLE: "pg_class",
  OBJECT_VIEW: "pg_class",
  OBJECT_MATVIEW: "pg_class",
  OBJECT_TYPE: "pg_type",
  OBJECT_DOMAIN: "pg_type",
  OBJECT_SCHEMA: "pg_namespace",
  OBJECT_EXTENSION: "pg_extension",
  OBJECT_FUNCTION: "pg_proc",
  OBJECT_PROCEDURE: "pg_proc",
  OBJECT_ROUTINE: "pg_proc",
  OBJECT_AGGREGATE: "pg_proc",
  OBJECT_COLLATION: "pg_collation",
  OBJECT_ACCESS_METHOD: "pg_am",
  OBJECT_LANGUAGE: "pg_language",
  OBJECT_OPCLASS: "pg_opclass",
  OBJECT_OPFAMILY: "pg_opfamily",
  OBJECT_OPERATOR: "pg_operator",
  OBJECT_FDW: "pg_foreign_data_wrapper",
  OBJECT_FOREIGN_SERVER: "pg_foreign_server",
};

const HOLDING: Readonly<Record<string, "table" | "sequence">> = {
  OBJECT_TABLE: "table",
  OBJECT_FOREIGN_TABLE: "table",
  OBJECT_SEQUENCE: "sequence",
};

function dropped({ removeType, objects = [], behavior }: DropStmt): readonly RowLoss[] {
  if (removeType === undefined) return [];
  const kind = HOLDING[removeType];
  const catalog = REACHING[removeType];
  const isReaching = behavior === "DROP_CASCADE" || removeType === "OBJECT_EXTENSION";
  return objects
    .map(pathOf)
    .flatMap((path): readonly RowLoss[] => [
      ...(kind === undefined ? [] : [{ kind, path }]),
      ...(catalog === undefined || !isReaching
        ? []
        : [{ kind: "reached", catalog, path } as const]),
    ]);
}

function changedColumns({ relation, objtype, cmds = [] }: AlterTableStmt): readonly RowLoss[] {
  const path = pathOfTable(relation);
  return cmds.flatMap((command): readonly RowLoss[] => {
    if (!("AlterTableCmd" in command)) return [];
    const { subtype, name } = command.AlterTableCmd;
    const kind = subtype === "AT_DropColumn" ? "column" : "values";
    const isLosing = subtype === "AT_DropColumn" || subtype === "AT_AlterColumnType";
    if (!isLosing || name === undefined) return [];
    // Of a composite type too.
    if (objtype !== "OBJECT_TYPE") return [{ kind, path, column: name }];
    const label = `${kind === "values" ? "values of " : ""}attribute ${shortName([...path, name])}`;
    return [{ kind: "unknown", label }];
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
  return { kind: "values", path: path.length === 2 ? ["public", first] : [first, second], column };
}

/** The parts of a name as SQL writes it. */
function partsOfName(name: string): readonly string[] {
  const parts = name.match(/"(?:[^"]|"")*"|[^."]+/g) ?? [];
  return parts.map((part) =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part,
  );
}
