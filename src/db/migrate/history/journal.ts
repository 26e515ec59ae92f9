import { messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";
import type { Tag } from "../types.ts";

/** An entry of drizzle-kit's `meta/_journal.json`, as far as it decides anything here. */
export interface JournalEntry {
  readonly tag: Tag;
}

/**
 * Reads a 0.x journal. The order of the entries is the history's order: `idx` may
 * be missing and `when` may go backwards in real projects, so neither is used.
 *
 * @throws MigrateError `history_invalid`, with every problem in one message.
 */
export function parseJournal(text: string, file: string): readonly JournalEntry[] {
  const entries = readEntries(text, file);
  const problems: string[] = [];
  const tags: Tag[] = [];
  const seenTags = new Map<string, number>();
  const seenIndexes = new Map<number, number>();
  for (const [i, entry] of entries.entries()) {
    const { tag, idx } = (entry ?? {}) as { tag?: unknown; idx?: unknown };
    if (typeof tag !== "string" || !isPlainName(tag)) {
      problems.push(`entry ${i} has the tag ${JSON.stringify(tag)}, which is not a file name`);
      continue;
    }
    const twin = seenTags.get(tag);
    if (twin !== undefined) problems.push(`the tag ${tag} is in entries ${twin} and ${i}`);
    seenTags.set(tag, i);
    if (typeof idx === "number") {
      const same = seenIndexes.get(idx);
      if (same !== undefined) {
        problems.push(`the index ${idx} is in entries ${same} and ${i} (${tag})`);
      }
      seenIndexes.set(idx, i);
    }
    tags.push(tag);
  }
  if (problems.length > 0) throw invalid(file, problems.join("; "));
  return tags.map((tag) => ({ tag }));
}

function readEntries(text: string, file: string): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(file, `it is not JSON (${messageOf(error)})`, error);
  }
  const entries = (parsed as { entries?: unknown } | null)?.entries;
  if (!Array.isArray(entries)) throw invalid(file, "it has no list `entries`");
  return entries;
}

/** A tag names a file of the folder: nothing that leads out of it. */
function isPlainName(tag: string): boolean {
  return tag !== "" && tag !== "." && tag !== ".." && !/[/\\\0\r\n]/.test(tag);
}

function invalid(file: string, reason: string, cause?: unknown): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `${file} is not a usable journal: ${reason}.`,
    outcome: "nothing-run",
    remedy:
      "After a merge, keep the entries of both branches, each once; " +
      "`git log -p` on the file shows its earlier versions.",
    cause,
  });
}
