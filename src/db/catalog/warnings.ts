import type { CatalogContents } from "./read.ts";

// Compared with its definition, by our own query.
const MODELED_HERE: ReadonlySet<string> = new Set(["statistics object"]);

/** What could not be read, or is known by name alone, on either side: each once. */
export function readWarnings(expected: CatalogContents, found: CatalogContents): readonly string[] {
  const warnings = [...expected.warnings, ...found.warnings].filter(
    ({ kind }) => kind === undefined || !MODELED_HERE.has(kind),
  );
  const texts = warnings.map(({ kind, text }) =>
    kind === undefined ? text : unmodeledText(kind, expected, found),
  );
  return [...versionWarnings(expected, found), ...new Set(texts)];
}

/** Seen: PostgreSQL 15 writes `users.age` in a view's definition, where 16 writes `age`. */
function versionWarnings(expected: CatalogContents, found: CatalogContents): readonly string[] {
  if (expected.majorVersion === found.majorVersion) return [];
  return [
    `The servers write definitions each in its way: expected of PostgreSQL ${expected.majorVersion}, found of ${found.majorVersion}. Compare databases of one major version.`,
  ];
}

function unmodeledText(kind: string, expected: CatalogContents, found: CatalogContents): string {
  const names = new Set(
    [...expected.traits, ...found.traits].flatMap((trait) =>
      trait.kind === kind && trait.property === null ? trait.path : [],
    ),
  );
  const which = names.size === 0 ? "" : `: ${[...names].toSorted().join(", ")}`;
  return `Compared by name alone, not by definition: ${kind}${which}.`;
}
