import { type ComparisonWarning, type Difference, OWNER_OF_THE_SERVERS } from "../catalog/index.ts";
import { isWritten, type WrittenAnew } from "./write-anew.ts";

/** Something that was not compared, or not properly. */
export interface DriftWarning {
  readonly kind: ComparisonWarning["kind"] | "roles" | "definitions";
  readonly message: string;
}

/** The two servers. */
export interface MajorVersions {
  readonly expected: number;
  readonly found: number;
}

/**
 * Servers of two major versions each write the definition of a view or a rule in their own way, the privilege MAINTAIN
 * exists since PostgreSQL 17, and until 14 everybody may create in schema public: none of it shows that anybody has
 * changed something.
 *
 * @param written definitions as one of the servers writes both
 * @returns the other differences, and a warning that names what a person must compare
 */
export function withoutVersions(
  differences: readonly Difference[],
  written: WrittenAnew,
  versions: MajorVersions,
): {
  readonly real: readonly Difference[];
  readonly warnings: readonly DriftWarning[];
} {
  const unknown: string[] = [];
  const real = differences.flatMap((difference): readonly Difference[] => {
    if (isOnlyMaintain(difference) || isOfPublic(difference, versions)) return [];
    if (!isWritten(difference)) return [difference];
    const both = written.get(difference);
    if (both === undefined) {
      unknown.push(`${difference.kind} ${difference.name}`);
      return [];
    }
    return both.expected === both.found ? [] : [{ ...difference, ...both }];
  });
  if (unknown.length === 0) return { real, warnings: [] };
  const message = `Not compared, because the two versions write it differently and the scratch server cannot: the definition of ${unknown.join(", ")}.`;
  return { real, warnings: [{ kind: "definitions", message }] };
}

const FIRST_WITH_CLOSED_PUBLIC = 15;

/** What every database begins with: until 14, its public schema is the superuser's, then `pg_database_owner`'s. */
function isOfPublic(difference: Difference, { expected, found }: MajorVersions): boolean {
  if (difference.change !== "different" || difference.kind !== "schema") return false;
  if (difference.name !== "public") return false;
  if (difference.property === "owner") {
    if (expected < FIRST_WITH_CLOSED_PUBLIC === found < FIRST_WITH_CLOSED_PUBLIC) return false;
    const newer = expected < found ? difference.found : difference.expected;
    return newer === OWNER_OF_THE_SERVERS;
  }
  if (difference.property !== "grants to PUBLIC") return false;
  const given = (version: number) =>
    version < FIRST_WITH_CLOSED_PUBLIC ? "CREATE, USAGE" : "USAGE";
  return difference.expected === given(expected) && difference.found === given(found);
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
