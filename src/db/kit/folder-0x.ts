import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { exists, readIfThere, readText } from "../base/files.ts";
import {
  downFileOf,
  type JournalEntry,
  loadHistory,
  type MigrateError,
  readJournal,
  type Tag,
} from "../migrate/index.ts";
import { forkFact, forkRemedy, forksOf, linkOf } from "./chain.ts";
import {
  brokenSnapshot,
  codeStandIns,
  JOURNAL,
  type KitFolder,
  newestUnknown,
  noSnapshots,
  refusal,
  SUM,
} from "./kit-folder.ts";
import { isSnapshot, parseSnapshot, type Snapshot, snapshotOwners } from "./snapshots.ts";

/**
 * Reads a folder of the layout of 0.x.
 *
 * @param shown the folder as messages of the loader name it
 * @throws MigrateError `history_invalid`, `missing_file`, `config`
 */
export async function readJournaled(
  where: Pick<KitFolder, "layout" | "dir" | "path">,
  shown: string,
  sumFile: "check" | "ignore",
): Promise<KitFolder> {
  const { dir, path } = where;
  const journal = await readIfThere(join(path, JOURNAL));
  if (journal === undefined && (await exists(join(path, "meta")))) throw halfMade(dir);
  const history = await loadHistory(shown, { sumFile });
  const { entries } = readJournal(journal ?? "", `${dir}/${JOURNAL}`);
  refuseBadIndex(dir, entries);
  const paths = (await metaFiles(path)).filter(isSnapshot).toSorted();
  const owners = snapshotOwners(paths, entries);
  refuseOrphans(dir, paths, owners, entries);
  const last = entries.at(-1);
  if (last !== undefined && paths.length === 0)
    throw noSnapshots(`${dir}/meta`, `the journal ends with ${last.tag}`);
  const snapshots = await Promise.all(paths.map((file) => readSnapshot(dir, path, file)));
  const forks = forksOf(snapshots.map(linkOf));
  if (forks.length > 0) {
    const fact = forks.map((fork) => forkFact(dir, fork)).join("\n");
    throw refusal("history_invalid", { fact, remedy: forkRemedy(dir, forks) });
  }
  const newest = snapshots.at(-1);
  const owning = new Set(owners.values());
  return {
    ...where,
    journal,
    sum: await readIfThere(join(path, SUM)),
    entries,
    files: [
      ...(await metaFiles(path)).filter(isSnapshot),
      ...entries.flatMap(({ tag }) => [`${tag}.sql`, downFileOf(tag, "0.x")]),
    ],
    code: codeStandIns(shown, history),
    snapshots,
    ends: newest === undefined ? [] : [newest],
    withoutSnapshot: entries.map(({ tag }) => tag).filter((tag) => !owning.has(tag)),
    warnings: newestUnknown(last?.tag, owners.get(newest?.path ?? ""), newest),
  };
}

async function metaFiles(path: string): Promise<readonly string[]> {
  return (await readdir(join(path, "meta"))).map((name) => `meta/${name}`);
}

async function readSnapshot(dir: string, path: string, file: string): Promise<Snapshot> {
  const snapshot = parseSnapshot(file, await readText(join(path, file)));
  if (typeof snapshot !== "string") return snapshot;
  throw brokenSnapshot(`${dir}/${file}`, snapshot);
}

/** drizzle-kit makes a journal where there is no `meta`, and fails where that is all there is. */
function halfMade(dir: string): MigrateError {
  return refusal("history_invalid", {
    fact: `${dir}/meta exists, but ${dir}/${JOURNAL} does not.`,
    remedy:
      `Restore the journal (\`git log --stat -- ${dir}/meta\` shows what became of it). ` +
      `If a first generate was killed, delete ${dir}/meta and the .sql file that it left.`,
  });
}

/** drizzle-kit compares the schema with the last snapshot by name, whatever the journal says. */
function refuseOrphans(
  dir: string,
  paths: readonly string[],
  owners: ReadonlyMap<string, Tag>,
  entries: readonly JournalEntry[],
): void {
  const lastOwned = paths.findLastIndex((path) => owners.has(path));
  const orphans = paths.slice(lastOwned + 1);
  // Where none is known by its name, names say nothing.
  if (orphans.length === 0 || (lastOwned < 0 && entries.length > 0)) return;
  throw refusal("history_invalid", {
    fact: `${dir} has snapshots that belong to no migration: ${orphans.join(", ")}.`,
    remedy:
      `drizzle-kit would compare the schema with the last of them. \`git log -p -- ${dir}/${JOURNAL}\` shows whether the journal had an entry for it: ` +
      "restore that, since its migration may be applied. If it never had one, a killed generate left the snapshot: delete it, and the .sql file of its number.",
  });
}

function refuseBadIndex(dir: string, entries: readonly JournalEntry[]): void {
  const last = entries.at(-1);
  if (last === undefined || Number.isInteger(last.idx)) return;
  throw refusal("history_invalid", {
    fact: `The last entry of ${dir}/${JOURNAL} (${last.tag}) has no number \`idx\`, from which drizzle-kit continues.`,
    remedy: "Number the entries from 0.",
  });
}
