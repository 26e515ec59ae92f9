import { MigrateError } from "../errors.ts";
import type { Checksum, History, Tag } from "../types.ts";
import { isChecksum } from "./checksum.ts";
import { DOWN, downFileOf, sqlFileOf } from "./layout.ts";
import { isRepeatableFile, repeatableFileOf } from "./repeatables.ts";

/** Name of the sum file in the migrations folder. */
export const SUM_FILE = "tidemark.sum";

/**
 * The sum file's text: the chain's head, then a line a file, in the history's order, each down file
 * after its migration, then the repeatables by their names. The head covers only the migrations.
 */
export function formatSumFile(
  history: History,
  downs: ReadonlyMap<Tag, Checksum> = new Map(),
): string {
  const { layout } = history;
  const lines = history.migrations.flatMap(({ tag, checksum }) => {
    const down = downs.get(tag);
    const line = `${sqlFileOf(tag, layout)} ${checksum}`;
    return down === undefined ? [line] : [line, `${downFileOf(tag, layout)} ${down}`];
  });
  const repeatables = (history.repeatables ?? []).map(
    ({ name, checksum }) => `${repeatableFileOf(name)} ${checksum}`,
  );
  return `${[history.head, ...lines, ...repeatables].join("\n")}\n`;
}

/**
 * Compares a history with the sum file beside it. Down files are none of a run's business: they are
 * compared where their checksums are given.
 *
 * @throws MigrateError `history_invalid`, naming every file that differs.
 */
export function checkSumFile(
  history: History,
  text: string,
  file: string,
  options: SumOptions = {},
): void {
  const problems = sumProblems(history, text, options);
  if (problems.length === 0) return;
  throw new MigrateError({
    code: "history_invalid",
    fact: `${file} does not match the migrations in its folder:${problems.map((problem) => `\n  ${problem}`).join("")}`,
    outcome: "nothing-run",
    remedy:
      "If the change is intended, write the file again with `tidemark sum` (npm run db:sum) and commit it; " +
      "if it came from a merge, check the order of the migrations first.",
  });
}

/** What a sum file has for each file's name. Lines that it cannot read are left out. */
export function recordedSums(text: string): ReadonlyMap<string, Checksum> {
  return parseSumFile(text).recorded;
}

export interface SumOptions {
  /** Checksums of the down files that are there. */
  readonly downs?: ReadonlyMap<Tag, Checksum>;
  /** Migrations whose files may differ. */
  readonly meant?: ReadonlySet<Tag>;
}

function sumProblems(
  history: History,
  text: string,
  { downs, meant = new Set() }: SumOptions,
): readonly string[] {
  const { layout } = history;
  const { head, recorded, problems } = parseSumFile(text);
  let isAsMeant = false;
  const there = history.migrations.flatMap(({ tag, checksum }) => {
    const down = downs?.get(tag);
    const up = [sqlFileOf(tag, layout), checksum] as const;
    return down === undefined ? [up] : [up, [downFileOf(tag, layout), down] as const];
  });
  const repeatables = (history.repeatables ?? []).map(
    ({ name, checksum }) => [repeatableFileOf(name), checksum] as const,
  );
  const differsByIntent = new Set(
    [...meant].flatMap((tag) => [sqlFileOf(tag, layout), downFileOf(tag, layout)]),
  );
  for (const [name, checksum] of [...there, ...repeatables]) {
    const sum = recorded.get(name);
    if (differsByIntent.has(name)) isAsMeant ||= sum !== checksum;
    else if (sum === undefined) problems.push(`${name} is not listed`);
    else if (sum !== checksum) problems.push(`${name} was ${sum} and is ${checksum}`);
    recorded.delete(name);
  }
  for (const name of recorded.keys()) {
    if (differsByIntent.has(name)) continue;
    if (name.endsWith(DOWN)) {
      if (downs !== undefined) problems.push(`${name} is listed but does not exist`);
    } else if (isRepeatableFile(name)) problems.push(`${name} is listed but does not exist`);
    else problems.push(`${name} is listed but not in the history`);
  }
  if (problems.length === 0 && !isAsMeant && head !== history.head) {
    problems.push(
      `the files are the same, but their order changed: the head was ${head ?? "empty"} and is ${history.head}`,
    );
  }
  return problems;
}

function parseSumFile(text: string) {
  const [head, ...lines] = text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .filter((line) => line !== "");
  const recorded = new Map<string, Checksum>();
  const problems: string[] = [];
  for (const [i, line] of lines.entries()) {
    const at = line.lastIndexOf(" ");
    const checksum = line.slice(at + 1);
    if (at < 1 || !isChecksum(checksum))
      problems.push(`line ${i + 2} is not a file name and its checksum`);
    else recorded.set(line.slice(0, at), checksum);
  }
  return { head, recorded, problems };
}
