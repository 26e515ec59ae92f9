import { withoutBom } from "../../base/files.ts";
import { messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";
import type { Tag } from "../types.ts";

/** An entry of drizzle-kit's `meta/_journal.json`, with whatever else it holds. */
export interface JournalEntry {
  readonly tag: Tag;
  /** drizzle-kit's number; absent where it has none. */
  readonly idx?: number;
  /** drizzle-kit's time, in milliseconds since 1970; absent where it has none. */
  readonly when?: number;
}

/** A journal that can be read, though perhaps not run. */
interface Journal {
  /** Those with a usable tag, in their order. */
  readonly entries: readonly JournalEntry[];
  /** Why it cannot be run: bad tags, tags or numbers that occur twice. */
  readonly problems: readonly string[];
}

/**
 * Reads a 0.x journal. The order of the entries is the history's order: in real projects
 * `idx` may be missing and `when` may go backwards, so neither decides anything.
 *
 * @throws MigrateError `history_invalid`, with every problem in one message.
 */
export function parseJournal(text: string, file: string): readonly JournalEntry[] {
  const { entries, problems } = readJournal(text, file);
  refuseOtherKinds(text, file);
  if (problems.length > 0) throw invalid(file, problems.join("; "));
  return entries;
}

/**
 * Reads a journal as far as possible, for tools that report on a folder that cannot be run.
 *
 * @throws MigrateError `history_invalid` where it has no list of entries
 */
export function readJournal(text: string, file: string): Journal {
  const found: JournalEntry[] = [];
  const problems: string[] = [];
  const seenTags = new Map<string, number>();
  const seenIndexes = new Map<number, number>();
  for (const [i, entry] of readEntries(text, file).entries()) {
    const { tag, idx, when, ...rest } = (entry ?? {}) as Readonly<Record<string, unknown>>;
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
    found.push({
      ...rest,
      tag,
      ...(typeof idx === "number" && { idx }),
      ...(typeof when === "number" && { when }),
    });
  }
  return { entries: found, problems };
}

/** The journal's text, with another time in its last entry. */
export function redated(text: string, when: number): string {
  const journal = JSON.parse(withoutBom(text)) as { entries: { when?: number }[] };
  Object.assign(journal.entries.at(-1) ?? {}, { when });
  return JSON.stringify(journal, null, 2);
}

function readEntries(text: string, file: string): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(withoutBom(text));
  } catch (error) {
    throw invalid(file, `it is not JSON (${messageOf(error)})`, error);
  }
  const entries = (parsed as { entries?: unknown } | null)?.entries;
  if (!Array.isArray(entries)) throw invalid(file, "it has no list `entries`");
  return entries;
}

/** Of drizzle-kit 0.x; older ones wrote `pg`. */
const DIALECTS: readonly unknown[] = ["postgresql", "pg", undefined];
const VERSIONS: readonly unknown[] = ["5", "6", "7", undefined];

/** Another database's files would be run here, or what this version has never seen. */
function refuseOtherKinds(text: string, file: string): void {
  const { dialect, version } = JSON.parse(withoutBom(text)) as Readonly<Record<string, unknown>>;
  if (!DIALECTS.includes(dialect)) {
    throw new MigrateError({
      code: "history_invalid",
      fact: `${file} is of the dialect ${JSON.stringify(dialect)}: its migrations are not for PostgreSQL.`,
      outcome: "nothing-run",
      remedy:
        "Name the folder of the PostgreSQL migrations with --dir, or as `out` in drizzle.config.ts.",
    });
  }
  if (VERSIONS.includes(typeof version === "number" ? String(version) : version)) return;
  throw new MigrateError({
    code: "history_invalid",
    fact: `${file} has the version ${JSON.stringify(version)}; 5, 6 and 7 are known.`,
    outcome: "nothing-run",
    remedy: "Install a newer Tidemark, which knows the drizzle-kit that wrote it.",
  });
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
      "After a merge, `tidemark rebase --base <branch>` puts the migrations of both branches in order; " +
      "`git log -p` on the file shows its earlier versions.",
    cause,
  });
}
