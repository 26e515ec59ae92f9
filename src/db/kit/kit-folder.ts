import { stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { ifThere } from "../base/files.ts";
import {
  compiledText,
  type History,
  type JournalEntry,
  type Layout,
  MigrateError,
  type MigrateErrorCode,
  type Tag,
} from "../migrate/index.ts";
import type { Snapshot } from "./snapshots.ts";

export const JOURNAL = "meta/_journal.json";
export const SUM = "tidemark.sum";

/** A migrations folder, as drizzle-kit's next migration finds it. */
export interface KitFolder {
  readonly layout: Layout;
  /** As messages name it. */
  readonly dir: string;
  readonly path: string;
  /** Text of the journal; undefined where there is none, as in the layout of 1.x. */
  readonly journal: string | undefined;
  readonly sum: string | undefined;
  /** The migrations in their order; without a journal, as their folders' names say. */
  readonly entries: readonly JournalEntry[];
  /** The files that drizzle-kit reads, besides the journal, and those that the sum covers. */
  readonly files: readonly string[];
  /** What stands for each file of code where only its checksum is wanted: without what it imports. */
  readonly code: readonly { readonly path: string; readonly text: string }[];
  /** In the order of their names. */
  readonly snapshots: readonly Snapshot[];
  /**
   * Those that drizzle-kit compares the schema with, the newest first. In the layout of 0.x the last
   * by name, in that of 1.x the last of each branch.
   */
  readonly ends: readonly Snapshot[];
  /** Migrations that have no snapshot: drizzle-kit does not know what they make. */
  readonly withoutSnapshot: readonly Tag[];
  readonly warnings: readonly string[];
}

/** @param shown the folder as the history names it */
export function codeStandIns(shown: string, { migrations }: Pick<History, "migrations">) {
  return migrations.flatMap(({ code }) =>
    code === undefined ? [] : [{ path: relative(shown, code.file), text: compiledText(code, "") }],
  );
}

/** A folder that no migration was ever put into, or none. */
export function newFolder(where: Pick<KitFolder, "layout" | "dir" | "path">): KitFolder {
  return {
    ...where,
    ...{ journal: undefined, sum: undefined },
    ...{
      entries: [],
      files: [],
      code: [],
      snapshots: [],
      ends: [],
      withoutSnapshot: [],
      warnings: [],
    },
  };
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

export function refusal(
  code: MigrateErrorCode,
  parts: { readonly fact: string; readonly remedy: string },
): MigrateError {
  return new MigrateError({ code, ...parts, outcome: "nothing-written" });
}

/** drizzle-kit refuses a broken one too, in its own words. */
export function brokenSnapshot(file: string, problem: string): MigrateError {
  return refusal("history_invalid", {
    fact: `${file} is no snapshot: ${problem}.`,
    remedy: `Restore it (\`git log -p -- ${file}\` shows what it was).`,
  });
}

/** @param dir where the snapshots were */
export function noSnapshots(dir: string, last: string): MigrateError {
  return refusal("missing_file", {
    fact: `${dir} has no snapshot at all, though ${last}: drizzle-kit would assume an empty database.`,
    remedy: `Restore the snapshots (\`git log --stat -- ${dir}\` shows what became of them).`,
  });
}

/** The newest migration has no snapshot; undefined where it has. */
export function newestUnknown(
  last: Tag | undefined,
  owner: Tag | undefined,
  newest: Snapshot | undefined,
): readonly string[] {
  return owner === undefined || owner === last
    ? []
    : [
        `${last} has no snapshot: drizzle-kit compares the schema with ${newest?.path}. Changes that later files already make must not be in the new one`,
      ];
}
