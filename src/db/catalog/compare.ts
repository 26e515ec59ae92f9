import { type Delta, diff, type FactBase } from "@supabase/pg-delta/core";
import { resolveView } from "@supabase/pg-delta/policy";
import type { CatalogContents } from "./contents.ts";
import { describeDeltas } from "./deltas.ts";
import type { Difference } from "./difference.ts";
import { compareTraits } from "./traits.ts";

export interface ContentDifferences {
  /** What pg-delta reads, and can plan. */
  readonly modeled: readonly Difference[];
  /** What our own queries read. */
  readonly others: readonly Difference[];
}

export function compareContents(
  expected: CatalogContents,
  found: CatalogContents,
): ContentDifferences {
  const from = withoutExtensions(expected.facts);
  const to = withoutExtensions(found.facts);
  const { differences, isGone } = describeDeltas(diff(from, to).filter(isOfDatabase), from, to);
  const told = new Set(differences.map(keyOf));
  const others = compareTraits(expected.traits, found.traits, isGone);
  return { modeled: differences, others: others.filter((other) => !told.has(keyOf(other))) };
}

/** The validity of an ordinary index is read twice. */
function keyOf(difference: Difference): string {
  const property = difference.change === "different" ? difference.property : "";
  return JSON.stringify([difference.kind, difference.name, property]);
}

/** An extension's objects stay, for others refer to them, but are not compared. */
function withoutExtensions(facts: FactBase): FactBase {
  return resolveView(facts, undefined);
}

// All databases of a server have the same, and another server has others.
const OF_THE_SERVER: ReadonlySet<string> = new Set(["role", "membership"]);

function isOfDatabase(delta: Delta): boolean {
  switch (delta.verb) {
    case "add":
    case "remove":
      return !OF_THE_SERVER.has(delta.fact.id.kind);
    case "set":
      return !OF_THE_SERVER.has(delta.id.kind);
    default:
      return true;
  }
}

// Compared by definition, by our own query.
const MODELED_HERE: ReadonlySet<string> = new Set(["statistics object"]);

/** What could not be read, or is compared by name only, on either side: each once. */
export function readWarnings(expected: CatalogContents, found: CatalogContents): readonly string[] {
  const warnings = [...expected.warnings, ...found.warnings].filter(
    ({ kind }) => kind === undefined || !MODELED_HERE.has(kind),
  );
  const texts = warnings.map(({ kind, text }) =>
    kind === undefined ? text : unmodeledText(kind, expected, found),
  );
  const versions = isOfTwoVersions(expected, found)
    ? [
        `The expected catalog is from PostgreSQL ${expected.majorVersion}, the actual one from ${found.majorVersion}; they print definitions differently. Compare databases of one major version.`,
      ]
    : [];
  return [...versions, ...new Set(texts)];
}

/** Seen: PostgreSQL 15 prints `users.age` in a view's definition, where 16 prints `age`. */
export function isOfTwoVersions(expected: CatalogContents, found: CatalogContents): boolean {
  return expected.majorVersion !== found.majorVersion;
}

function unmodeledText(kind: string, expected: CatalogContents, found: CatalogContents): string {
  const names = new Set(
    [...expected.traits, ...found.traits].flatMap((trait) =>
      trait.kind === kind && trait.property === null ? trait.path : [],
    ),
  );
  const which = names.size === 0 ? "" : `: ${[...names].toSorted().join(", ")}`;
  return `Compared by name only, not by definition: ${kind}${which}.`;
}
