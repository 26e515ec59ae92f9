import type { ComparisonWarning, Difference } from "../catalog/index.ts";

/** Something that was not compared, or not properly. */
export interface DriftWarning {
  readonly kind: ComparisonWarning["kind"] | "roles" | "definitions";
  readonly message: string;
}

/**
 * Servers of two major versions each write the definition of a view or a rule in their own way, and
 * the privilege MAINTAIN exists since PostgreSQL 17: neither shows that anybody has changed something.
 *
 * @returns the other differences, and a warning that names what a person must compare
 */
export function withoutVersions(differences: readonly Difference[]): {
  readonly real: readonly Difference[];
  readonly warnings: readonly DriftWarning[];
} {
  const rest = differences.filter((difference) => !isOnlyMaintain(difference));
  const written = rest.filter(isWrittenDefinition);
  if (written.length === 0) return { real: rest, warnings: [] };
  const names = written.map(({ kind, name }) => `${kind} ${name}`);
  const message = `Not compared, because the two versions write it differently: the definition of ${names.join(", ")}.`;
  return {
    real: rest.filter((difference) => !isWrittenDefinition(difference)),
    warnings: [{ kind: "definitions", message }],
  };
}

const WRITTEN: ReadonlySet<string> = new Set(["view", "materialized view", "rule"]);

function isWrittenDefinition(difference: Difference): boolean {
  return (
    difference.change === "different" &&
    difference.property === "definition" &&
    WRITTEN.has(difference.kind)
  );
}

function isOnlyMaintain(difference: Difference): boolean {
  if (difference.change !== "different" || !/^grants\b/.test(difference.property)) return false;
  const [expected, found] = [difference.expected, difference.found].map((privileges) =>
    privileges
      .split(", ")
      .filter((privilege) => !privilege.startsWith("MAINTAIN"))
      .join(", "),
  );
  return expected === found;
}
