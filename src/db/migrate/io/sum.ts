import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatSumFile, SUM_FILE } from "../pure/sum-file.ts";
import type { Checksum } from "../types.ts";
import { loadHistory } from "./folder.ts";

/**
 * Writes `tidemark.sum` for a migrations folder as it is now.
 *
 * @throws MigrateError `config`, `history_invalid`, `missing_file`
 */
export async function writeSumFile(
  dir: string,
): Promise<{ readonly file: string; readonly head: Checksum; readonly migrations: number }> {
  const history = await loadHistory(dir, { sumFile: "ignore" });
  const file = join(dir, SUM_FILE);
  await writeFile(file, formatSumFile(history));
  return { file, head: history.head, migrations: history.migrations.length };
}
