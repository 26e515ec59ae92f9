import { codeFilesOf, type JournalEntry, recordedSums, SUM_FILE } from "../migrate/index.ts";
import { sqlText } from "./converted.ts";
import { entriesOf, JOURNAL, layoutOf, sqlPathOf, tagsOf } from "./entries.ts";
import type { Finding, Outcome } from "./findings.ts";
import { type Base, type FolderState, findingIn } from "./folder-state.ts";

const NO_BASE = "name the branch with --base";

/** Tags that the base does not have; undefined without a base, where that is not known. */
export function newTags(
  folder: FolderState,
  base: Base | undefined,
): ReadonlySet<string> | undefined {
  if (base === undefined) return undefined;
  const known = new Set(tagsOf(base.tip));
  return new Set(tagsOf(folder).filter((tag) => !known.has(tag)));
}

/** Everything that the base has may be applied somewhere: it stays as it is. */
export function checkUnedited(folder: FolderState, base: Base | undefined): Outcome {
  if (base === undefined) return { findings: [], detail: NO_BASE, skipped: true };
  const ours = new Set(tagsOf(folder));
  const isNew = layoutOf(folder) === "1.x";
  const gone = tagsOf(base.fork)
    .filter((tag) => !ours.has(tag))
    .map((tag) =>
      findingIn(folder, isNew ? sqlPathOf(folder, tag) : JOURNAL, {
        fact: `${tag} is in ${base.ref} and not here.`,
        remedy: `It may be applied somewhere: restore it (\`git checkout ${base.ref} -- ${folder.dir}\`), and undo it with a new migration.`,
      }),
    );
  const edited = tagsOf(base.tip).flatMap((tag) => {
    const name = sqlPathOf(folder, tag);
    const [here, there] = [folder, base.tip].map(({ files }) => sqlText(files.get(name)));
    if (here === undefined || there === undefined || here === there) return [];
    const line = firstDifference(here.split("\n"), there.split("\n"));
    return [
      findingIn(folder, name, {
        fact: `${folder.dir}/${name} differs from ${base.ref}, from line ${line} on.`,
        remedy: `It may be applied somewhere, where the edit never arrives: restore it (\`git checkout ${base.ref} -- ${folder.dir}/${name}\`), and make the change a new migration.`,
        line,
      }),
    ];
  });
  const code = tagsOf(base.tip).flatMap((tag) => editedCode(folder, base, tag));
  return { findings: [...gone, ...edited, ...code], detail: `against ${base.ref}` };
}

/** Of code, comments and formatting may differ: where both have a sum, that tells. */
function editedCode(folder: FolderState, { tip, ref }: Base, tag: string): readonly Finding[] {
  return codeFilesOf(tag, layoutOf(folder)).flatMap((name) => {
    const [here, there] = [folder, tip].map(({ files }) => sqlText(files.get(name)));
    if (there === undefined || here === there) return [];
    const [own, theirs] = [folder, tip].map(({ files }) =>
      recordedSums(files.get(SUM_FILE) ?? "").get(name),
    );
    if (here !== undefined && own !== undefined && own === theirs) return [];
    return [
      findingIn(folder, name, {
        fact:
          here === undefined
            ? `${folder.dir}/${name} is in ${ref} and not here.`
            : `${folder.dir}/${name} differs from ${ref} in what it does.`,
        remedy: `It may be applied somewhere: restore it (\`git checkout ${ref} -- ${folder.dir}/${name}\`), and make the change a new migration.`,
      }),
    ];
  });
}

function firstDifference(here: readonly string[], there: readonly string[]): number {
  const at = here.findIndex((line, index) => line !== there[index]);
  return at === -1 ? there.length : at + 1;
}

/** New migrations come last, in the journal and by their times. */
export function checkOrder(folder: FolderState, base: Base | undefined): Outcome {
  const news = newTags(folder, base);
  const late = timesGoingBack(folder, news, base?.ref);
  if (base === undefined || news === undefined)
    return { findings: late, detail: NO_BASE, skipped: true };
  const here = tagsOf(folder);
  const theirs = tagsOf(base.tip);
  const newest = theirs.findLast((tag) => here.includes(tag));
  const missing = theirs.filter((tag) => !here.includes(tag));
  const early = here.slice(0, here.indexOf(newest ?? "") + 1).filter((tag) => news.has(tag));
  return {
    findings: [
      ...early.map((tag) => tooEarly(folder, base, tag, newest)),
      ...(missing.length === 0
        ? []
        : [...news].map((tag) => tooEarly(folder, base, tag, missing.at(-1)))),
      ...late,
    ],
    detail: `${news.size} new`,
  };
}

function tooEarly(folder: FolderState, { ref }: Base, tag: string, newest = ""): Finding {
  return findingIn(folder, sqlPathOf(folder, tag), {
    fact: `${tag} is older than ${newest}, the newest of ${ref}.`,
    remedy: `A database that has ${newest} would refuse it as out of order (\`tidemark migrate --allow-out-of-order\` runs it all the same). Merge ${ref}, then move it behind: \`tidemark rebase --base ${ref}\`.`,
  });
}

/** drizzle's own migrator goes by these times. Old entries are left alone. */
function timesGoingBack(
  folder: FolderState,
  news: ReadonlySet<string> | undefined,
  ref?: string,
): readonly Finding[] {
  let latest: Required<Pick<JournalEntry, "tag" | "when">> | undefined;
  const findings: Finding[] = [];
  // In the layout of 1.x the times are the names, which give the order.
  const entries = layoutOf(folder) === "1.x" ? [] : (entriesOf(folder) ?? []);
  for (const { tag, when = 0 } of entries) {
    if (latest !== undefined && when <= latest.when && news?.has(tag) !== false) {
      findings.push(
        findingIn(folder, JOURNAL, {
          level: news === undefined ? "warning" : "error",
          fact: `${tag} has the time ${when} in ${folder.dir}/${JOURNAL}, which is not after the ${latest.when} of ${latest.tag} before it.`,
          remedy: `drizzle's own migrator would silently skip it. Set its \`when\` to a later time (\`${latest.when + 1}\`)${ref === undefined ? ", or generate it again" : `: \`tidemark rebase --base ${ref}\` does so`}.`,
          at: `"${tag}"`,
        }),
      );
    }
    if (latest === undefined || when > latest.when) latest = { tag, when };
  }
  return findings;
}
