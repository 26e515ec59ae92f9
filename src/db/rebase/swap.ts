import { mkdir, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exists, ifThere, readIfThere, readText } from "../base/files.ts";
import { messageOf } from "../base/problem.ts";
import { MigrateError } from "../migrate/index.ts";

/** What is to become of a folder. */
export interface Swap {
  /** Texts by their paths, in the order in which they get their names. */
  readonly written: ReadonlyMap<string, string>;
  readonly deleted: readonly string[];
}

interface Listing {
  readonly written: readonly string[];
  readonly deleted: readonly string[];
}

export type MoveFile = (from: string, to: string) => Promise<void>;

// Within the folder, so that a rename is enough. Neither drizzle-kit nor a migrator takes it for a migration:
// what it holds lies deeper.
const DRAFT = "_rebase.draft";
const READY = "_rebase.ready";
const LIST = "swap.json";
const FILES = "files";

/**
 * Writes all new files beside the old ones, and then swaps them in. Killed before the last of them is written,
 * it leaves the folder as it was; killed after that, `finishSwap` does the rest.
 *
 * @param move gives a file or folder its name; a test lets it fail
 * @throws MigrateError `config` where the folder cannot be written
 */
export async function swapIn(dir: string, swap: Swap, move: MoveFile = rename): Promise<void> {
  const draft = join(dir, DRAFT);
  try {
    await rm(draft, { recursive: true, force: true });
    const written = [...swap.written.keys()];
    for (const [place, text] of [...swap.written.values()].entries()) {
      await mkdir(join(draft, FILES), { recursive: true });
      await writeFile(join(draft, FILES, String(place)), text, { flush: true });
    }
    const listing: Listing = { written, deleted: swap.deleted };
    await mkdir(draft, { recursive: true });
    await writeFile(join(draft, LIST), JSON.stringify(listing), { flush: true });
    await move(draft, join(dir, READY));
  } catch (cause) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw cannotWrite(dir, "nothing-written", cause);
  }
  await finishSwap(dir, move);
}

/**
 * Does what is left of a swap that was killed.
 *
 * @returns whether there was one
 * @throws MigrateError `config` where the folder cannot be written
 */
export async function finishSwap(dir: string, move: MoveFile = rename): Promise<boolean> {
  const ready = join(dir, READY);
  const text = await readIfThere(join(ready, LIST));
  if (text === undefined) {
    // Killed after its list was removed: nothing else was left to do.
    await rm(ready, { recursive: true, force: true });
    await rm(join(dir, DRAFT), { recursive: true, force: true });
    return false;
  }
  try {
    const { written, deleted } = JSON.parse(text) as Listing;
    for (const [place, path] of written.entries()) {
      const target = join(dir, path);
      await mkdir(dirname(target), { recursive: true });
      // Gone where it has its name already.
      await ifThere(move(join(ready, FILES, String(place)), target));
    }
    for (const path of deleted) {
      await rm(join(dir, path), { force: true });
      await removeEmpty(dir, dirname(path));
    }
    await rm(join(ready, LIST));
    await rm(ready, { recursive: true, force: true });
    return true;
  } catch (cause) {
    throw cannotWrite(dir, undefined, cause);
  }
}

/** Whether a swap was killed on its way. */
export function isHalfSwapped(dir: string): Promise<boolean> {
  return exists(join(dir, READY, LIST));
}

/** A migration's folder of 1.x goes with its last file. */
async function removeEmpty(dir: string, folder: string): Promise<void> {
  if (folder === "." || folder === "meta") return;
  const left = await ifThere(readdir(join(dir, folder)));
  if (left?.length === 0) await rmdir(join(dir, folder));
}

/** The texts that differ from those in the folder, and what goes. */
export async function swapTo(
  dir: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Promise<Swap> {
  const written = new Map<string, string>();
  for (const [path, text] of inOrder(after)) {
    const here = await ifThere(readText(join(dir, path)));
    if (here !== text) written.set(path, text);
  }
  return { written, deleted: [...before.keys()].filter((path) => !after.has(path)) };
}

/** Migrations before the journal that names them, the sum last: until then it does not match. */
function inOrder(files: ReadonlyMap<string, string>): readonly (readonly [string, string])[] {
  const rank = (path: string) =>
    path === "tidemark.sum" ? 2 : path === "meta/_journal.json" ? 1 : 0;
  return [...files].toSorted(([a], [b]) => rank(a) - rank(b));
}

function cannotWrite(
  dir: string,
  outcome: "nothing-written" | undefined,
  cause: unknown,
): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `${dir} cannot be written: ${messageOf(cause)}.`,
    outcome,
    remedy:
      outcome === undefined
        ? "Free disk space, or give this user write permission, then run `tidemark rebase` again: it does the rest."
        : "Free disk space, or give this user write permission, and run it again.",
    cause,
  });
}
