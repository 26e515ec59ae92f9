import { plural } from "../base/text.ts";
import { downFileOf, type Layout } from "../migrate/index.ts";
import { branchFindings } from "./branch-findings.ts";
import { entriesOf, JOURNAL, layoutOf, sqlPathOf } from "./entries.ts";
import type { Finding, Outcome } from "./findings.ts";
import { type Base, type FolderState, findingIn } from "./folder-state.ts";
import { snapshotFindings } from "./snapshot-findings.ts";

/** The SQL files, the snapshots and a journal agree. What the base has already is a warning. */
export function checkFiles(folder: FolderState, base: Base | undefined): Outcome {
  const known = new Set(base === undefined ? [] : problemsOf(base.fork).map(({ fact }) => fact));
  const findings = problemsOf(folder).map(
    (problem): Finding => (known.has(problem.fact) ? { ...problem, level: "warning" } : problem),
  );
  return { findings, detail: plural(entriesOf(folder)?.length ?? 0, "migration") };
}

function problemsOf(folder: FolderState): readonly Finding[] {
  const tags = entriesOf(folder)?.map(({ tag }) => tag);
  if (tags === undefined) return [noJournal(folder)];
  return layoutOf(folder) === "1.x"
    ? [...straySql(folder, tags), ...branchFindings(folder, tags)]
    : [...missingSql(folder, tags), ...straySql(folder, tags), ...snapshotFindings(folder, tags)];
}

function noJournal(folder: FolderState): Finding {
  const file = `${folder.dir}/${JOURNAL}`;
  const names = [...folder.files.keys()];
  if (!names.some((name) => name.startsWith("meta/") || name.endsWith(".sql"))) {
    const remedy = "`tidemark generate` writes the first one.";
    return { level: "error", fact: `${folder.dir} holds no migration.`, remedy };
  }
  return findingIn(
    folder,
    JOURNAL,
    folder.files.has(JOURNAL)
      ? {
          fact: `${file} is no journal: it cannot be read as JSON.`,
          remedy:
            "After a merge, `tidemark rebase --base <branch>` puts the migrations of both branches in order.",
        }
      : {
          fact: `${file} is missing.`,
          remedy:
            "Restore it (`git log --stat` shows what became of it); `tidemark generate` makes one with a first migration.",
        },
  );
}

function missingSql(folder: FolderState, tags: readonly string[]): readonly Finding[] {
  return tags
    .filter((tag) => !folder.files.has(`${tag}.sql`))
    .map((tag) =>
      findingIn(folder, JOURNAL, {
        fact: `${folder.dir}/${JOURNAL} has the entry ${tag}, but ${tag}.sql is missing.`,
        remedy: "Restore the file, or remove the entry if it was never applied anywhere.",
        at: `"${tag}"`,
      }),
    );
}

const OTHERS: ReadonlySet<string> = new Set(["event-sink.sql", "before.sql"]);

function straySql(folder: FolderState, tags: readonly string[]): readonly Finding[] {
  const layout = layoutOf(folder);
  const known = new Set(tags.flatMap((tag) => [sqlPathOf(folder, tag), downFileOf(tag, layout)]));
  return (
    [...folder.files.keys()]
      .filter((name) => name.endsWith(".sql") && !known.has(name) && !OTHERS.has(name))
      // In the layout of 0.x, folders may hold anything.
      .filter((name) => layout === "1.x" || !name.includes("/"))
      .toSorted()
      .map((name) => findingIn(folder, name, strayText(folder.dir, name, layout)))
  );
}

function strayText(dir: string, name: string, layout: Layout) {
  const isDown = name.endsWith(".down.sql");
  if (layout === "1.x") {
    return {
      fact: `${dir}/${name} belongs to no migration, and is never run.`,
      remedy: isDown
        ? "If `drizzle-kit up` has moved its migration, put it beside the migration.sql, as migration.down.sql, and run `tidemark sum`. Otherwise delete it."
        : "Migrations lie in folders of their own. Keep files that are run by hand in another folder.",
    };
  }
  return {
    fact: `${dir}/${name} has no entry in ${JOURNAL}, and is never run.`,
    remedy: isDown
      ? `Its migration is gone. If that may be applied, restore it (\`git log -p\` of ${JOURNAL}); otherwise delete this file too.`
      : `If it should run, restore its entry: \`git log -p\` of ${JOURNAL} shows whether it had one. Keep files that are run by hand in another folder.`,
  };
}
