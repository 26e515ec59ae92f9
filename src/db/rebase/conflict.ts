import { listed } from "../base/text.ts";
import { MigrateError, type Migration, type Tag } from "../migrate/index.ts";
import { overlapsOf, type Touch, touchesOf } from "../sql-tree/touched.ts";

/** What a moved migration and one of the base both change. */
export interface Overlap {
  /** The base's migration. */
  readonly with: Tag;
  readonly own: Touch;
  readonly theirs: Touch;
}

/** By the tags of the moved migrations. */
export type Overlaps = ReadonlyMap<Tag, readonly Overlap[]>;

type Text = Pick<Migration, "tag" | "sql">;

/** What the SQL of moved migrations changes that the base's new ones change too. */
export async function readOverlaps(
  own: readonly Text[],
  theirs: readonly Text[],
): Promise<Overlaps> {
  const others = await Promise.all(
    theirs.map(async ({ tag, sql }) => ({ tag, touches: await touchesOf(sql) })),
  );
  const found = own.map(async ({ tag, sql }) => {
    const touches = await touchesOf(sql);
    const overlaps = others.flatMap((other) =>
      overlapsOf(touches, other.touches).map(([mine, its]) => ({
        with: other.tag,
        ...{ own: mine, theirs: its },
      })),
    );
    return [tag, unique(overlaps)] as const;
  });
  return new Map(await Promise.all(found));
}

/** One for each two statements: of a table and its column the column. */
function unique(overlaps: readonly Overlap[]): readonly Overlap[] {
  const byKey = new Map<string, Overlap>();
  for (const one of overlaps) {
    const key = `${one.with} ${one.theirs.statement} ${one.own.statement}`;
    const known = byKey.get(key);
    if (known === undefined || width(known) < width(one)) byKey.set(key, one);
  }
  return [...byKey.values()];
}

function width({ own, theirs }: Overlap): number {
  return own.name.length + theirs.name.length;
}

/** `0007_people renames users (statement 1), and 0008_nick changes users (statement 1)`. */
export function overlapText(tag: Tag, { with: other, own, theirs }: Overlap): string {
  return `${other} ${theirs.how} ${theirs.name} (statement ${theirs.statement}), and ${tag} ${own.how} ${own.name} (statement ${own.statement})`;
}

interface Situation {
  readonly ref: string;
  readonly overlaps: Overlaps;
}

/** A moved migration does not run behind the base's. */
export function conflictOf(
  error: MigrateError,
  { tag, file }: Migration,
  { ref, overlaps }: Situation,
): MigrateError {
  const both = overlaps.get(tag) ?? [];
  const statement = error.recorded?.statement ?? undefined;
  const ofStatement = both.filter(({ own }) => own.statement === statement);
  const shown = ofStatement.length > 0 ? ofStatement : both;
  const why =
    shown.length === 0
      ? ""
      : `\nBoth sides change the same: ${listed(
          shown.map((one) => overlapText(tag, one)),
          "; ",
        )}.`;
  return new MigrateError({
    code: "conflict",
    tag,
    fact: `${tag} does not run behind the migrations of ${ref}:\n${error.failure}${why}`,
    outcome: "nothing-written",
    remedy: editRemedy(file),
    recorded: error.recorded,
    cause: error,
  });
}

/** @param file as it is called now */
function editRemedy(file: string): string {
  return `If nobody has applied it, edit ${file} so that it fits what is there by then, and run \`tidemark rebase\` again; or delete it, run \`tidemark rebase\` for the rest, and generate it again with \`tidemark generate\`.`;
}

/** The result is not what the Drizzle schema says, and both sides changed the same. */
export function disagreement(
  ref: string,
  conflicts: readonly string[],
  differences: readonly string[],
): MigrateError {
  const found = differences.length === 0 ? "" : `\n  ${listed(differences, "\n  ")}`;
  return new MigrateError({
    code: "conflict",
    fact: `${ref} and this branch both change the same (${listed(conflicts, "; ")}), and once all have run the database is not what the Drizzle schema says:${found}`,
    outcome: "nothing-written",
    remedy:
      "Decide what it shall be: correct the schema files, or the SQL of your own migration (if nobody has applied it), and run `tidemark rebase` again.",
  });
}
