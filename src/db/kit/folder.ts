import { constants, copyFile, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { exists, ifThere, readText } from "../base/files.ts";
import type { Layout } from "../migrate/index.ts";
import { withEnumOrder } from "./enum-order.ts";
import { readJournaled } from "./folder-0x.ts";
import { readFolders } from "./folder-1x.ts";
import { JOURNAL, type KitFolder, newFolder, readStamps } from "./kit-folder.ts";
import type { ReorderedEnum } from "./model.ts";

/**
 * Reads a migrations folder, and refuses one that the next migration cannot be built on: drizzle-kit
 * would build on it silently.
 *
 * @param whenNew the layout of a folder that has no migration yet
 * @throws MigrateError `history_invalid`, `missing_file`, `config`
 */
export async function readKitFolder(
  cwd: string,
  dir: string,
  sumFile: "check" | "ignore" = "check",
  whenNew: Layout = "0.x",
): Promise<KitFolder> {
  const path = resolve(cwd, dir);
  const layout = await layoutAt(path);
  const where = { layout: layout ?? whenNew, dir, path };
  if (layout === undefined) return newFolder(where);
  // As messages name the files.
  const shown = path === resolve(dir) ? dir : path;
  return layout === "0.x"
    ? readJournaled({ ...where, layout }, shown, sumFile)
    : readFolders({ ...where, layout }, shown, sumFile);
}

/** The layout of a folder; undefined where no migration was ever put into it, or there is none. */
export async function layoutAt(path: string): Promise<Layout | undefined> {
  const found = await ifThere(stat(path));
  if (found === undefined) return undefined;
  // What it is instead, the loader says.
  if (!found.isDirectory()) return "0.x";
  const names = (await readdir(path, { withFileTypes: true }))
    .filter((entry) => !entry.isFile())
    .map(({ name }) => name);
  if (names.includes("meta")) return "0.x";
  const files = names.flatMap((name) => [`${name}/migration.sql`, `${name}/snapshot.json`]);
  const there = await Promise.all(files.map((file) => exists(join(path, file))));
  return there.includes(true) ? "1.x" : undefined;
}

/**
 * Copies the files that drizzle-kit reads, and those that the sum covers, to a folder that it may write to.
 *
 * @param enumOrder enums of the newest snapshot that are put into another order there
 * @returns stamps of what was copied
 */
export async function copyKitFolder(
  { path, journal, files, code, ends }: KitFolder,
  to: string,
  enumOrder: readonly ReorderedEnum[] = [],
): Promise<ReadonlyMap<string, string>> {
  await mkdir(to, { recursive: true });
  for (const folder of new Set(
    [...files, ...(journal === undefined ? [] : [JOURNAL])].map(dirname),
  ))
    await mkdir(join(to, folder), { recursive: true });
  if (journal !== undefined) await writeFile(join(to, JOURNAL), journal);
  const copied: string[] = [];
  for (const file of files) {
    const copy = copyFile(join(path, file), join(to, file), constants.COPYFILE_FICLONE);
    // Not each migration has a down file.
    if ((await ifThere(copy.then(() => true))) !== undefined) copied.push(file);
  }
  for (const one of code) await writeFile(join(to, one.path), one.text);
  const [newest] = ends;
  if (enumOrder.length > 0 && newest !== undefined) {
    const file = join(to, newest.path);
    await writeFile(file, withEnumOrder(await readText(file), enumOrder));
  }
  return readStamps(to, copied);
}
