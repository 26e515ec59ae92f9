import type { Node } from "libpg-query";
import type { MadeObject, SqlName } from "../repeatable-types.ts";
import { droppedBy, labelOf, madeBy } from "./made-objects.ts";

/** What the statements of a file make and drop, a list for each. */
export interface FileObjects {
  /** Without what a later statement drops again. */
  readonly makesBy: readonly (readonly MadeObject[])[];
  readonly dropsBy: readonly (readonly MadeObject[])[];
}

/** Pure: what a file makes, in the schemas that its `set search_path` names, and under the names that it has in the end. */
export function objectsOf(trees: readonly Node[]): FileObjects {
  const makesBy: (readonly MadeObject[])[] = [];
  const dropsBy: (readonly MadeObject[])[] = [];
  let path: readonly string[] | undefined;
  for (const tree of trees) {
    path = pathAfter(tree, path);
    const at = path;
    const dropped = droppedBy(tree).map((object) => found(object, at));
    const gone = new Set(dropped.flatMap(labels));
    const before = makesBy.flat().filter((made) => labels(made).some((label) => gone.has(label)));
    for (const [i, list] of makesBy.entries()) {
      makesBy[i] = list.filter((made) => !before.includes(made));
    }
    const isMove = !("DropStmt" in tree);
    const moved = isMove ? before.flatMap((made) => movedBy(tree, made)) : [];
    makesBy.push([...madeBy(tree).map((made) => placed(made, at)), ...moved]);
    dropsBy.push(isMove ? [] : dropped);
  }
  return { makesBy, dropsBy };
}

/** The schemas that names without one are looked for in; undefined: the role's. */
function pathAfter(tree: Node, path: readonly string[] | undefined): readonly string[] | undefined {
  if (!("VariableSetStmt" in tree)) return path;
  const { name, kind, args = [] } = tree.VariableSetStmt;
  if (kind === "VAR_RESET_ALL") return undefined;
  if (name !== "search_path") return path;
  const schemas = args.flatMap((arg) => ("A_Const" in arg ? (arg.A_Const.sval?.sval ?? "") : []));
  const isPlain = schemas.length > 0 && schemas.every((schema) => !["", "$user"].includes(schema));
  return kind === "VAR_SET_VALUE" && isPlain ? schemas : undefined;
}

/** Something that is looked for on the path. */
function found(object: MadeObject, path: readonly string[] | undefined): MadeObject {
  return path === undefined ? object : { ...object, within: path };
}

/** Something that is made: in the path's first schema, or on what is found on the path. */
function placed(made: MadeObject, path: readonly string[] | undefined): MadeObject {
  if (path === undefined) return made;
  if (made.kind !== "relation" && made.kind !== "routine") return { ...made, within: path };
  const [first = ""] = path;
  const name = made.name.length > 1 ? made.name : [first, ...made.name];
  // The types of its arguments are found on the path.
  return { ...made, name, ...(made.kind === "routine" && { within: path }) };
}

/** An object's name in each schema in which it may be. */
function labels(object: MadeObject): readonly string[] {
  if (object.kind !== "relation" && object.kind !== "routine") return [];
  const { name, within } = object;
  const names =
    name.length > 1 || within === undefined ? [name] : within.map((one) => [one, ...name]);
  return names.flatMap((one) => {
    const full = labelOf({ ...object, name: one });
    // `drop function f` is of the only one.
    const all = object.kind === "routine" ? one.join(".") : full;
    return object.kind === "routine" && object.args !== undefined ? [full, all] : [all];
  });
}

/** What a statement that renames or moves an object leaves. */
function movedBy(tree: Node, made: MadeObject): readonly MadeObject[] {
  if (made.kind !== "relation" && made.kind !== "routine") return [];
  const rename = (name: SqlName): MadeObject => ({ ...made, name });
  if ("RenameStmt" in tree) {
    const { newname = "" } = tree.RenameStmt;
    return [rename([...made.name.slice(0, -1), newname])];
  }
  if (!("AlterObjectSchemaStmt" in tree)) return [];
  const { newschema = "" } = tree.AlterObjectSchemaStmt;
  return [rename([newschema, made.name.at(-1) ?? ""])];
}
