import type { Difference } from "./load-catalogs.ts";

/** Differences that may come of the servers' versions alone, and the others. */
export interface ByVersion {
  readonly real: readonly Difference[];
  /** A sentence for what a person must compare. */
  readonly warnings: readonly string[];
}

/**
 * Servers of two major versions write the definition of a view and of a rule each in its way, and the
 * privilege MAINTAIN is known from PostgreSQL 17 on: neither shows that anybody has changed something.
 */
export function withoutVersions(differences: readonly Difference[]): ByVersion {
  const rest = differences.filter((difference) => !isMaintainAlone(difference));
  const written = rest.filter(isWrittenDefinition);
  const names = written.map(({ kind, name }) => `${kind} ${name}`);
  return {
    real: rest.filter((difference) => !isWrittenDefinition(difference)),
    warnings:
      names.length === 0
        ? []
        : [
            `Not compared, as the servers write it in two ways: the definition of ${names.join(", ")}.`,
          ],
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

function isMaintainAlone(difference: Difference): boolean {
  if (difference.change !== "different" || !/^grants\b/.test(difference.property)) return false;
  const [expected, found] = [difference.expected, difference.found].map(withoutMaintain);
  return expected === found;
}

function withoutMaintain(privileges: string): string {
  return privileges
    .split(", ")
    .filter((privilege) => !privilege.startsWith("MAINTAIN"))
    .join(", ");
}
