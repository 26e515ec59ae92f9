import { listed } from "../base/text.ts";
import type { DraftedMigration } from "../kit/index.ts";
import { MigrateError, type Migration, type Tag } from "../migrate/index.ts";
import { dropsIn } from "../sql-tree/drops.ts";
import { namesMade } from "../sql-tree/made.ts";
import { shortName } from "../sql-tree/tree.ts";
import { isDuplicate } from "./prove.ts";

/** A migration that was drafted and is not in its folder yet. */
export type Drafted = Pick<
  DraftedMigration,
  "tag" | "file" | "sql" | "comparedWith" | "withoutSnapshot"
>;

/**
 * Whether an error on a scratch database is the draft's own: it fails wherever its history was run.
 * A missing type, function or table may come from an extension or be made by hand elsewhere, and
 * another server may be able to do what this one cannot.
 */
export function isOwnError(error: unknown, { tag }: Drafted): error is MigrateError {
  if (!(error instanceof MigrateError) || error.tag !== tag) return false;
  if (error.code !== "migration_failed") return REFUSED.has(error.code);
  const state = error.recorded?.sqlState ?? "";
  return OWN_CLASSES.has(state.slice(0, 2)) && !MAY_BE_ELSEWHERE.has(state);
}

/** The engine refuses to run it. */
const REFUSED: ReadonlySet<string> = new Set(["unsupported_statement", "history_invalid"]);

// Data exception, integrity violation, dependent objects still exist, syntax error or access rule violation.
const OWN_CLASSES: ReadonlySet<string> = new Set(["22", "23", "2B", "42"]);

// A value that this server does not accept (a version of an extension); rights; an object, function or
// table that does not exist.
const MAY_BE_ELSEWHERE: ReadonlySet<string> = new Set([
  "22023",
  "42501",
  "42704",
  "42883",
  "42P01",
]);

const CORRECT =
  "Correct the schema and generate again. To correct the SQL by hand instead, run `tidemark generate --no-down`, edit the new file, and run `tidemark down-file <tag>` to prove it.";

const CATCH_UP =
  "If the schema only catches up with what exists, run `tidemark generate --no-down` (its snapshot tells drizzle-kit), delete from the new file what exists already (leave a comment if nothing is left), and run `tidemark down-file <tag>` to prove it.";

/** The error of a draft that was tried, failed by its own fault, and is not kept. */
export async function refusedDraft(
  error: MigrateError,
  draft: Drafted,
  before: readonly Migration[],
): Promise<MigrateError> {
  const { code, recorded } = error;
  if (recorded === undefined) return error;
  const text = error.failure;
  const clash = isDuplicate(error) ? await clashText(draft, before, recorded.statement) : undefined;
  return new MigrateError({
    code,
    tag: draft.tag,
    outcome: "nothing-written",
    fact: clash === undefined ? text : `${text}\n${clash}`,
    remedy: clash === undefined ? CORRECT : CATCH_UP,
    recorded: { ...recorded, text },
    cause: error,
  });
}

/** Which migrations already make what the draft makes. */
async function clashText(
  draft: Drafted,
  before: readonly Migration[],
  statement: number | null,
): Promise<string> {
  const made = await namesMade(draft.sql);
  const makers = await makersOf(before);
  const byMaker = new Map<Tag, string[]>();
  for (const name of new Set(made.flat())) {
    const tag = makers.get(name);
    if (tag !== undefined) byMaker.set(tag, [...(byMaker.get(tag) ?? []), name]);
  }
  const failed = statement === null ? made.flat() : (made[statement - 1] ?? []);
  if (failed.some((name) => makers.has(name))) {
    return [...byMaker]
      .map(([tag, names]) => `${madeText(draft, tag)}: ${listed(withoutParts(names))}.`)
      .join("\n");
  }
  // A DO block may have made it.
  return draft.withoutSnapshot.length === 0
    ? "It exists already when this migration runs, and the newest snapshot does not have it."
    : `It exists already when this migration runs. These have no snapshot, so drizzle-kit does not know what they make: ${listed(draft.withoutSnapshot)}.`;
}

/** Which migration made what exists, by its name, once all have run. */
async function makersOf(migrations: readonly Migration[]): Promise<ReadonlyMap<string, Tag>> {
  const makers = new Map<string, Tag>();
  for (const { tag, sql } of migrations) {
    for (const name of (await namesMade(sql)).flat()) makers.set(name, tag);
    for (const { path } of await dropsIn(sql)) {
      const dropped = shortName(path);
      for (const name of [...makers.keys()]) {
        if (name === dropped || name.startsWith(`${dropped}.`)) makers.delete(name);
      }
    }
  }
  return makers;
}

function madeText({ withoutSnapshot, comparedWith }: Drafted, tag: Tag): string {
  return withoutSnapshot.includes(tag)
    ? `Already made by ${tag}, which has no snapshot, so drizzle-kit does not know about it`
    : `Already made by ${tag}, but missing from ${comparedWith ?? "the newest snapshot"}, which drizzle-kit compares the schema with`;
}

/** A table stands for its columns. */
function withoutParts(names: readonly string[]): readonly string[] {
  return names.filter((name) => !names.some((whole) => name.startsWith(`${whole}.`)));
}
