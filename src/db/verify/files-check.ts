import { downFileOf } from "../migrate/index.ts";
import type { Base, FolderState } from "./folder.ts";
import { type Entry, entriesOf, JOURNAL } from "./journal.ts";
import { lineOf } from "./place.ts";
import { snapshotFindings } from "./snapshot-findings.ts";
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
    ...snapshotFindings(folder, entries),
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
          ? `Its migration is gone. If that may be applied, bring it back (\`git log -p\` of ${JOURNAL}); else delete this file too.`
          : `If it should run, bring its entry back: \`git log -p\` of ${JOURNAL} shows whether it had one. Keep what is run by hand in another folder.`,
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
