import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ifThere, readIfThere, withoutBom } from "../../base/files.ts";
import type { Checksum, DownFile, History, Tag } from "../types.ts";
import { checksumOf } from "./checksum.ts";
import { downFileOf } from "./layout.ts";
import { loadHistory } from "./load.ts";
import { REPEATABLE_FOLDER } from "./repeatables.ts";
import { checkSumFile, formatSumFile, recordedSums, SUM_FILE } from "./sum-file.ts";

export interface WrittenSum {
  readonly file: string;
  readonly head: Checksum;
  readonly migrations: number;
  readonly downFiles: number;
  readonly repeatables: number;
}

/**
 * Writes `tidemark.sum` for a migrations folder as it is now.
 *
 * @throws MigrateError `config`, `history_invalid`, `missing_file`
 */
export async function writeSumFile(dir: string): Promise<WrittenSum> {
  const history = await loadHistory(dir, { sumFile: "ignore" });
  const downs = checksumsOf(await readDownFiles(history));
  const file = join(dir, SUM_FILE);
  await writeFile(file, formatSumFile(history, downs));
  const { head, migrations, repeatables = [] } = history;
  const counts = { migrations: migrations.length, downFiles: downs.size };
  return { file, head, ...counts, repeatables: repeatables.length };
}

/**
 * Compares a folder with its `tidemark.sum`, down files too. Without one there is nothing to compare.
 *
 * @param meant migrations whose files may differ from it, or be new, because the caller says so
 * @returns whether there is one
 * @throws MigrateError `history_invalid`, naming every file that differs
 */
export async function checkFolderSum(
  history: History,
  meant: ReadonlySet<Tag> = new Set(),
): Promise<boolean> {
  const file = join(history.dir, SUM_FILE);
  const text = await readIfThere(file);
  if (text === undefined) return false;
  const downs = checksumsOf(await readDownFiles(history));
  checkSumFile(history, text, file, { downs, meant });
  return true;
}

/** Copies the repeatables of a migrations folder into another, which has none. */
export async function copyRepeatables(from: string, to: string): Promise<void> {
  await ifThere(
    cp(join(from, REPEATABLE_FOLDER), join(to, REPEATABLE_FOLDER), { recursive: true }),
  );
}

/** The texts of the down files that are there, by the migrations' tags. */
export async function readDownFiles({
  dir,
  layout,
  migrations,
}: History): Promise<Map<Tag, string>> {
  const texts = await Promise.all(
    migrations.map(
      async ({ tag }) => [tag, await readIfThere(join(dir, downFileOf(tag, layout)))] as const,
    ),
  );
  return new Map(texts.flatMap(([tag, text]) => (text === undefined ? [] : [[tag, text]])));
}

/**
 * What takes the migrations back: of a folder its down files, each held against `tidemark.sum` where that is there.
 */
export async function loadDowns(history: History): Promise<ReadonlyMap<Tag, DownFile>> {
  const { dir, layout, downs: given } = history;
  const texts = given ?? (await readDownFiles(history));
  const sum = given === undefined ? await readIfThere(join(dir, SUM_FILE)) : undefined;
  const sums = sum === undefined ? undefined : recordedSums(sum);
  return new Map(
    [...texts].map(([tag, text]) => {
      const sql = withoutBom(text);
      const checksum = checksumOf(sql);
      const name = downFileOf(tag, layout);
      const isUnverified = sums !== undefined && sums.get(name) !== checksum;
      const file = given === undefined ? join(dir, name) : name;
      return [tag, { file, sql, checksum, isUnverified }];
    }),
  );
}

function checksumsOf(texts: ReadonlyMap<Tag, string>): Map<Tag, Checksum> {
  return new Map([...texts].map(([tag, text]) => [tag, checksumOf(text)]));
}
