import type { Delta, Fact, FactBase, StableId } from "@supabase/pg-delta/core";
import type { Difference, ObjectKind } from "./difference.ts";
import { kindOf, nameOf, type Path, pathOf, withinOf } from "./object-names.ts";
import { changeWords, grantWords, propertyWord, valueWords } from "./words.ts";

/** Whether only one side has the object. */
export type IsGone = (kind: ObjectKind, path: Path) => boolean;

/**
 * pg-delta's deltas, one per fact, as what a person would call differences: the columns of a missing
 * table are not named, and a default is a property of its column.
 */
export function describeDeltas(deltas: readonly Delta[], expected: FactBase, found: FactBase) {
  const objects = deltas.filter(isFactDelta).filter(isObject);
  const gone = new Set(objects.map(({ fact }) => placeOf(kindOf(fact.id), pathOf(fact.id))));
  const isGone: IsGone = (kind, path) => gone.has(placeOf(kind, path));
  const newOwners = new Set(
    deltas.flatMap((delta) =>
      delta.verb === "link" && isOwnerLink(delta) ? [keyOf(delta.edge.from)] : [],
    ),
  );
  const sides: Sides = { expected, found, isGone, newOwners };
  return { differences: deltas.flatMap((delta) => describe(delta, sides)), isGone };
}

/** These share one name space; a schema and an extension, say, may have the same name. */
const RELATIONS: ReadonlySet<ObjectKind> = new Set([
  "table",
  "foreign table",
  "view",
  "materialized view",
  "sequence",
  "index",
]);

function placeOf(kind: ObjectKind, path: Path): string {
  return JSON.stringify([RELATIONS.has(kind) ? "relation" : kind, ...path]);
}

interface Sides {
  readonly expected: FactBase;
  readonly found: FactBase;
  readonly isGone: IsGone;
  readonly newOwners: ReadonlySet<string>;
}

type FactDelta = Extract<Delta, { verb: "add" | "remove" }>;
type SetDelta = Extract<Delta, { verb: "set" }>;

/** A property to a person, but a fact of its own to pg-delta. */
const PROPERTY_FACTS: ReadonlySet<string> = new Set(["comment", "acl", "securityLabel", "default"]);

function isObject({ fact }: FactDelta): boolean {
  return !PROPERTY_FACTS.has(fact.id.kind);
}

function isFactDelta(delta: Delta): delta is FactDelta {
  return delta.verb === "add" || delta.verb === "remove";
}

function isOwnerLink(delta: Delta): delta is Extract<Delta, { verb: "link" | "unlink" }> {
  return (delta.verb === "link" || delta.verb === "unlink") && delta.edge.kind === "owner";
}

function describe(delta: Delta, sides: Sides): readonly Difference[] {
  switch (delta.verb) {
    case "add":
    case "remove":
      return isObject(delta)
        ? describeObject(delta, sides)
        : describeProperty(delta.fact.id, sides);
    case "set":
      return PROPERTY_FACTS.has(delta.id.kind)
        ? describeProperty(delta.id, sides)
        : describeSet(delta, sides);
    case "link":
      return isOwnerLink(delta) ? describeOwner(delta.edge.from, sides) : [];
    case "unlink":
      // Told once, by the new link.
      return isOwnerLink(delta) && !sides.newOwners.has(keyOf(delta.edge.from))
        ? describeOwner(delta.edge.from, sides)
        : [];
  }
}

function describeObject({ verb, fact }: FactDelta, sides: Sides): readonly Difference[] {
  if (fact.parent !== undefined && isGoneFact(fact.parent, sides)) return [];
  const object = objectOf(fact.id, sides);
  const definition = definitionOf(fact);
  return verb === "remove"
    ? [{ ...object, change: "missing", expected: definition }]
    : [{ ...object, change: "unexpected", found: definition }];
}

/** The most telling part of it in few words. */
function definitionOf({ id, payload }: Fact): string | undefined {
  if (typeof payload.def === "string") return payload.def;
  if (id.kind === "column") return `${payload.type}${payload.notNull === true ? " not null" : ""}`;
  if (id.kind === "defaultPrivilege") {
    return `${id.grantee}: ${grantWords(payload.privileges, payload.grantable)}`;
  }
  if (Array.isArray(payload.values)) return valueWords("values", payload.values);
  return undefined;
}

/** If the definition differs, these repeat that. */
const SAID_BY_DEFINITION: ReadonlySet<string> = new Set([
  "type",
  "validated",
  "returnType",
  "argSignature",
  "language",
  "isWindow",
]);
function describeSet({ id, attr, from, to }: SetDelta, sides: Sides): readonly Difference[] {
  if (SAID_BY_DEFINITION.has(attr) && differs(id, "def", sides)) return [];
  return [
    {
      ...objectOf(id, sides),
      change: "different",
      property: id.kind === "defaultPrivilege" ? `grants to ${id.grantee}` : propertyWord(attr),
      ...changeWords(attr, from, to),
      ...(attr === "values" && isOrderAlone(from, to) && { isOrderAlone: true }),
    },
  ];
}

function isOrderAlone(from: unknown, to: unknown): boolean {
  if (!Array.isArray(from) || !Array.isArray(to)) return false;
  return JSON.stringify(from.toSorted()) === JSON.stringify(to.toSorted());
}

function differs(id: StableId, attribute: string, { expected, found }: Sides): boolean {
  return expected.get(id)?.payload[attribute] !== found.get(id)?.payload[attribute];
}

function objectOf(id: StableId, { expected, found }: Sides) {
  const fact = expected.get(id) ?? found.get(id);
  return { kind: kindOf(id), name: nameOf(id), within: withinOf(id, fact?.parent) };
}

function isGoneFact(id: StableId, { isGone }: Sides): boolean {
  return isGone(kindOf(id), pathOf(id));
}

/** The object that has the property. */
function holderOf(id: StableId): StableId {
  if (id.kind === "default") return { ...id, kind: "column" };
  if (id.kind === "acl" && id.column !== undefined) {
    const [schema = "", table = ""] = pathOf(id.target);
    return { kind: "column", schema, table, name: id.column };
  }
  return "target" in id ? id.target : id;
}

function describeProperty(id: StableId, sides: Sides): readonly Difference[] {
  const holder = holderOf(id);
  if (isGoneFact(holder, sides)) return [];
  const expected = sides.expected.get(id);
  const found = sides.found.get(id);
  const object = { ...objectOf(holder, sides), change: "different" } as const;
  const [wanted, there] = [expected?.payload ?? {}, found?.payload ?? {}];
  switch (id.kind) {
    case "default":
      return [{ ...object, property: "default", ...changeWords("expr", wanted.expr, there.expr) }];
    case "comment":
      return [{ ...object, property: "comment", ...changeWords("", wanted.text, there.text) }];
    case "securityLabel":
      return [
        { ...object, property: kindOf(id), ...changeWords("label", wanted.label, there.label) },
      ];
    case "acl":
      if (isDefaultOfOwner(expected) && isDefaultOfOwner(found)) return [];
      return [
        {
          ...object,
          property: `grants to ${id.grantee}`,
          expected: grantWords(wanted.privileges, wanted.grantable),
          found: grantWords(there.privileges, there.grantable),
        },
      ];
    default:
      return [];
  }
}

/** Nothing, or what an owner has as the owner: the owner's difference tells that. */
function isDefaultOfOwner(fact: Fact | undefined): boolean {
  if (fact === undefined) return true;
  const { privileges, _ownerDefault: usual } = fact.payload;
  return usual !== undefined && JSON.stringify(privileges) === JSON.stringify(usual);
}

/** Of all edges only the owner's: the others follow from the definitions. */
function describeOwner(id: StableId, sides: Sides): readonly Difference[] {
  if (isGoneFact(id, sides)) return [];
  const expected = ownerIn(sides.expected, id);
  const found = ownerIn(sides.found, id);
  if (expected === found) return [];
  return [{ ...objectOf(id, sides), change: "different", property: "owner", expected, found }];
}

/** An owner that every server has, such as `pg_database_owner`. */
export const OWNER_OF_THE_SERVERS = "a role of the server";

function ownerIn(base: FactBase, id: StableId): string {
  const edge = base.outgoingEdges(id).find(({ kind }) => kind === "owner");
  return edge?.to.kind === "role" ? edge.to.name : OWNER_OF_THE_SERVERS;
}

function keyOf(id: StableId): string {
  return `${kindOf(id)} ${nameOf(id)}`;
}
