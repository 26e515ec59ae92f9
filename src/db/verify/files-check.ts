import { downFileOf } from "../migrate/index.ts";
import type { Base, FolderState } from "./folder.ts";
import {
  type Entry,
  entriesOf,
  JOURNAL,
  type Snapshot,
  snapshotAt,
  snapshotPath,
} from "./journal.ts";
import type { Finding, Outcome } from "./types.ts";

/** The journal, the SQL files and the snapshots agree. What the base has already is a warning. */
export function checkFiles(folder: FolderState, base: Base | undefined): Outcome {
  const known = new Set(base === undefined ? [] : problemsOf(base.fork).map(({ fact }) => fact));
  const findings = problemsOf(folder).map(
    (problem): Finding => (known.has(problem.fact) ? { ...problem, level: "warning" } : problem),
  );
  const { length } = entriesOf(folder) ?? [];
  return { findings, detail: `${length} migration${length === 1 ? "" : "s"}` };
}

function problemsOf(folder: FolderState): readonly Finding[] {
  const entries = entriesOf(folder);
  if (entries === undefined) {
    const there = folder.files.has(JOURNAL);
    return [
      error(folder, JOURNAL, there ? "is no journal: it cannot be read as JSON" : "is not there", {
        remedy: there
          ? "Take a merge's marks out of it, and keep the entries of both sides in their order."
          : "Restore it (`git log --stat` shows what became of it); `tidemark generate` makes one with a first migration.",
      }),
    ];
  }
  return [
    ...missingSql(folder, entries),
    ...straySql(folder, entries),
    ...snapshotProblems(folder, entries),
  ];
}

function missingSql(folder: FolderState, entries: readonly Entry[]): readonly Finding[] {
  return entries
    .filter(({ tag }) => !folder.files.has(`${tag}.sql`))
    .map(({ tag }) =>
      error(folder, JOURNAL, `has the entry ${tag}, and ${tag}.sql is not there`, {
        remedy: "Restore the file, or take the entry out if it was never applied anywhere.",
        line: lineOf(folder.files.get(JOURNAL), `"${tag}"`),
      }),
    );
}

const OTHERS: ReadonlySet<string> = new Set(["event-sink.sql"]);

function straySql(folder: FolderState, entries: readonly Entry[]): readonly Finding[] {
  const known = new Set(entries.flatMap(({ tag }) => [`${tag}.sql`, downFileOf(tag)]));
  return [...folder.files.keys()]
    .filter((name) => name.endsWith(".sql") && !known.has(name) && !OTHERS.has(name))
    .toSorted()
    .map((name) =>
      error(folder, name, `has no entry in ${JOURNAL}, and is never run`, {
        remedy: name.endsWith(".down.sql")
          ? "Its migration is gone: delete it too."
          : "Delete it, or generate it again: `tidemark generate` writes the entry and the snapshot.",
      }),
    );
}

function snapshotProblems(folder: FolderState, entries: readonly Entry[]): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, string>();
  let before: Snapshot | undefined;
  let isChain = true;
  for (const entry of entries) {
    const path = snapshotPath(entry);
    const other = seen.get(path);
    seen.set(path, entry.tag);
    if (other !== undefined) {
      findings.push(
        error(folder, path, `would be the snapshot of ${other} and of ${entry.tag}`, {
          remedy: `Two branches have made a migration of the same number. ${REGENERATE}`,
        }),
      );
      continue;
    }
    const snapshot = snapshotAt(folder, path);
    if (typeof snapshot !== "object") {
      const fact =
        snapshot === undefined ? `of ${entry.tag} is not there` : `is no snapshot: ${snapshot}`;
      findings.push(
        error(folder, path, fact, {
          remedy:
            "Restore it (`git log --stat` shows what became of it): drizzle-kit works out the next migration from the newest.",
        }),
      );
      isChain = false;
      continue;
    }
    // Behind a gap nobody knows what it should follow.
    if (isChain && snapshot.prevId !== (before?.id ?? FIRST)) {
      findings.push(forked(folder, snapshot, before));
    }
    before = snapshot;
    isChain = true;
  }
  return [...findings, ...straySnapshots(folder, seen)];
}

/** What the first one follows. */
const FIRST = "00000000-0000-0000-0000-000000000000";
const REGENERATE =
  "Merge the base, delete the newer migration (SQL, down file, snapshot, journal entry), and generate it again with `tidemark generate`.";

function forked(folder: FolderState, { path, prevId }: Snapshot, before: Snapshot | undefined) {
  const expected =
    before === undefined ? "is the first" : `comes after ${before.path}, whose id is ${before.id}`;
  return error(folder, path, `${expected}, and follows ${prevId}`, {
    remedy: `The chain of snapshots forks: two branches have generated from the same one. ${REGENERATE}`,
    line: lineOf(folder.files.get(path), '"prevId"'),
  });
}

function straySnapshots(
  folder: FolderState,
  seen: ReadonlyMap<string, string>,
): readonly Finding[] {
  return [...folder.files.keys()]
    .filter((name) => /^meta\/.+_snapshot\.json$/.test(name) && !seen.has(name))
    .toSorted()
    .map((name) =>
      error(folder, name, `has no entry in ${JOURNAL}`, {
        remedy: "Delete it: its migration is gone, or a merge has lost the entry.",
      }),
    );
}

function error(
  { dir }: FolderState,
  path: string,
  fact: string,
  { remedy, line }: { readonly remedy: string; readonly line?: number | undefined },
): Finding {
  const file = `${dir}/${path}`;
  return { level: "error", fact: `${file} ${fact}.`, remedy, file, ...(line && { line }) };
}

/** The line that holds a text, from 1. */
function lineOf(text: string | undefined, part: string): number | undefined {
  const place = text?.indexOf(part) ?? -1;
  return place === -1 ? undefined : (text?.slice(0, place).split("\n").length ?? undefined);
}
