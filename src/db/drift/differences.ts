import {
  type Catalog,
  compareCatalogs,
  type Difference,
  majorVersionOf,
} from "../catalog/index.ts";
import { type IgnorePattern, ignoreDifferences } from "./ignore.ts";
import { type DriftWarning, withoutVersions } from "./versions.ts";
import { isWritten, writeAnew } from "./write-anew.ts";

/**
 * What differs between two catalogs and counts. Where they are of two major versions, the server of the expected one
 * writes definitions of both anew.
 *
 * @throws DatabaseError
 */
export async function differencesOf(
  expected: Catalog,
  found: Catalog,
  options: {
    /** Whether a difference can come merely from who ran the migrations. */
    readonly isArtefact: (difference: Difference) => boolean;
    readonly patterns: readonly IgnorePattern[];
    /** Of the database that has what is expected. */
    readonly url: string;
  },
) {
  const comparison = compareCatalogs(expected, found);
  const there = comparison.differences.filter((difference) => !options.isArtefact(difference));
  const ofVersions = comparison.warnings.filter(({ kind }) => kind === "other-major-version");
  if (ofVersions.length === 0) {
    return {
      ...ignoreDifferences(there, options.patterns),
      warnings: comparison.warnings as readonly DriftWarning[],
    };
  }
  const { real, warnings } = withoutVersions(
    there,
    await writeAnew(options.url, there.filter(isWritten)),
    { expected: majorVersionOf(expected), found: majorVersionOf(found) },
  );
  // What they write differently was compared all the same.
  const rest = comparison.warnings.filter((warning) => !ofVersions.includes(warning));
  return {
    ...ignoreDifferences(real, options.patterns),
    warnings: [...rest, ...warnings] as readonly DriftWarning[],
  };
}
