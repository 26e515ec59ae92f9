import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  checkFolderSum,
  downFileOf,
  type History,
  loadHistory,
  MigrateError,
  readDownFiles,
  type Tag,
  type WrittenSum,
  writeSumFile,
} from "../migrate/index.ts";
import { type ScratchOptions, withScratchServer } from "../scratch/index.ts";
import { withReplay } from "../scratch/replay.ts";
import { type DerivedDown, deriveDown } from "./derive.ts";
import { isAsWritten } from "./down-text.ts";

export interface DownFilesOptions {
  /** Migrations folder. */
  readonly dir: string;
  /** Which migrations to write them for; `missing`: each that has none. */
  readonly tags: readonly Tag[] | "missing";
  /** Replace files that were written or edited by hand. */
  readonly force?: boolean;
  readonly ledgerSchema: string;
  readonly scratch: ScratchOptions;
  readonly signal?: AbortSignal | undefined;
  /** Called before each, with its number from 1. */
  readonly onDown?: (tag: Tag, number: number, total: number) => void;
}

export interface WrittenDown extends Omit<DerivedDown, "text"> {
  readonly tag: Tag;
  readonly file: string;
  readonly outcome: "written" | "renewed" | "unchanged";
}

export interface DownFilesReport {
  readonly files: readonly WrittenDown[];
  /** Undefined if there was nothing to write. */
  readonly sum: WrittenSum | undefined;
}

/**
 * Writes the down files of migrations, each proven on a scratch database, and `tidemark.sum`. An
 * existing file is generated again, unless a person wrote or edited it.
 *
 * @throws MigrateError `usage` (no such migration, a file edited by hand), `history_invalid` (another
 * file than these differs from tidemark.sum), the error of a failing migration, `config`, `connect`,
 * `canceled`; EmbeddedServerError; CatalogError
 */
export async function writeDownFiles(options: DownFilesOptions): Promise<DownFilesReport> {
  const { dir, force = false, ledgerSchema, scratch, signal } = options;
  const history = await loadHistory(dir, { sumFile: "ignore" });
  const there = await readDownFiles(history);
  const indexes = chosen(history, options.tags, there);
  // The sum file that is written at the end must not vouch for what was edited by mistake.
  await checkFolderSum(history, new Set(indexes.map((index) => tagAt(history, index))));
  if (indexes.length === 0) return { files: [], sum: undefined };
  if (!force) refusePersons(history, indexes, there);

  const { migrations } = history;
  const derived = await withScratchServer(scratch, (server) =>
    withReplay({ server, migrations, ledgerSchema, signal }, async (replay) => {
      const written: (WrittenDown & { readonly text: string })[] = [];
      for (const [number, index] of indexes.entries()) {
        const tag = tagAt(history, index);
        options.onDown?.(tag, number + 1, indexes.length);
        const { text, ...found } = await deriveDown(replay, index);
        const file = join(dir, downFileOf(tag));
        const before = there.get(tag);
        const outcome =
          before === undefined ? "written" : before === text ? "unchanged" : "renewed";
        written.push({ tag, file, outcome, ...found, text });
      }
      return written;
    }),
  );
  // All or none: the sum must list what is there.
  for (const { file, outcome, text } of derived) {
    if (outcome !== "unchanged") await writeFile(file, text);
  }
  const files = derived.map(({ text: _text, ...written }) => written);
  return { files, sum: await writeSumFile(dir) };
}

function tagAt({ migrations }: History, index: number): Tag {
  return migrations[index]?.tag ?? "";
}

/** Places in the history, in its order. */
function chosen(
  history: History,
  tags: DownFilesOptions["tags"],
  there: ReadonlyMap<Tag, string>,
): readonly number[] {
  const { migrations, dir } = history;
  const known = new Set(migrations.map(({ tag }) => tag));
  const unknown = tags === "missing" ? [] : tags.filter((tag) => !known.has(tag));
  if (unknown.length > 0) {
    throw new MigrateError({
      code: "usage",
      fact: `There is no migration ${unknown.join(", ")} in ${dir}.`,
      outcome: "nothing-written",
      remedy: `The newest is ${migrations.at(-1)?.tag ?? "none"}; \`tidemark status\` lists the tags.`,
    });
  }
  const isChosen = (tag: Tag) => (tags === "missing" ? !there.has(tag) : tags.includes(tag));
  return migrations.flatMap(({ tag, index }) => (isChosen(tag) ? [index] : []));
}

function refusePersons(
  history: History,
  indexes: readonly number[],
  there: ReadonlyMap<Tag, string>,
): void {
  const files = indexes.flatMap((index) => {
    const text = there.get(tagAt(history, index));
    return text === undefined || isAsWritten(text) ? [] : [downFileOf(tagAt(history, index))];
  });
  if (files.length === 0) return;
  throw new MigrateError({
    code: "usage",
    fact: `${files.join(", ")} in ${basename(history.dir)} ${files.length === 1 ? "was" : "were"} written or edited by hand.`,
    outcome: "nothing-written",
    remedy: "`tidemark verify` proves them as they are; --force replaces them.",
  });
}
