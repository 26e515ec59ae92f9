import type { Difference } from "../catalog/index.ts";
import { dropsIn } from "../sql-tree/drops.ts";

/**
 * What a down file loses of rows, a line each: `column users.bio`.
 *
 * @param differences what it undoes: of the catalog after the migration (found) from the one before
 */
export async function lossesOf(
  sql: string,
  differences: readonly Difference[],
): Promise<readonly string[]> {
  const computed = new Set(
    differences.flatMap((difference) =>
      difference.change === "unexpected" && isGenerated(difference.found)
        ? [`${difference.kind} ${shortName(difference.name)}`]
        : [],
    ),
  );
  const dropped = (await dropsIn(sql)).map(({ kind, path }) => `${kind} ${shortPath(path)}`);
  const narrowed = differences.flatMap((difference) =>
    difference.change === "different" && isColumnType(difference)
      ? [`values of column ${shortName(difference.name)} that do not fit ${difference.expected}`]
      : [],
  );
  return [...dropped.filter((what) => !computed.has(what)), ...narrowed];
}

/**
 * What a down file would drop although it was there before the migration (a partition that was attached,
 * a column that cannot be changed in place): it would come back without its rows.
 *
 * @param differences what it undoes: of the catalog after the migration (found) from the one before
 */
export async function dropsOfOld(
  sql: string,
  differences: readonly Difference[],
): Promise<readonly string[]> {
  const made = new Set(
    differences.flatMap(({ change, kind, name }) =>
      change === "unexpected" ? [`${kind} ${shortName(name)}`] : [],
    ),
  );
  const schemas = differences.flatMap(({ change, kind, name }) =>
    change === "unexpected" && kind === "schema" ? [`${name}.`] : [],
  );
  // What was computed is computed again.
  const computed = new Set(
    differences.flatMap((difference) =>
      difference.change === "different" && difference.property === "generated"
        ? [`${difference.kind} ${shortName(difference.name)}`]
        : [],
    ),
  );
  return (await dropsIn(sql))
    .filter(({ kind }) => kind !== "sequence")
    .filter(({ path }) => !schemas.some((schema) => `${shortPath(path)}`.startsWith(schema)))
    .map(({ kind, path }) => `${kind === "attribute" ? "type attribute" : kind} ${shortPath(path)}`)
    .filter((what) => !made.has(what) && !computed.has(what));
}

/** What the migration dropped: it comes back, its rows do not. A line each. */
export function emptyReturns(differences: readonly Difference[]): readonly string[] {
  return differences.flatMap((difference) =>
    difference.change === "missing" && holdsRows(difference)
      ? [
          `${difference.kind} ${shortName(difference.name)}${obstacle(difference.kind, difference.expected)}`,
        ]
      : [],
  );
}

const HOLDING: ReadonlySet<string> = new Set(["table", "column", "sequence", "foreign table"]);

function holdsRows({ kind, expected }: Difference & { readonly change: "missing" }): boolean {
  return HOLDING.has(kind) && !isGenerated(expected);
}

function isGenerated(definition: string | undefined): boolean {
  return /\bgenerated always as \(/.test(definition ?? "");
}

function isColumnType({ kind, property }: Difference & { readonly change: "different" }): boolean {
  return kind === "column" && property === "type";
}

/** A column that cannot be added to a table with rows; a sequence that begins anew. */
function obstacle(kind: string, definition = ""): string {
  if (kind === "sequence") return " (it begins anew: set it behind the largest value in use)";
  return / not null\b/.test(definition) && !/ default | identity|generated /.test(definition)
    ? " (not null, without a default: fails where the table has rows)"
    : "";
}

/** As people say it: `users.bio` for `public.users.bio`. */
function shortName(name: string): string {
  return name.replace(/^public\./, "");
}

/** As `Difference` writes names. */
function shortPath(path: readonly string[]): string {
  return shortName(path.map(quotedWhereNeeded).join("."));
}

function quotedWhereNeeded(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
