import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MigrateError } from "../migrate/index.ts";
import { JOURNAL, type KitFolder, SUM } from "./folder.ts";
import type { FolderFile } from "./types.ts";

export interface Keeping {
  /** They have no meaning before the journal names them. */
  readonly added: readonly FolderFile[];
  readonly journal: string;
  readonly sum: string;
}

export interface KeepingOptions {
  /** Gives a file its name; a test lets it fail. */
  readonly move?: (from: string, to: string) => Promise<void>;
}

/**
 * Puts a migration into its folder. Its files come first, then the journal, which makes them a
 * migration, then the sum. What fails is taken back; what is killed leaves the old history, or the
 * new one with a sum file that says so.
 *
 * @throws MigrateError `history_invalid` where the folder is not as it was read, or a file is in the way;
 *   `config` where it cannot be written
 */
export async function keepFiles(
  folder: KitFolder,
  { added, journal, sum }: Keeping,
  { move = rename }: KeepingOptions = {},
): Promise<void> {
  await refuseChanged(folder);
  for (const file of added) await refuseOccupied(folder, file);
  const fresh = added.filter(({ path }) => !existsSync(join(folder.path, path)));
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
      const old = existsSync(target) ? await readFile(target) : undefined;
      await move(draftName(folder, path), target);
      undo.push(() => (old === undefined ? rm(target) : writeFile(target, old)));
    }
  } catch (error) {
    throw cannotWrite(folder.dir, await takeBack(undo, error));
  }
}

/** Left by a crash, it is a snapshot to nobody: drizzle-kit looks at no name that starts like this. */
function draftName(folder: KitFolder, path: string): string {
  const file = join(folder.path, path);
  return join(dirname(file), `_${basename(file)}.${process.pid}.draft`);
}

/** Somebody else may have generated, pulled or edited while drizzle-kit was at work. */
async function refuseChanged({ dir, path, journal, sum }: KitFolder): Promise<void> {
  for (const [file, text] of [
    [JOURNAL, journal],
    [SUM, sum],
  ] as const) {
    const now = existsSync(join(path, file)) ? await readFile(join(path, file), "utf8") : undefined;
    if (now === text) continue;
    throw new MigrateError({
      code: "history_invalid",
      fact: `${dir}/${file} was changed while drizzle-kit was at work.`,
      outcome: "nothing-written",
      remedy: "Generate again.",
    });
  }
}

async function refuseOccupied({ dir, path }: KitFolder, file: FolderFile): Promise<void> {
  const target = join(path, file.path);
  // A generate that was killed has left the same one.
  if (!existsSync(target) || (await readFile(target, "utf8")) === file.text) return;
  throw new MigrateError({
    code: "history_invalid",
    fact: `${dir}/${file.path} is there already, with another text, and belongs to no migration of ${dir}/${JOURNAL}.`,
    outcome: "nothing-written",
    remedy: "Delete it, or generate under another name.",
  });
}

function cannotWrite(dir: string, cause: unknown): MigrateError {
  const isLeft = cause instanceof AggregateError;
  return new MigrateError({
    code: "config",
    fact: `${dir} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
    outcome: "nothing-written",
    remedy: isLeft
      ? `What was written could not all be taken back: look at it with \`git status ${dir}\`, and generate again.`
      : "Make room, or give this user the right to, and generate again.",
    cause,
  });
}

async function takeBack(
  undo: readonly (() => Promise<unknown>)[],
  error: unknown,
): Promise<unknown> {
  const failures: unknown[] = [];
  for (const step of undo.toReversed()) {
    await step().catch((failure: unknown) => failures.push(failure));
  }
  if (failures.length === 0) return error;
  return new AggregateError([error, ...failures], error instanceof Error ? error.message : "");
}
