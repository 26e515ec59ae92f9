import type { Difference } from "../catalog/index.ts";

export interface Judged {
  readonly difference: Difference;
  /**
   * `unless-by-hand`: a migration written by hand may have made it on purpose. `order`: an enum has
   * the same values in another order.
   */
  readonly verdict: "wrong" | "unless-by-hand" | "order";
}

/**
 * Of the differences between what a Drizzle schema says (expected) and what migrations make (found),
 * those in things that Drizzle can declare: not functions, triggers, partitions, grants or comments.
 */
export function judge(differences: readonly Difference[]): readonly Judged[] {
  const renamed = renamedWithTheirTable(differences);
  return differences.flatMap((difference) => {
    if (renamed.has(difference)) return [];
    const verdict = verdictOf(difference);
    return verdict === undefined ? [] : [{ difference, verdict }];
  });
}

/** Definitions in which only a sequence's name can differ. */
const SEQUENCE_ALONE: Readonly<Record<string, RegExp>> = {
  default: /^nextval\(/,
  identity: /^sequence \S+$/,
};

/**
 * A renamed table or column keeps the names that PostgreSQL gave to its primary key and its sequence:
 * drizzle-kit does not rename them, and Drizzle does not know them.
 */
function renamedWithTheirTable(differences: readonly Difference[]): ReadonlySet<Difference> {
  const missing = differences.filter(({ change }) => change === "missing");
  const unexpected = differences.filter(({ change }) => change === "unexpected");
  const pairs = missing.flatMap((one) => {
    const other = unexpected.find((candidate) => isSameUnderAnotherName(one, candidate));
    return other === undefined ? [] : [one, other];
  });
  const defaults = differences.filter(
    (difference) =>
      difference.change === "different" &&
      [difference.expected, difference.found].every((text) =>
        SEQUENCE_ALONE[difference.property]?.test(text),
      ),
  );
  return new Set([...pairs, ...defaults]);
}

function isSameUnderAnotherName(one: Difference, other: Difference): boolean {
  if (one.kind !== other.kind || one.change !== "missing" || other.change !== "unexpected") {
    return false;
  }
  if (one.kind === "sequence") return one.name.endsWith("_seq") && other.name.endsWith("_seq");
  return (
    one.kind === "constraint" &&
    one.expected === other.found &&
    /^PRIMARY KEY\b/.test(one.expected ?? "") &&
    one.within.join() === other.within.join()
  );
}

function verdictOf(difference: Difference): Judged["verdict"] | undefined {
  if (!EXPRESSIBLE.has(difference.kind)) return undefined;
  switch (difference.change) {
    case "missing":
      return "wrong";
    case "unexpected":
      return isSaidInSqlOnly(difference.kind, difference.found) ? undefined : "unless-by-hand";
    case "different":
      if (isOfSqlOnly(difference)) return undefined;
      if (difference.isOrderAlone) return "order";
      // A policy written by hand needs it.
      return difference.property === "row level security" ? "unless-by-hand" : "wrong";
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

/** What Drizzle can only set on views: `security_invoker`, `fillfactor`. */
const OF_VIEWS: ReadonlySet<string> = new Set(["options", "storage parameters"]);

/** Properties that no Drizzle schema can set. */
const SQL_ONLY =
  /^(owner|grants\b.*|comment|collation|storage|compression|statistics target|statistics|replica identity|persistence|storage parameters|partition(ed)? .*|forced row level security|validated|usable|clustered|security label|fires|options|inherits)$/;

function isOfSqlOnly(difference: Difference & { readonly change: "different" }): boolean {
  const { kind, property, expected, found } = difference;
  const isView = kind === "view" || kind === "materialized view";
  if (isView && OF_VIEWS.has(property)) return false;
  if (SQL_ONLY.test(property)) return true;
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
