import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { exists, ifThere, readIfThere, readText } from "../base/files.ts";
import { messageOf } from "../base/problem.ts";
import { MigrateError } from "../migrate/index.ts";
import { JOURNAL, type KitFolder, SUM } from "./kit-folder.ts";
import type { FolderFile } from "./model.ts";

export interface Keeping {
  /** They have no meaning before the journal names them. */
  readonly added: readonly FolderFile[];
  readonly journal: string;
  readonly sum: string;
}

/**
 * Puts a migration into its folder: its files first, then the journal, which makes them a migration,
 * then the sum. After an error it is all undone; a kill leaves the old history, or the new one with a
 * sum file that says so.
 *
 * @param move gives a file its name; a test lets it fail
 * @throws MigrateError `history_invalid` where the folder is not as it was read, or a file is in the way;
 *   `config` where it cannot be written
 */
export async function keepFiles(
  folder: KitFolder,
  { added, journal, sum }: Keeping,
  { move = rename }: { readonly move?: (from: string, to: string) => Promise<void> } = {},
): Promise<void> {
  await refuseChanged(folder);
  const fresh: FolderFile[] = [];
  for (const file of added) if (await isFresh(folder, file)) fresh.push(file);
  const files = [...fresh, { path: JOURNAL, text: journal }, { path: SUM, text: sum }];
  const undo: (() => Promise<unknown>)[] = [];
  try {
    for (const at of ["", "meta"]) {
      const made = await mkdir(join(folder.path, at), { recursive: true });
      if (made !== undefined) undo.push(() => rm(made, { recursive: true }));
    }
    // All of it is on disk before any of it has its name: a full disk shows here.
    for (const { path, text } of files) {
      const draft = draftName(folder, path);
      undo.push(() => rm(draft, { force: true }));
      await writeFile(draft, text, { flag: "wx" });
    }
    for (const { path } of files) {
      const target = join(folder.path, path);
      const old = await ifThere(readFile(target));
      await move(draftName(folder, path), target);
      undo.push(() => (old === undefined ? rm(target) : writeFile(target, old)));
    }
  } catch (error) {
    throw cannotWrite(folder.dir, await takeBack(undo, error));
  }
}

/** What a crash leaves is no snapshot: drizzle-kit ignores names that start like this. */
function draftName(folder: KitFolder, path: string): string {
  const file = join(folder.path, path);
  return join(dirname(file), `_${basename(file)}.${process.pid}.draft`);
}

/** Somebody else may have generated, pulled or edited while drizzle-kit was running. */
export async function refuseChanged({ dir, path, journal, sum }: KitFolder): Promise<void> {
  const read = { [JOURNAL]: journal, [SUM]: sum };
  for (const [file, text] of Object.entries(read)) {
    if ((await readIfThere(join(path, file))) === text) continue;
    throw new MigrateError({
      code: "history_invalid",
      fact: `${dir}/${file} was changed while drizzle-kit was running.`,
      outcome: "nothing-written",
      remedy: "Generate again.",
    });
  }
}

/** False where a killed generate left the same file. */
async function isFresh({ dir, path }: KitFolder, file: FolderFile): Promise<boolean> {
  const target = join(path, file.path);
  if (!(await exists(target))) return true;
  if ((await readText(target)) === file.text) return false;
  throw new MigrateError({
    code: "history_invalid",
    fact: `${dir}/${file.path} already exists with another text, and belongs to no migration of ${dir}/${JOURNAL}.`,
    outcome: "nothing-written",
    remedy: "Delete it, or generate under another name.",
  });
}

export function cannotWrite(dir: string, cause: unknown): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `${dir} cannot be written: ${messageOf(cause)}.`,
    outcome: "nothing-written",
    remedy:
      cause instanceof AggregateError
        ? `Not everything that was written could be undone: look at it with \`git status ${dir}\`, and generate again.`
        : "Free disk space, or give this user write permission, and generate again.",
    cause,
  });
}

export async function takeBack(
  undo: readonly (() => Promise<unknown>)[],
  error: unknown,
): Promise<unknown> {
  const failures: unknown[] = [];
  for (const step of undo.toReversed()) {
    await step().catch((failure: unknown) => failures.push(failure));
  }
  return failures.length === 0 ? error : new AggregateError([error, ...failures], messageOf(error));
}
