import type { Delta, Fact, FactBase, StableId } from "@supabase/pg-delta/core";
import { kindOf, nameOf, type Path, pathOf } from "./names.ts";
import type { Difference } from "./types.ts";
import { changeWords, grantWords, propertyWord, valueWords } from "./words.ts";

interface DeltaReport {
  readonly differences: readonly Difference[];
  /** Whether only one side has the object there, or what holds it. */
  readonly isGone: (path: Path) => boolean;
}

/**
 * pg-delta's deltas, which are a fact each, as what a person would call a difference: of a missing
 * table no column is named, and a default is a property of its column.
 */
export function describeDeltas(
  deltas: readonly Delta[],
  expected: FactBase,
  found: FactBase,
): DeltaReport {
  const objects = deltas.filter(isFactDelta).filter(isObject);
  const gone = new Set(objects.map(({ fact }) => JSON.stringify(pathOf(fact.id))));
  const isGone = (path: Path) =>
    path.some((_name, index) => gone.has(JSON.stringify(path.slice(0, index + 1))));
  const newOwners = new Set(
    deltas.flatMap((delta) =>
      delta.verb === "link" && isOwnerLink(delta) ? [keyOf(delta.edge.from)] : [],
    ),
  );
  const sides: Sides = { expected, found, isGone, newOwners };
  return { differences: deltas.flatMap((delta) => describe(delta, sides)), isGone };
}

interface Sides {
  readonly expected: FactBase;
  readonly found: FactBase;
  readonly isGone: (path: Path) => boolean;
  readonly newOwners: ReadonlySet<string>;
}

type FactDelta = Extract<Delta, { verb: "add" | "remove" }>;
type SetDelta = Extract<Delta, { verb: "set" }>;

/** What is a property to a person and a fact of its own to pg-delta. */
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
      // Told once, by what it is linked to instead.
      return isOwnerLink(delta) && !sides.newOwners.has(keyOf(delta.edge.from))
        ? describeOwner(delta.edge.from, sides)
        : [];
  }
}

function describeObject({ verb, fact }: FactDelta, sides: Sides): readonly Difference[] {
  const parent = fact.parent === undefined ? undefined : pathOf(fact.parent);
  if (parent !== undefined && sides.isGone(parent)) return [];
  const object = { kind: kindOf(fact.id), name: nameOf(fact.id) };
  const definition = definitionOf(fact);
  return verb === "remove"
    ? [{ ...object, change: "missing", expected: definition }]
    : [{ ...object, change: "unexpected", found: definition }];
}

/** What says most of it in few words. */
function definitionOf({ id, payload }: Fact): string | undefined {
  if (typeof payload.def === "string") return payload.def;
  if (id.kind === "column") {
    return `${payload.type}${payload.notNull === true ? " not null" : ""}`;
  }
  if (id.kind === "defaultPrivilege") {
    return `${id.grantee}: ${grantWords(payload.privileges, payload.grantable)}`;
  }
  if (Array.isArray(payload.values)) return valueWords("values", payload.values);
  return undefined;
}

/** Where the definition differs, these say the same once more. */
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
      kind: kindOf(id),
      name: nameOf(id),
      change: "different",
      property: id.kind === "defaultPrivilege" ? `grants to ${id.grantee}` : propertyWord(attr),
      ...changeWords(attr, from, to),
    },
  ];
}

function differs(id: StableId, attribute: string, { expected, found }: Sides): boolean {
  return expected.get(id)?.payload[attribute] !== found.get(id)?.payload[attribute];
}

function describeProperty(id: StableId, sides: Sides): readonly Difference[] {
  if (sides.isGone(pathOf(id))) return [];
  const expected = sides.expected.get(id);
  const found = sides.found.get(id);
  const side = { change: "different" } as const;
  switch (id.kind) {
    case "default": {
      const column: StableId = { ...id, kind: "column" };
      return [
        {
          ...side,
          kind: "column",
          name: nameOf(column),
          property: "default",
          expected: valueWords("expr", expected?.payload.expr),
          found: valueWords("expr", found?.payload.expr),
        },
      ];
    }
    case "comment":
    case "securityLabel":
      return [
        {
          ...side,
          kind: kindOf(id.target),
          name: nameOf(id.target),
          property: kindOf(id),
          expected: valueWords("", expected?.payload.text ?? expected?.payload.label),
          found: valueWords("", found?.payload.text ?? found?.payload.label),
        },
      ];
    case "acl":
      if (isDefaultOfOwner(expected) && isDefaultOfOwner(found)) return [];
      return [
        {
          ...side,
          kind: id.column === undefined ? kindOf(id.target) : "column",
          name:
            id.column === undefined ? nameOf(id.target) : nameOf(columnOf(id.target, id.column)),
          property: `grants to ${id.grantee}`,
          expected: grantWords(expected?.payload.privileges, expected?.payload.grantable),
          found: grantWords(found?.payload.privileges, found?.payload.grantable),
        },
      ];
    default:
      return [];
  }
}

/** Nothing, or what an owner has by being the owner: told by the owner's difference. */
function isDefaultOfOwner(fact: Fact | undefined): boolean {
  if (fact === undefined) return true;
  const { privileges, _ownerDefault: usual } = fact.payload;
  return usual !== undefined && JSON.stringify(privileges) === JSON.stringify(usual);
}

function columnOf(table: StableId, name: string): StableId {
  const [schema = "", relation = ""] = pathOf(table);
  return { kind: "column", schema, table: relation, name };
}

/** Of what edges say, the owner alone: the rest follows from the definitions. */
function describeOwner(id: StableId, sides: Sides): readonly Difference[] {
  if (sides.isGone(pathOf(id))) return [];
  const expected = ownerIn(sides.expected, id);
  const found = ownerIn(sides.found, id);
  if (expected === found) return [];
  return [
    { kind: kindOf(id), name: nameOf(id), change: "different", property: "owner", expected, found },
  ];
}

function ownerIn(base: FactBase, id: StableId): string {
  const edge = base.outgoingEdges(id).find(({ kind }) => kind === "owner");
  return edge?.to.kind === "role" ? edge.to.name : "a role of the server";
}

function keyOf(id: StableId): string {
  return `${kindOf(id)} ${nameOf(id)}`;
}
