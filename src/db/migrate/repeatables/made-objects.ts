import type { FunctionParameter, Node, RangeVar, TypeName } from "libpg-query";
import { identifier } from "../../base/quote.ts";
import type { ArgumentType, MadeObject } from "../repeatable-types.ts";
import { nameOfObject, nameOfRange, namesOf } from "./sql-names.ts";

/** What a statement makes that stays: nothing temporary. Its names are as the statement has them. */
export function madeBy(tree: Node): readonly MadeObject[] {
  if ("ViewStmt" in tree) return relation(tree.ViewStmt.view, "view");
  if ("CreateTableAsStmt" in tree) {
    const { into, objtype } = tree.CreateTableAsStmt;
    return relation(into?.rel, objtype === "OBJECT_MATVIEW" ? "view" : "table");
  }
  if ("CreateStmt" in tree) return relation(tree.CreateStmt.relation, "table");
  if ("IndexStmt" in tree) {
    const { idxname, relation: table } = tree.IndexStmt;
    if (idxname !== undefined) return onTable("index", idxname, table);
    return table === undefined ? [] : [{ kind: "indexes", table: nameOfRange(table) }];
  }
  if ("CreateFunctionStmt" in tree) {
    const { funcname, parameters } = tree.CreateFunctionStmt;
    return [{ kind: "routine", name: namesOf(funcname), args: inputTypes(parameters) }];
  }
  if ("CreateTrigStmt" in tree) {
    const { trigname, relation: table } = tree.CreateTrigStmt;
    return onTable("trigger", trigname, table);
  }
  if ("CreatePolicyStmt" in tree) {
    const { policy_name, table } = tree.CreatePolicyStmt;
    return onTable("policy", policy_name, table);
  }
  if ("RuleStmt" in tree) {
    const { rulename, relation: table } = tree.RuleStmt;
    return onTable("rule", rulename, table);
  }
  // A table's default is no object of its own: it goes with its column.
  if ("AlterTableStmt" in tree && tree.AlterTableStmt.objtype === "OBJECT_VIEW") {
    const { relation: table, cmds = [] } = tree.AlterTableStmt;
    return cmds.flatMap((item) => {
      const command = "AlterTableCmd" in item ? item.AlterTableCmd : undefined;
      const isDefault = command?.subtype === "AT_ColumnDefault" && command.def !== undefined;
      return isDefault ? onTable("default", command.name, table) : [];
    });
  }
  return [];
}

const RELATIONS: ReadonlyMap<string | undefined, "view" | "table"> = new Map([
  ["OBJECT_VIEW", "view"],
  ["OBJECT_MATVIEW", "view"],
  ["OBJECT_TABLE", "table"],
  ["OBJECT_FOREIGN_TABLE", "table"],
]);
const ROUTINES: ReadonlySet<string | undefined> = new Set([
  "OBJECT_FUNCTION",
  "OBJECT_PROCEDURE",
  "OBJECT_ROUTINE",
]);

/** The views, tables and routines that a statement drops, renames or moves to another schema. */
export function droppedBy(tree: Node): readonly MadeObject[] {
  if ("DropStmt" in tree) {
    const { removeType, objects = [] } = tree.DropStmt;
    const form = RELATIONS.get(removeType);
    if (form !== undefined) {
      return objects.map((item) => ({ kind: "relation", name: nameOfObject(item), form }));
    }
    return ROUTINES.has(removeType) ? objects.flatMap(routine) : [];
  }
  const moved =
    "RenameStmt" in tree
      ? { ...tree.RenameStmt, type: tree.RenameStmt.renameType }
      : "AlterObjectSchemaStmt" in tree
        ? { ...tree.AlterObjectSchemaStmt, type: tree.AlterObjectSchemaStmt.objectType }
        : undefined;
  if (moved === undefined) return [];
  if (ROUTINES.has(moved.type) && moved.object !== undefined) return routine(moved.object);
  return RELATIONS.has(moved.type) ? relation(moved.relation, RELATIONS.get(moved.type)) : [];
}

/** As messages name it. */
export function labelOf(made: MadeObject): string {
  const { kind } = made;
  if (kind === "relation") return made.name.join(".");
  if (kind === "routine") {
    const args = made.args?.map((type) =>
      typeof type === "string" ? type : `${type.column.join(".")}%type`,
    );
    return `${made.name.join(".")}(${(args ?? []).join(", ")})`;
  }
  const table = [...(made.within ?? []).slice(0, made.table.length > 1 ? 0 : 1), ...made.table];
  if (kind === "indexes") return `the indexes of ${table.join(".")}`;
  return `${kind} ${made.name} on ${table.join(".")}`;
}

function relation(
  range: RangeVar | undefined,
  form: "view" | "table" | undefined,
): readonly MadeObject[] {
  if (range === undefined || form === undefined || range.relpersistence === "t") return [];
  return [{ kind: "relation", name: nameOfRange(range), form }];
}

function onTable(
  kind: "trigger" | "policy" | "rule" | "index" | "default",
  name: string | undefined,
  table: RangeVar | undefined,
): readonly MadeObject[] {
  if (name === undefined || table === undefined) return [];
  return [{ kind, name, table: nameOfRange(table) }];
}

function routine(item: Node): readonly MadeObject[] {
  if (!("ObjectWithArgs" in item)) return [];
  const { objname, objargs = [], args_unspecified } = item.ObjectWithArgs;
  const args = objargs.flatMap((arg) => ("TypeName" in arg ? [typeOf(arg.TypeName)] : []));
  return [{ kind: "routine", name: namesOf(objname), ...(args_unspecified !== true && { args }) }];
}

const NO_INPUT: ReadonlySet<string | undefined> = new Set(["FUNC_PARAM_OUT", "FUNC_PARAM_TABLE"]);

function inputTypes(parameters: readonly Node[] = []): readonly ArgumentType[] {
  return parameters
    .flatMap((node): FunctionParameter[] =>
      "FunctionParameter" in node ? [node.FunctionParameter] : [],
    )
    .filter(({ mode }) => !NO_INPUT.has(mode))
    .flatMap(({ argType }) => (argType === undefined ? [] : [typeOf(argType)]));
}

function typeOf({ names, arrayBounds = [], pct_type }: TypeName): ArgumentType {
  if (pct_type === true) return { column: namesOf(names) };
  const array = arrayBounds.length > 0 ? "[]" : "";
  return `${namesOf(names).map(identifier).join(".")}${array}`;
}
