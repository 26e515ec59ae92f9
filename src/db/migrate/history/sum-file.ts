import { extname } from "node:path";
import { MigrateError } from "../errors.ts";
import type { Checksum, History, Tag } from "../types.ts";
import { isChecksum } from "./checksum.ts";
import { codeFilesOf, DOWN, downFileOf, sqlFileOf } from "./layout.ts";
import { isRepeatableFile, repeatableFileOf } from "./repeatables.ts";

/** Name of the sum file in the migrations folder. */
export const SUM_FILE = "tidemark.sum";

/**
 * The sum file's text: the chain's head, then a line for each file, in the history's order: a migration's SQL, its
 * code, its down file; then the repeatables by their names. The head covers the migrations' SQL and code.
 */
export function formatSumFile(
  history: History,
  downs: ReadonlyMap<Tag, Checksum> = new Map(),
): string {
  const lines = filesOf(history, downs).map(({ name, checksum }) => `${name} ${checksum}`);
  return `${[history.head, ...lines].join("\n")}\n`;
}

interface SummedFile {
  readonly name: string;
  readonly checksum: Checksum;
  /** Names that the line may have all the same: what is compiled has another ending than its source. */
  readonly also: readonly string[];
}

function filesOf(
  { migrations, layout, repeatables = [] }: History,
  downs: ReadonlyMap<Tag, Checksum> | undefined,
): readonly SummedFile[] {
  const ofMigrations = migrations.flatMap(({ tag, checksum, code }): readonly SummedFile[] => {
    const down = downs?.get(tag);
    const names = codeFilesOf(tag, layout);
    const name = names.find((one) => code !== undefined && extname(one) === extname(code.file));
    return [
      { name: sqlFileOf(tag, layout), checksum: code?.sqlChecksum ?? checksum, also: [] },
      ...(code && name !== undefined ? [{ name, checksum: code.checksum, also: names }] : []),
      ...(down === undefined ? [] : [{ name: downFileOf(tag, layout), checksum: down, also: [] }]),
    ];
  });
  return [
    ...ofMigrations,
    ...repeatables.map(({ name, checksum }) => ({
      name: repeatableFileOf(name),
      checksum,
      also: [],
    })),
  ];
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
  const differsByIntent = new Set(
    [...meant].flatMap((tag) => [
      sqlFileOf(tag, layout),
      downFileOf(tag, layout),
      ...codeFilesOf(tag, layout),
    ]),
  );
  for (const { name: own, checksum, also } of filesOf(history, downs)) {
    const name = recorded.has(own) ? own : (also.find((other) => recorded.has(other)) ?? own);
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
