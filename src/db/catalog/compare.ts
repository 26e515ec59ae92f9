import { type Delta, diff, type FactBase } from "@supabase/pg-delta/core";
import { resolveView } from "@supabase/pg-delta/policy";
import { describeDeltas } from "./deltas.ts";
import type { CatalogContents } from "./read.ts";
import { compareTraits } from "./traits.ts";
import type { Difference } from "./types.ts";

export interface ContentDifferences {
  /** What pg-delta sees, and can plan. */
  readonly modeled: readonly Difference[];
  /** What our own queries see. */
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

/** An ordinary index's validity is seen twice. */
function keyOf(difference: Difference): string {
  const property = difference.change === "different" ? difference.property : "";
  return JSON.stringify([difference.kind, difference.name, property]);
}

/** What an extension made stays for what refers to it, and is not compared. */
function withoutExtensions(facts: FactBase): FactBase {
  return resolveView(facts, undefined);
}

// Every database of a server has the same, and another server has its own.
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
