import type { CatalogContents } from "./read.ts";
import type { ComparisonWarning } from "./types.ts";

// Compared with its definition, by our own query.
const MODELED_HERE: ReadonlySet<string> = new Set(["statistics object"]);

/** What could not be read, or is only known by its name, on either side: each once. */
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

/** Seen: PostgreSQL 15 writes `users.age` in a view's definition, where 16 writes `age`. */
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
