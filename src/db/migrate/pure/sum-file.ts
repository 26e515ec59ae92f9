import { MigrateError } from "../errors.ts";
import type { Checksum, History } from "../types.ts";
import { isChecksum } from "./checksum.ts";

/** Name of the sum file in the migrations folder. */
export const SUM_FILE = "tidemark.sum";

/** The sum file's text: the chain's head, then a line a file, in the history's order. */
export function formatSumFile(history: History): string {
  const lines = history.migrations.map(({ tag, checksum }) => `${tag}.sql ${checksum}`);
  return `${[history.head, ...lines].join("\n")}\n`;
}

/**
 * Holds a history against the sum file beside it.
 *
 * @throws MigrateError `history_invalid`, naming every file that differs.
 */
export function checkSumFile(history: History, text: string, file: string): void {
  const [head, ...lines] = text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .filter((line) => line !== "");
  const recorded = new Map<string, Checksum>();
  const problems: string[] = [];
  for (const [i, line] of lines.entries()) {
    const at = line.lastIndexOf(" ");
    const checksum = line.slice(at + 1);
    if (at < 1 || !isChecksum(checksum)) problems.push(`line ${i + 2} is not a file and its sum`);
    else recorded.set(line.slice(0, at), checksum);
  }
  for (const { tag, checksum } of history.migrations) {
    const name = `${tag}.sql`;
    const sum = recorded.get(name);
    if (sum === undefined) problems.push(`${name} is not listed`);
    else if (sum !== checksum) problems.push(`${name} was ${sum} and is ${checksum}`);
    recorded.delete(name);
  }
  for (const name of recorded.keys()) problems.push(`${name} is listed and not in the history`);
  if (problems.length === 0 && head !== history.head) {
    problems.push(
      `the files are the same but their order is not: the head was ${head ?? "empty"} and is ${history.head}`,
    );
  }
  if (problems.length === 0) return;
  throw new MigrateError({
    code: "history_invalid",
    fact: `${file} does not match the migrations beside it:${problems.map((problem) => `\n  ${problem}`).join("")}`,
    remedy:
      "Nothing was run. If the change is meant, write the file anew with `tidemark sum` (npm run db:sum) and commit it; " +
      "if it came from a merge, look at the order of the migrations first.",
  });
}
