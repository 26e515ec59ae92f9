import { existsSync } from "node:fs";
import { constants, copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { downFileOf, loadHistory, MigrateError, type Tag } from "../migrate/index.ts";
import { forksOf } from "./chain.ts";
import { brokenSnapshot, forked } from "./errors.ts";
import { isSnapshot, parseSnapshot, snapshotOwners } from "./snapshots.ts";

export const JOURNAL = "meta/_journal.json";
export const SUM = "tidemark.sum";

export interface JournalEntry {
  readonly idx: number;
  readonly when: number;
  readonly tag: Tag;
}

/** A migrations folder, as drizzle-kit's next migration finds it. */
export interface KitFolder {
  /** As messages name it. */
  readonly dir: string;
  readonly path: string;
  /** Text of the journal; undefined where the folder has none, or is not there. */
  readonly journal: string | undefined;
  readonly sum: string | undefined;
  readonly entries: readonly JournalEntry[];
  /** Path in the folder of the snapshot that drizzle-kit compares with. */
  readonly newestSnapshot: string | undefined;
  /** Migrations that have no snapshot: drizzle-kit does not know what they make. */
  readonly withoutSnapshot: readonly Tag[];
  readonly warnings: readonly string[];
}

/**
 * Reads a migrations folder, and refuses one that the next migration cannot be put on: drizzle-kit
 * would, in silence.
 *
 * @throws MigrateError `history_invalid`, `missing_file`, `config`
 */
export async function readKitFolder(
  cwd: string,
  dir: string,
  sumFile: "check" | "ignore" = "check",
): Promise<KitFolder> {
  const path = resolve(cwd, dir);
  const nothing = {
    dir,
    path,
    journal: undefined,
    sum: undefined,
    entries: [],
    withoutSnapshot: [],
  };
  if (await isNew(path)) return { ...nothing, newestSnapshot: undefined, warnings: [] };
  refuseHalfMade(dir, path);
  await loadHistory(path === resolve(dir) ? dir : path, { sumFile });
  const journal = await readFile(join(path, JOURNAL), "utf8");
  const { entries } = JSON.parse(withoutBom(journal)) as { entries: readonly JournalEntry[] };
  refuseBadIndex(dir, entries);
  const snapshots = (await metaFiles(path)).filter(isSnapshot).toSorted();
  const owners = snapshotOwners(snapshots, entries);
  refuseOrphans(dir, { snapshots, owners, entries });
  const newest = snapshots.at(-1);
  const last = entries.at(-1);
  if (last !== undefined && newest === undefined) throw noSnapshots(dir, last.tag);
  await refuseForks(dir, path, snapshots);
  const owning = new Set(owners.values());
  const isBehind = newest !== undefined && owners.has(newest) && owners.get(newest) !== last?.tag;
  return {
    dir,
    path,
    journal,
    sum: existsSync(join(path, SUM)) ? await readFile(join(path, SUM), "utf8") : undefined,
    entries,
    newestSnapshot: newest,
    withoutSnapshot: entries.map(({ tag }) => tag).filter((tag) => !owning.has(tag)),
    warnings: isBehind
      ? [
          `${last?.tag} has no snapshot: drizzle-kit compares the schema with ${newest}. What later files have changed already must not stand in the new one`,
        ]
      : [],
  };
}

async function metaFiles(path: string): Promise<readonly string[]> {
  return (await readdir(join(path, "meta"))).map((name) => `meta/${name}`);
}

/** drizzle-kit refuses them too, in its words. */
async function refuseForks(dir: string, path: string, snapshots: readonly string[]): Promise<void> {
  const read = snapshots.map(async (file) => {
    const snapshot = parseSnapshot(file, await readFile(join(path, file), "utf8"));
    if (typeof snapshot === "string") throw brokenSnapshot(dir, file, snapshot);
    return snapshot;
  });
  const forks = forksOf(await Promise.all(read));
  if (forks.length > 0) throw forked(dir, forks);
}

/**
 * Copies what drizzle-kit reads, and what the sum is made of, to a folder that it may write to.
 *
 * @param newestAs text of the newest snapshot there
 */
export async function copyKitFolder(
  { path, journal, entries, newestSnapshot }: KitFolder,
  to: string,
  newestAs?: string,
): Promise<ReadonlyMap<string, string>> {
  await mkdir(to, { recursive: true });
  if (journal === undefined) return new Map();
  await mkdir(join(to, "meta"));
  const files = [
    JOURNAL,
    ...(await metaFiles(path)).filter(isSnapshot),
    ...entries.map(({ tag }) => `${tag}.sql`),
    ...entries.map(({ tag }) => downFileOf(tag)).filter((file) => existsSync(join(path, file))),
  ];
  for (const file of files) {
    await copyFile(join(path, file), join(to, file), constants.COPYFILE_FICLONE);
  }
  if (newestAs !== undefined && newestSnapshot !== undefined) {
    await writeFile(join(to, newestSnapshot), newestAs);
  }
  return readStamps(
    to,
    files.filter((file) => file !== JOURNAL),
  );
}

/** Size and time of files: what is written shows. A file that is gone has none. */
export async function readStamps(
  path: string,
  files: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const stamps = await Promise.all(
    files.map(async (file) => {
      if (!existsSync(join(path, file))) return [file, "gone"] as const;
      const { size, mtimeMs, ino } = await stat(join(path, file));
      return [file, `${size} ${mtimeMs} ${ino}`] as const;
    }),
  );
  return new Map(stamps);
}

export function withoutBom(text: string): string {
  return text.replace(/^\uFEFF/, "");
}

/** No folder, or one that no migration was ever put into, in either layout of drizzle-kit. */
async function isNew(path: string): Promise<boolean> {
  if (!existsSync(path)) return true;
  if (!(await stat(path)).isDirectory()) return false;
  return !(await readdir(path)).some((name) => name === "meta" || /^\d{14}(_|$)/.test(name));
}

/** drizzle-kit makes a journal where there is no `meta`, and fails where that is all there is. */
function refuseHalfMade(dir: string, path: string): void {
  if (!existsSync(join(path, "meta")) || existsSync(join(path, JOURNAL))) return;
  throw new MigrateError({
    code: "history_invalid",
    fact: `${dir}/meta is there, and no ${dir}/${JOURNAL}.`,
    outcome: "nothing-written",
    remedy:
      `Bring the journal back (\`git log --stat -- ${dir}/meta\` shows what became of it). ` +
      `If a first generate was killed, delete ${dir}/meta and the .sql file that it has left.`,
  });
}

/** drizzle-kit takes the last snapshot by name for the schema as it is, whatever the journal says. */
function refuseOrphans(
  dir: string,
  {
    snapshots,
    owners,
    entries,
  }: {
    readonly snapshots: readonly string[];
    readonly owners: ReadonlyMap<string, Tag>;
    readonly entries: readonly JournalEntry[];
  },
): void {
  const lastOwned = snapshots.findLastIndex((path) => owners.has(path));
  const orphans = snapshots.slice(lastOwned + 1);
  // Where none is told by its name, names say nothing.
  if (orphans.length === 0 || (lastOwned < 0 && entries.length > 0)) return;
  throw new MigrateError({
    code: "history_invalid",
    fact: `${dir} has snapshots that belong to no migration: ${orphans.join(", ")}.`,
    outcome: "nothing-written",
    remedy:
      `drizzle-kit would compare the schema with the last of them. \`git log -p -- ${dir}/${JOURNAL}\` shows whether the journal had an entry for it: ` +
      "bring that back, since its migration may be applied. If it never had, a generate that was killed has left the snapshot: delete it, and the .sql file of its number.",
  });
}

function refuseBadIndex(dir: string, entries: readonly JournalEntry[]): void {
  const last = entries.at(-1);
  if (last === undefined || Number.isInteger(last.idx)) return;
  throw new MigrateError({
    code: "history_invalid",
    fact: `The last entry of ${dir}/${JOURNAL} (${last.tag}) has no number \`idx\`, from which drizzle-kit counts on.`,
    outcome: "nothing-written",
    remedy: "Number the entries from 0.",
  });
}

function noSnapshots(dir: string, tag: Tag): MigrateError {
  return new MigrateError({
    code: "missing_file",
    fact: `${dir}/meta has no snapshot at all, though the journal ends with ${tag}: drizzle-kit would take the database for empty.`,
    outcome: "nothing-written",
    remedy: `Bring the snapshots back (\`git log --stat -- ${dir}/meta\` shows what became of them).`,
  });
}
