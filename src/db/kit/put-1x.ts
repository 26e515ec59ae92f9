import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { exists, ifThere } from "../base/files.ts";
import { MigrateError, sqlFileOf, type Tag } from "../migrate/index.ts";
import { type KitFolder, SUM } from "./kit-folder.ts";
import type { FolderFile } from "./model.ts";
import { cannotWrite, refuseChanged, takeBack } from "./put.ts";

export interface KeepingFolder {
  readonly tag: Tag;
  /** All in the folder of the tag. */
  readonly added: readonly FolderFile[];
  readonly sum: string;
}

/**
 * Puts a migration into a folder of the layout of 1.x: its own folder, made elsewhere and given its name
 * in one step, then the sum. After an error it is all undone; a kill leaves the old history, or the new
 * one with a sum file that says so.
 *
 * @param move gives a file or folder its name; a test lets it fail
 * @throws MigrateError `history_invalid` where the folder is not as it was read; `config` where it cannot
 *   be written
 */
export async function keepFolder(
  folder: KitFolder,
  { tag, added, sum }: KeepingFolder,
  { move = rename }: { readonly move?: (from: string, to: string) => Promise<void> } = {},
): Promise<void> {
  await refuseChanged(folder);
  await refuseOthers(folder);
  const { path } = folder;
  // What lies deeper than the folders of migrations is none, to drizzle-kit and to migrators.
  const draft = join(path, `_${tag}.${process.pid}.draft`);
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const made = await mkdir(path, { recursive: true });
    if (made !== undefined) undo.push(() => rm(made, { recursive: true }));
    undo.push(() => rm(draft, { recursive: true, force: true }));
    await mkdir(join(draft, tag), { recursive: true });
    // All of it is on disk before any of it has its name: a full disk shows here.
    for (const file of added) {
      await writeFile(join(draft, tag, basename(file.path)), file.text, { flag: "wx" });
    }
    await writeFile(join(draft, SUM), sum, { flag: "wx" });
    const target = join(path, tag);
    await move(join(draft, tag), target);
    undo.push(() => rm(target, { recursive: true }));
    const old = await ifThere(readFile(join(path, SUM)));
    await move(join(draft, SUM), join(path, SUM));
    undo.push(() => (old === undefined ? rm(join(path, SUM)) : writeFile(join(path, SUM), old)));
    await rm(draft, { recursive: true });
  } catch (error) {
    throw cannotWrite(folder.dir, await takeBack(undo, error));
  }
}

/** Somebody else may have generated or pulled while drizzle-kit was running. */
async function refuseOthers({ dir, path, files }: KitFolder): Promise<void> {
  const known = new Set(files.map(dirname));
  const folders = (await ifThere(readdir(path, { withFileTypes: true }))) ?? [];
  for (const { name } of folders.filter((it) => it.isDirectory() && !known.has(it.name))) {
    if (!(await exists(join(path, sqlFileOf(name, "1.x"))))) continue;
    throw new MigrateError({
      code: "history_invalid",
      fact: `${dir}/${name} was added while drizzle-kit was running.`,
      outcome: "nothing-written",
      remedy: "Generate again.",
    });
  }
}
