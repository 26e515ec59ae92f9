import type { DrizzleRow, JudgedRow } from "../adopt-types.ts";
import { drizzleHashes } from "../history/drizzle-hash.ts";
import { isFolderTag } from "../history/layout.ts";
import type { Migration, Tag } from "../types.ts";

/**
 * Which migration each row of drizzle's table is of. A migration has one row at most.
 *
 * The text decides, as drizzle hashes it or with other line ends, together with the time; in 1.x the name.
 * Where that is so of any row, the text alone is enough for the others. Only then, of what is left over: a row
 * that has the tag in the place of a hash, and one that has the time of a file whose text is another now.
 *
 * @param rows in the order of their numbers
 */
export function judgeRows(
  rows: readonly DrizzleRow[],
  migrations: readonly Migration[],
): readonly JudgedRow[] {
  const files = migrations.map((migration) => ({ ...migration, hashes: drizzleHashes(migration) }));
  const judged = new Map<DrizzleRow, JudgedRow>();
  const claimed = new Set<Tag>();
  const give = (verdict: (row: DrizzleRow, file: HashedFile) => Claim | undefined) => {
    for (const row of rows) {
      if (judged.has(row)) continue;
      for (const file of files) {
        const found = claimed.has(file.tag) ? undefined : verdict(row, file);
        if (found === undefined) continue;
        claimed.add(file.tag);
        judged.set(row, { ...row, verdict: found, tag: file.tag });
        break;
      }
    }
  };
  give((row, { tag, hashes }) => {
    if (row.name !== tag) return undefined;
    return hashes.has(row.hash) ? "matched" : "edited";
  });
  give((row, file) => (file.hashes.has(row.hash) && isAt(row, file) ? "matched" : undefined));
  // What is there twice must not stand for another file of the same text.
  for (const row of rows) {
    const twin = files.find((file) => file.hashes.has(row.hash) && isAt(row, file));
    if (!judged.has(row) && twin !== undefined) {
      judged.set(row, { ...row, verdict: "duplicate", tag: twin.tag });
    }
  }
  // Another project may have files of the same text: where no time is right, the text says little.
  const isSure = claimed.size > 0;
  give((row, { hashes, when }) => {
    if (!hashes.has(row.hash)) return undefined;
    return isSure || when === undefined ? "matched" : "retimed";
  });
  give((row, { tag }) => (row.hash === tag ? "marked" : undefined));
  give((row, file) => (isAt(row, file) ? "edited" : undefined));
  return rows.map((row) => judged.get(row) ?? { ...row, ...leftOver(row, files) });
}

type Claim = "matched" | "edited" | "marked" | "retimed";

type HashedFile = Migration & { readonly hashes: ReadonlySet<string> };

/** A second row of a migration, or one of none. */
function leftOver(
  row: DrizzleRow,
  files: readonly HashedFile[],
): { readonly verdict: "duplicate"; readonly tag: Tag } | { readonly verdict: "unknown" } {
  const twin = files.find(
    ({ tag, hashes }) => row.name === tag || hashes.has(row.hash) || row.hash === tag,
  );
  return twin === undefined ? { verdict: "unknown" } : { verdict: "duplicate", tag: twin.tag };
}

/** The names of 1.x folders have times to the second; 0.x has written milliseconds. */
function isAt({ createdAt }: DrizzleRow, { tag, when }: Migration): boolean {
  if (when === undefined || createdAt === null) return false;
  return createdAt === when || (isFolderTag(tag) && Math.floor(createdAt / 1000) * 1000 === when);
}
