import type { Base, FolderState } from "./folder.ts";
import { type Entry, entriesOf, JOURNAL } from "./journal.ts";
import type { Finding, Outcome } from "./types.ts";

const NO_BASE = "name the branch with --base";

/** Tags that the base does not have. Without a base, undefined: nobody knows. */
export function newTags(
  folder: FolderState,
  base: Base | undefined,
): ReadonlySet<string> | undefined {
  if (base === undefined) return undefined;
  const known = new Set((entriesOf(base.tip) ?? []).map(({ tag }) => tag));
  return new Set((entriesOf(folder) ?? []).map(({ tag }) => tag).filter((tag) => !known.has(tag)));
}

/** Whatever the base has may be applied somewhere: it stays as it is. */
export function checkUnedited(folder: FolderState, base: Base | undefined): Outcome {
  if (base === undefined) return { findings: [], detail: NO_BASE, skipped: true };
  const ours = new Set((entriesOf(folder) ?? []).map(({ tag }) => tag));
  const atFork = entriesOf(base.fork) ?? [];
  const gone = atFork
    .filter(({ tag }) => !ours.has(tag))
    .map(({ tag }) =>
      finding(folder, JOURNAL, {
        fact: `${tag} is in ${base.ref} and not here.`,
        remedy: `It may be applied somewhere: restore it (\`git checkout ${base.ref} -- ${folder.dir}\`), and take it back with a new migration.`,
      }),
    );
  const edited = (entriesOf(base.tip) ?? []).flatMap(({ tag }) => {
    const name = `${tag}.sql`;
    const [here, there] = [folder.files.get(name), base.tip.files.get(name)];
    if (here === undefined || there === undefined || plain(here) === plain(there)) return [];
    const line = firstDifference(plain(here), plain(there));
    return [
      finding(folder, name, {
        fact: `${folder.dir}/${name} is not as ${base.ref} has it, from line ${line} on.`,
        remedy: `It may be applied somewhere, where the edit never arrives: restore it (\`git checkout ${base.ref} -- ${folder.dir}/${name}\`), and make the change a new migration.`,
        line,
      }),
    ];
  });
  return { findings: [...gone, ...edited], detail: `against ${base.ref}` };
}

/** Line ends and a BOM are no change: the checksum does not see them either. */
function plain(text: string): string {
  return text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
}

function firstDifference(here: string, there: string): number {
  const lines = there.split("\n");
  const place = here.split("\n").findIndex((line, index) => line !== lines[index]);
  return place === -1 ? lines.length : place + 1;
}

/** What is new comes last, in the journal and by its times. */
export function checkOrder(folder: FolderState, base: Base | undefined): Outcome {
  const entries = entriesOf(folder) ?? [];
  if (base === undefined)
    return { findings: timesGoingBack(folder, entries, undefined), detail: NO_BASE, skipped: true };
  const theirs = entriesOf(base.tip) ?? [];
  const isTheirs = new Set(theirs.map(({ tag }) => tag));
  const news = new Set(entries.map(({ tag }) => tag).filter((tag) => !isTheirs.has(tag)));
  const here = new Set(entries.map(({ tag }) => tag));
  const newest = theirs.findLast(({ tag }) => here.has(tag));
  const behind = theirs.filter(({ tag }) => !here.has(tag));
  const last = entries.findIndex(({ tag }) => tag === newest?.tag);
  return {
    findings: [
      ...entries
        .filter(({ tag }, place) => news.has(tag) && place < last)
        .map(({ tag }) => tooEarly(folder, base, tag, newest?.tag)),
      ...(news.size === 0 || behind.length === 0
        ? []
        : [...news].map((tag) => tooEarly(folder, base, tag, behind.at(-1)?.tag))),
      ...timesGoingBack(folder, entries, news),
    ],
    detail: `${news.size} new`,
  };
}

function tooEarly(folder: FolderState, { ref }: Base, tag: string, newest = ""): Finding {
  return finding(folder, `${tag}.sql`, {
    fact: `${tag} is older than ${newest}, the newest of ${ref}.`,
    remedy: `A database that has ${newest} would refuse it as out of order. Merge ${ref}, delete the migration here (SQL, down file, snapshot, journal entry), and generate it again with \`tidemark generate\`.`,
  });
}

/** drizzle's own migrator goes by these times; old entries that go back are as they are. */
function timesGoingBack(
  folder: FolderState,
  entries: readonly Entry[],
  news: ReadonlySet<string> | undefined,
): readonly Finding[] {
  let latest: Entry | undefined;
  const findings: Finding[] = [];
  for (const entry of entries) {
    if (latest !== undefined && entry.when <= latest.when && news?.has(entry.tag) !== false) {
      findings.push({
        ...finding(folder, JOURNAL, {
          fact: `${entry.tag} has the time ${entry.when} in ${folder.dir}/${JOURNAL}, which is not after the ${latest.when} of ${latest.tag} before it.`,
          remedy: `drizzle's own migrator would skip it in silence. Set its \`when\` to a later time (\`${latest.when + 1}\`), or generate it again.`,
          line: lineOfTag(folder, entry.tag),
        }),
        level: news === undefined ? "warning" : "error",
      });
    }
    if (latest === undefined || entry.when > latest.when) latest = entry;
  }
  return findings;
}

function lineOfTag({ files }: FolderState, tag: string): number {
  const text = files.get(JOURNAL) ?? "";
  return text.slice(0, Math.max(0, text.indexOf(`"${tag}"`))).split("\n").length;
}

function finding(
  { dir }: FolderState,
  path: string,
  parts: { readonly fact: string; readonly remedy: string; readonly line?: number },
): Finding {
  return { level: "error", file: `${dir}/${path}`, ...parts };
}
