import { quotedIfNeeded } from "../base/quote.ts";
import type { Difference } from "../catalog/index.ts";
import { dropsIn } from "../sql-tree/drops.ts";
import type { Path } from "../sql-tree/tree.ts";

/**
 * The rows that a down file loses, a line each: `column users.bio`.
 *
 * @param differences what it undoes: from the catalog before the migration (expected) to the one after (found)
 */
export async function lossesOf(
  sql: string,
  differences: readonly Difference[],
): Promise<readonly string[]> {
  const computed = labelsWhere(
    differences,
    ({ change, ...rest }) => change === "unexpected" && "found" in rest && isGenerated(rest.found),
  );
  const dropped = (await dropsIn(sql)).map(({ kind, path }) => `${kind} ${shortPath(path)}`);
  const narrowed = differences.flatMap((difference) =>
    difference.change === "different" &&
    difference.kind === "column" &&
    difference.property === "type"
      ? [`values of ${labelOf(difference)} that do not fit ${difference.expected}`]
      : [],
  );
  return [...dropped.filter((label) => !computed.has(label)), ...narrowed];
}

/**
 * What a down file would drop although it existed before the migration (a partition that was attached,
 * a column that cannot be changed in place): it would come back without its rows.
 *
 * @param differences as of `lossesOf`
 */
export async function dropsOfOld(
  sql: string,
  differences: readonly Difference[],
): Promise<readonly string[]> {
  const made = labelsWhere(differences, ({ change }) => change === "unexpected");
  // Generated values are generated again.
  const computed = labelsWhere(
    differences,
    (difference) => difference.change === "different" && difference.property === "generated",
  );
  const isInMadeSchema = (name: string) =>
    differences.some(
      (difference) =>
        difference.change === "unexpected" &&
        difference.kind === "schema" &&
        name.startsWith(`${difference.name}.`),
    );
  return (await dropsIn(sql)).flatMap(({ kind, path }) => {
    const name = shortPath(path);
    const label = `${kind === "attribute" ? "type attribute" : kind} ${name}`;
    const isOld = !isInMadeSchema(name) && !made.has(label) && !computed.has(label);
    return kind !== "sequence" && isOld ? [label] : [];
  });
}

const HOLDING: ReadonlySet<string> = new Set(["table", "column", "sequence", "foreign table"]);

/** What the migration dropped, and what comes back without its rows. A line each. */
export function emptyReturns(differences: readonly Difference[]): readonly string[] {
  return differences.flatMap((difference) =>
    difference.change === "missing" &&
    HOLDING.has(difference.kind) &&
    !isGenerated(difference.expected)
      ? [`${labelOf(difference)}${obstacle(difference.kind, difference.expected)}`]
      : [],
  );
}

/** A sequence that restarts; a column that cannot be added to a table with rows. */
function obstacle(kind: string, definition = ""): string {
  if (kind === "sequence") return " (it restarts: set it past the largest value in use)";
  return / not null\b/.test(definition) && !/ default | identity|generated /.test(definition)
    ? " (not null, without a default: fails if the table has rows)"
    : "";
}

function labelsWhere(
  differences: readonly Difference[],
  isMeant: (difference: Difference) => boolean,
): ReadonlySet<string> {
  return new Set(differences.filter(isMeant).map(labelOf));
}

function isGenerated(definition: string | undefined): boolean {
  return /\bgenerated always as \(/.test(definition ?? "");
}

/** As people say it: `column users.bio` for `public.users.bio`. */
function labelOf({ kind, name }: Difference): string {
  return `${kind} ${shortName(name)}`;
}

/** As `Difference` writes names. */
function shortPath(path: Path): string {
  return shortName(path.map(quotedIfNeeded).join("."));
}

function shortName(name: string): string {
  return name.replace(/^public\./, "");
}
