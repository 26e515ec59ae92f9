import type { Difference } from "../catalog.ts";

export interface Judged {
  readonly difference: Difference;
  /** `unless-by-hand`: a migration that a person wrote may have made it on purpose. */
  readonly verdict: "wrong" | "unless-by-hand";
}

/**
 * Of the differences between what a Drizzle schema says (expected) and what migrations make (found),
 * those of which Drizzle has a say: it knows no functions, triggers, partitions, grants or comments.
 */
export function judge(differences: readonly Difference[]): readonly Judged[] {
  return differences.flatMap((difference) => {
    const verdict = verdictOf(difference);
    return verdict === undefined ? [] : [{ difference, verdict }];
  });
}

function verdictOf(difference: Difference): Judged["verdict"] | undefined {
  if (!EXPRESSIBLE.has(difference.kind)) return undefined;
  switch (difference.change) {
    case "missing":
      return "wrong";
    case "unexpected":
      return isSaidInSqlOnly(difference.kind, difference.found) ? undefined : "unless-by-hand";
    case "different":
      return isOfSqlOnly(difference) ? undefined : "wrong";
  }
}

/** What drizzle-orm 0.45 can declare. */
const EXPRESSIBLE: ReadonlySet<string> = new Set([
  "schema",
  "table",
  "column",
  "constraint",
  "index",
  "sequence",
  "type",
  "view",
  "materialized view",
  "policy",
]);

/** Constraints and tables that no Drizzle schema can declare. */
function isSaidInSqlOnly(kind: string, definition = ""): boolean {
  if (kind === "constraint") return /^(exclude|constraint trigger|not null)\b/i.test(definition);
  return kind === "table" && /\bpartition of\b/i.test(definition);
}

/** Properties that no Drizzle schema can set. */
const SQL_ONLY =
  /^(owner|grants\b.*|comment|storage|compression|statistics target|statistics|replica identity|persistence|storage parameters|partition(ed)? .*|forced row level security|validated|usable|clustered|security label|fires|options|inherits)$/;

function isOfSqlOnly(difference: Difference & { readonly change: "different" }): boolean {
  if (SQL_ONLY.test(difference.property)) return true;
  const { kind, property, expected, found } = difference;
  return (
    property === "definition" &&
    (kind === "index" || kind === "constraint") &&
    plain(expected) === plain(found)
  );
}

/** A definition without the clauses that Drizzle does not know. */
function plain(definition: string): string {
  return definition
    .replace(/ INCLUDE \([^)]*\)/, "")
    .replace(/( NOT)? DEFERRABLE| INITIALLY (DEFERRED|IMMEDIATE)| NOT VALID| NO INHERIT/g, "")
    .replace(/ TABLESPACE \S+/, "");
}
