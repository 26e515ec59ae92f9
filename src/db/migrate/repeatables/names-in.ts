import type { Node } from "libpg-query";
import type { SqlName } from "../repeatable-types.ts";
import { nameWithin } from "./given-names.ts";
import { isRangeVar, isTypeName, nameOfObject, nameOfRange, namesOf } from "./sql-names.ts";

/** Pure: the names of relations, routines, types, operators, schemas and roles in a tree, but for those that `with` gives. */
export function namesIn(tree: unknown): readonly SqlName[] {
  const names = new Map<string, SqlName>();
  const add = (name: SqlName) => {
    if (name.length > 0 && name[0] !== "pg_catalog") names.set(JSON.stringify(name), name);
  };
  walk(tree, new Set(), (name) => {
    add(name);
    const schema = name.length > 1 ? name.at(-2) : undefined;
    if (schema !== undefined) add(nameWithin("schema", [schema]));
  });
  return [...names.values()];
}

type Add = (name: SqlName) => void;

/** @param hidden names that `with` gives here: no relations of the database */
function walk(tree: unknown, hidden: ReadonlySet<string>, add: Add): void {
  if (typeof tree !== "object" || tree === null) return;
  if (Array.isArray(tree)) {
    for (const item of tree) walk(item, hidden, add);
    return;
  }
  for (const name of namesAt(tree)) {
    if (!(isRangeVar(tree) && name.length === 1 && hidden.has(name[0] ?? ""))) add(name);
  }
  const within = "withClause" in tree ? queries(tree.withClause, hidden, add) : hidden;
  for (const [field, body] of Object.entries(tree)) {
    if (field !== "withClause") walk(body, within, add);
  }
}

/** Each query of `with` sees those before it; of `with recursive` all of them. */
function queries(clause: unknown, hidden: ReadonlySet<string>, add: Add): ReadonlySet<string> {
  const { ctes = [], recursive = false } = clause as {
    readonly ctes?: readonly { readonly CommonTableExpr: { readonly ctename?: string } }[];
    readonly recursive?: boolean;
  };
  const names = ctes.map(({ CommonTableExpr: { ctename } }) => ctename ?? "");
  const seen = new Set([...hidden, ...(recursive ? names : [])]);
  for (const [i, { CommonTableExpr: query }] of ctes.entries()) {
    walk(query, new Set(seen), add);
    seen.add(names[i] ?? "");
  }
  return seen;
}

/** The names that stand in an object of the tree itself. */
function namesAt(body: object): readonly SqlName[] {
  if (isRangeVar(body)) return [nameOfRange(body)];
  if (isTypeName(body)) {
    const name = namesOf(body.names);
    return [body.pct_type === true ? name.slice(0, -1) : name];
  }
  if ("funcname" in body && Array.isArray(body.funcname)) {
    const name = namesOf(body.funcname);
    // A function that is made is no use of it: only of its schema.
    if (!("options" in body)) return [name];
    return name.length > 1 ? [nameWithin("schema", name.slice(-2, -1))] : [];
  }
  if ("rolename" in body) return [nameWithin("role", [String(body.rolename)])];
  if ("kind" in body && String(body.kind).startsWith("AEXPR_") && "name" in body) {
    return [nameWithin("operator", namesOf(body.name as readonly Node[]))];
  }
  if ("name" in body && body.name === "search_path" && "args" in body) {
    return (body.args as readonly Node[]).flatMap((arg) =>
      "A_Const" in arg ? [nameWithin("schema", [arg.A_Const.sval?.sval ?? ""])] : [],
    );
  }
  return namesOfObjects(body as ObjectStatement);
}

/** A statement that is about objects which stand in it as bare names. */
interface ObjectStatement {
  readonly object?: Node;
  readonly objects?: readonly Node[];
  readonly objtype?: string;
  readonly objectType?: string;
  readonly removeType?: string;
  readonly renameType?: string;
}

const ON_RELATIONS: ReadonlySet<string> = new Set([
  "OBJECT_COLUMN",
  "OBJECT_TRIGGER",
  "OBJECT_RULE",
  "OBJECT_POLICY",
  "OBJECT_TABCONSTRAINT",
]);

function namesOfObjects(body: ObjectStatement): readonly SqlName[] {
  const { object, objects = object === undefined ? [] : [object] } = body;
  const kind = body.objtype ?? body.objectType ?? body.removeType ?? body.renameType;
  if (!Array.isArray(objects) || kind === undefined) return [];
  return (objects as readonly Node[]).map((item) => {
    const name = "String" in item ? namesOf([item]) : nameOfObject(item);
    if (ON_RELATIONS.has(kind)) return name.slice(0, -1);
    if (kind === "OBJECT_SCHEMA") return nameWithin("schema", name);
    if (kind === "OBJECT_ROLE") return nameWithin("role", name);
    return kind === "OBJECT_OPERATOR" ? nameWithin("operator", name) : name;
  });
}
