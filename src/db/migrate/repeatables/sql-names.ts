import type { Node, RangeVar, TypeName } from "libpg-query";
import type { SqlName } from "../repeatable-types.ts";

/** All objects within a tree, each with the field that it stands in. */
export function* objectsIn(tree: unknown, field = ""): Generator<readonly [string, object]> {
  if (typeof tree !== "object" || tree === null) return;
  if (!Array.isArray(tree)) yield [field, tree];
  for (const [name, body] of Object.entries(tree)) {
    yield* objectsIn(body, Array.isArray(tree) ? field : name);
  }
}

export function namesOf(items: readonly Node[] = []): SqlName {
  return items.flatMap((item) => ("String" in item ? (item.String.sval ?? []) : []));
}

export function nameOfRange({ schemaname, relname }: RangeVar): SqlName {
  return [schemaname, relname].filter((part) => part !== undefined);
}

/** The name of a statement's object, in any of the forms in which it stands there. */
export function nameOfObject(object: Node | undefined): SqlName {
  if (object === undefined) return [];
  if ("RangeVar" in object) return nameOfRange(object.RangeVar);
  if ("ObjectWithArgs" in object) return namesOf(object.ObjectWithArgs.objname);
  if ("TypeName" in object) return namesOf(object.TypeName.names);
  return "List" in object ? namesOf(object.List.items) : [];
}

/** Whether two names may be of one object: one without a schema is found on some search path. */
export function mayBeSame(one: SqlName, other: SqlName): boolean {
  if (one.at(-1) !== other.at(-1)) return false;
  const [a, b] = [one, other].map((name) => (name.length > 1 ? name.at(-2) : undefined));
  return a === undefined || b === undefined || a === b;
}

export function isRangeVar(body: object): body is RangeVar {
  return "relname" in body && typeof body.relname === "string";
}

export function isTypeName(body: object): body is TypeName {
  return "names" in body && Array.isArray(body.names) && "typemod" in body;
}
