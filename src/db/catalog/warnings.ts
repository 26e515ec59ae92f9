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
  return [...new Set(texts)];
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
