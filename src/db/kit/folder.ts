import { constants, copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { exists, ifThere, readIfThere } from "../base/files.ts";
import {
  downFileOf,
  type JournalEntry,
  loadHistory,
  MigrateError,
  type MigrateErrorCode,
  readJournal,
  type Tag,
} from "../migrate/index.ts";
import { forkFact, forkRemedy, forksOf } from "./chain.ts";
import { isSnapshot, parseSnapshot, type Snapshot, snapshotOwners } from "./snapshots.ts";

export const JOURNAL = "meta/_journal.json";
export const SUM = "tidemark.sum";

/** A migrations folder, as drizzle-kit's next migration finds it. */
export interface KitFolder {
  /** As messages name it. */
  readonly dir: string;
  readonly path: string;
  /** Text of the journal; undefined where there is none. */
  readonly journal: string | undefined;
  readonly sum: string | undefined;
  readonly entries: readonly JournalEntry[];
  /** The one that drizzle-kit compares the schema with: the last by name. */
  readonly newestSnapshot: Snapshot | undefined;
  /** Migrations that have no snapshot: drizzle-kit does not know what they make. */
  readonly withoutSnapshot: readonly Tag[];
  readonly warnings: readonly string[];
}

/**
 * Reads a migrations folder, and refuses one that the next migration cannot be built on: drizzle-kit
 * would build on it silently.
 *
 * @throws MigrateError `history_invalid`, `missing_file`, `config`
 */
export async function readKitFolder(
  cwd: string,
  dir: string,
  sumFile: "check" | "ignore" = "check",
): Promise<KitFolder> {
  const path = resolve(cwd, dir);
  if (await isNew(path)) {
    const nothing = { journal: undefined, sum: undefined, newestSnapshot: undefined };
    return { dir, path, ...nothing, entries: [], withoutSnapshot: [], warnings: [] };
  }
  const journal = await readIfThere(join(path, JOURNAL));
  if (journal === undefined && (await exists(join(path, "meta")))) throw halfMade(dir);
  await loadHistory(path === resolve(dir) ? dir : path, { sumFile });
  const { entries } = readJournal(journal ?? "", `${dir}/${JOURNAL}`);
  refuseBadIndex(dir, entries);
  const paths = (await metaFiles(path)).filter(isSnapshot).toSorted();
  const owners = snapshotOwners(paths, entries);
  refuseOrphans(dir, paths, owners, entries);
  const last = entries.at(-1);
  if (last !== undefined && paths.length === 0) throw noSnapshots(dir, last.tag);
  const snapshots = await Promise.all(paths.map((file) => readSnapshot(dir, path, file)));
  const forks = forksOf(snapshots);
  if (forks.length > 0) {
    const fact = forks.map((fork) => forkFact(dir, fork)).join("\n");
    throw refusal("history_invalid", { fact, remedy: forkRemedy(dir, forks) });
  }
  const newestSnapshot = snapshots.at(-1);
  const owner = owners.get(newestSnapshot?.path ?? "");
  const owning = new Set(owners.values());
  return {
    dir,
    path,
    journal,
    sum: await readIfThere(join(path, SUM)),
    entries,
    newestSnapshot,
    withoutSnapshot: entries.map(({ tag }) => tag).filter((tag) => !owning.has(tag)),
    warnings:
      owner === undefined || owner === last?.tag
        ? []
        : [
            `${last?.tag} has no snapshot: drizzle-kit compares the schema with ${newestSnapshot?.path}. Changes that later files already make must not be in the new one`,
          ],
  };
}

async function metaFiles(path: string): Promise<readonly string[]> {
  return (await readdir(join(path, "meta"))).map((name) => `meta/${name}`);
}

/** drizzle-kit refuses a broken one too, in its own words. */
async function readSnapshot(dir: string, path: string, file: string): Promise<Snapshot> {
  const snapshot = parseSnapshot(file, await readFile(join(path, file), "utf8"));
  if (typeof snapshot !== "string") return snapshot;
  throw refusal("history_invalid", {
    fact: `${dir}/${file} is no snapshot: ${snapshot}.`,
    remedy: `Restore it (\`git log -p -- ${dir}/${file}\` shows what it was).`,
  });
}

/**
 * Copies the files that drizzle-kit reads, and those that the sum covers, to a folder that it may write to.
 *
 * @param newestAs text of the newest snapshot there
 * @returns stamps of what was copied
 */
export async function copyKitFolder(
  { path, journal, entries, newestSnapshot }: KitFolder,
  to: string,
  newestAs?: string,
): Promise<ReadonlyMap<string, string>> {
  await mkdir(to, { recursive: true });
  if (journal === undefined) return new Map();
  await mkdir(join(to, "meta"));
  await writeFile(join(to, JOURNAL), journal);
  const files = [
    ...(await metaFiles(path)).filter(isSnapshot),
    ...entries.flatMap(({ tag }) => [`${tag}.sql`, downFileOf(tag, "0.x")]),
  ];
  const copied: string[] = [];
  for (const file of files) {
    const copy = copyFile(join(path, file), join(to, file), constants.COPYFILE_FICLONE);
    // Not each migration has a down file.
    if ((await ifThere(copy.then(() => true))) !== undefined) copied.push(file);
  }
  if (newestAs !== undefined && newestSnapshot !== undefined) {
    await writeFile(join(to, newestSnapshot.path), newestAs);
  }
  return readStamps(to, copied);
}

/** Size and time of files, which tell whether they were written to. A file that is gone has none. */
export async function readStamps(
  path: string,
  files: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const stamps = files.map(async (file) => {
    const { size, mtimeMs, ino } = (await ifThere(stat(join(path, file)))) ?? {};
    return [file, `${size} ${mtimeMs} ${ino}`] as const;
  });
  return new Map(await Promise.all(stamps));
}

/** No folder, or one that no migration was ever put into, in either layout of drizzle-kit. */
async function isNew(path: string): Promise<boolean> {
  const found = await ifThere(stat(path));
  if (found === undefined) return true;
  if (!found.isDirectory()) return false;
  return !(await readdir(path)).some((name) => name === "meta" || /^\d{14}(_|$)/.test(name));
}

function refusal(
  code: MigrateErrorCode,
  parts: { readonly fact: string; readonly remedy: string },
): MigrateError {
  return new MigrateError({ code, ...parts, outcome: "nothing-written" });
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

function noSnapshots(dir: string, tag: Tag): MigrateError {
  return refusal("missing_file", {
    fact: `${dir}/meta has no snapshot at all, though the journal ends with ${tag}: drizzle-kit would assume an empty database.`,
    remedy: `Restore the snapshots (\`git log --stat -- ${dir}/meta\` shows what became of them).`,
  });
}
