import { type Catalog, compareCatalogs, type Difference } from "../catalog/index.ts";
import { type IgnorePattern, ignoreDifferences } from "./ignore.ts";
import { type DriftWarning, withoutVersions } from "./versions.ts";

/** What differs between two catalogs and counts; pure. */
export function differencesOf(
  expected: Catalog,
  found: Catalog,
  options: {
    /** Whether a difference can come merely from who ran the migrations. */
    readonly isArtefact: (difference: Difference) => boolean;
    readonly patterns: readonly IgnorePattern[];
  },
) {
  const comparison = compareCatalogs(expected, found);
  const there = comparison.differences.filter((difference) => !options.isArtefact(difference));
  const isOfTwoVersions = comparison.warnings.some(({ kind }) => kind === "other-major-version");
  const { real, warnings } = isOfTwoVersions
    ? withoutVersions(there)
    : { real: there, warnings: [] as readonly DriftWarning[] };
  return {
    ...ignoreDifferences(real, options.patterns),
    warnings: [...comparison.warnings, ...warnings] as readonly DriftWarning[],
  };
}
