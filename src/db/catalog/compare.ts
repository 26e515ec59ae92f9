import { type Delta, diff } from "@supabase/pg-delta/core";
import { resolveView } from "@supabase/pg-delta/policy";
import type { CatalogContents } from "./contents.ts";
import { describeDeltas } from "./deltas.ts";
import type { Difference } from "./difference.ts";
import { compareTraits } from "./traits.ts";

/** Something that could not be compared, or not properly. */
export interface ComparisonWarning {
  readonly kind: "not-read" | "by-name-only" | "other-major-version";
  readonly message: string;
}

/** What pg-delta reads, and can plan (`modeled`), and what our own queries read (`others`). */
export function compareContents(expected: CatalogContents, found: CatalogContents) {
  // An extension's objects stay, for others refer to them, but are not compared.
  const from = resolveView(expected.facts, undefined);
  const to = resolveView(found.facts, undefined);
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

/** What could not be read, or is compared only by name, on either side: each once. */
export function readWarnings(
  expected: CatalogContents,
  found: CatalogContents,
): readonly ComparisonWarning[] {
  const warnings = [...expected.warnings, ...found.warnings]
    .filter(({ kind }) => kind === undefined || !MODELED_HERE.has(kind))
    .map(
      ({ kind, text }): ComparisonWarning =>
        kind === undefined
          ? { kind: "not-read", message: text }
          : { kind: "by-name-only", message: unmodeledText(kind, expected, found) },
    );
  const byMessage = new Map(warnings.map((warning) => [warning.message, warning]));
  return [...versionWarnings(expected, found), ...byMessage.values()];
}

/** Seen: PostgreSQL 15 prints `users.age` in a view's definition, where 16 prints `age`. */
function versionWarnings(
  expected: CatalogContents,
  found: CatalogContents,
): readonly ComparisonWarning[] {
  if (expected.majorVersion === found.majorVersion) return [];
  const message = `The expected catalog is from PostgreSQL ${expected.majorVersion}, the actual one from ${found.majorVersion}; they print definitions differently. Compare databases of one major version.`;
  return [{ kind: "other-major-version", message }];
}

function unmodeledText(kind: string, expected: CatalogContents, found: CatalogContents): string {
  const names = new Set(
    [...expected.traits, ...found.traits].flatMap((trait) =>
      trait.kind === kind && trait.property === null ? trait.path : [],
    ),
  );
  const which = names.size === 0 ? "" : `: ${[...names].toSorted().join(", ")}`;
  return `Compared only by name, not by definition: ${kind}${which}.`;
}
