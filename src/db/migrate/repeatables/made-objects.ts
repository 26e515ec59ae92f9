import type { FunctionParameter, Node, TypeName } from "libpg-query";
import { identifier } from "../../base/quote.ts";
import type { MadeObject, SqlName } from "../repeatable-types.ts";
import { nameOfObject, nameOfRange, namesOf } from "./sql-names.ts";

/** What a statement makes. */
export function madeBy(tree: Node): readonly MadeObject[] {
  if ("ViewStmt" in tree) return relation(tree.ViewStmt.view && nameOfRange(tree.ViewStmt.view));
  if ("CreateTableAsStmt" in tree) {
    const { into } = tree.CreateTableAsStmt;
    return relation(into?.rel && nameOfRange(into.rel));
  }
  if ("CreateStmt" in tree) {
    return relation(tree.CreateStmt.relation && nameOfRange(tree.CreateStmt.relation));
  }
  if ("IndexStmt" in tree) {
    const { idxname, relation: table } = tree.IndexStmt;
    if (table === undefined) return [];
    const path = nameOfRange(table);
    if (idxname === undefined) return [{ kind: "indexes", table: path }];
    return relation([...path.slice(0, -1), idxname]);
  }
  if ("CreateFunctionStmt" in tree) {
    const { funcname, parameters } = tree.CreateFunctionStmt;
    return [{ kind: "routine", name: namesOf(funcname), args: inputTypes(parameters) }];
  }
  if ("CreateTrigStmt" in tree) {
    const { trigname, relation: table } = tree.CreateTrigStmt;
    if (trigname === undefined || table === undefined) return [];
    return [{ kind: "trigger", name: trigname, table: nameOfRange(table) }];
  }
  if ("CreatePolicyStmt" in tree) {
    const { policy_name, table } = tree.CreatePolicyStmt;
    if (policy_name === undefined || table === undefined) return [];
    return [{ kind: "policy", name: policy_name, table: nameOfRange(table) }];
  }
  return [];
}

const RELATIONS: ReadonlySet<string | undefined> = new Set(["OBJECT_VIEW", "OBJECT_MATVIEW"]);
const ROUTINES: ReadonlySet<string | undefined> = new Set([
  "OBJECT_FUNCTION",
  "OBJECT_PROCEDURE",
  "OBJECT_ROUTINE",
]);

/** The views and routines that a statement drops. */
export function droppedBy(tree: Node): readonly MadeObject[] {
  if (!("DropStmt" in tree)) return [];
  const { removeType, objects = [] } = tree.DropStmt;
  if (RELATIONS.has(removeType)) return objects.flatMap((item) => relation(nameOfObject(item)));
  if (!ROUTINES.has(removeType)) return [];
  return objects.flatMap((item) => {
    if (!("ObjectWithArgs" in item)) return [];
    const { objname, objargs = [], args_unspecified } = item.ObjectWithArgs;
    const types = objargs.flatMap((arg) => ("TypeName" in arg ? typeText(arg.TypeName) : []));
    return [
      { kind: "routine", name: namesOf(objname), args: args_unspecified ? undefined : types },
    ];
  });
}

/** As messages name it. */
export function labelOf(made: MadeObject): string {
  switch (made.kind) {
    case "relation":
      return made.name.join(".");
    case "routine":
      return `${made.name.join(".")}(${(made.args ?? []).join(", ")})`;
    case "indexes":
      return `the indexes of ${made.table.join(".")}`;
    default:
      return `${made.kind} ${made.name} on ${made.table.join(".")}`;
  }
}

function relation(name: SqlName | undefined): readonly MadeObject[] {
  return name === undefined || name.length === 0 ? [] : [{ kind: "relation", name }];
}

const NO_INPUT: ReadonlySet<string | undefined> = new Set(["FUNC_PARAM_OUT", "FUNC_PARAM_TABLE"]);

function inputTypes(parameters: readonly Node[] = []): readonly string[] {
  return parameters
    .flatMap((node): FunctionParameter[] =>
      "FunctionParameter" in node ? [node.FunctionParameter] : [],
    )
    .filter(({ mode }) => !NO_INPUT.has(mode))
    .flatMap(({ argType }) => (argType === undefined ? [] : typeText(argType)));
}

/** A type as SQL. */
function typeText({ names, arrayBounds = [] }: TypeName): string {
  const array = arrayBounds.length > 0 ? "[]" : "";
  return `${namesOf(names).map(identifier).join(".")}${array}`;
}
