import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  checkFolderSum,
  downFileOf,
  type History,
  loadHistory,
  MigrateError,
  type Migration,
  readDownFiles,
  type Tag,
  type WrittenSum,
  writeSumFile,
} from "../migrate/index.ts";
import { type ScratchOptions, withScratchServer } from "../scratch/index.ts";
import { withReplay } from "../scratch/replay.ts";
import { type DerivedDown, deriveDown } from "./derive.ts";
import { isAsWritten } from "./down-text.ts";

export { irreversibleReason } from "../migrate/index.ts";
export { type DerivedDown, deriveDown, reasonOf } from "./derive.ts";
export { downPathOf } from "./down-text.ts";
export { deriveDraftDown, type Untried } from "./draft.ts";
export { lossesOf } from "./losses.ts";
export { proveDown, readState } from "./prove.ts";

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
  const migrations = chosen(history, options.tags, there);
  // The sum file that is written at the end must not vouch for what was edited by mistake.
  await checkFolderSum(history, new Set(migrations.map(({ tag }) => tag)));
  if (migrations.length === 0) return { files: [], sum: undefined };
  if (!force) refuseEdited(history, migrations, there);

  const derived = await withScratchServer(scratch, (server) =>
    withReplay({ server, ...history, ledgerSchema, signal }, async (replay) => {
      const written: (WrittenDown & { readonly text: string })[] = [];
      for (const [number, { tag, index }] of migrations.entries()) {
        options.onDown?.(tag, number + 1, migrations.length);
        const down = await deriveDown(replay, index);
        const before = there.get(tag);
        const renewed = before === down.text ? "unchanged" : "renewed";
        const outcome = before === undefined ? "written" : renewed;
        written.push({ tag, file: join(dir, downFileOf(tag, history.layout)), outcome, ...down });
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

/** In the order of the history. */
function chosen(
  { migrations, dir }: History,
  tags: DownFilesOptions["tags"],
  there: ReadonlyMap<Tag, string>,
): readonly Migration[] {
  if (tags === "missing") return migrations.filter(({ tag }) => !there.has(tag));
  const unknown = tags.filter((wanted) => !migrations.some(({ tag }) => tag === wanted));
  if (unknown.length === 0) return migrations.filter(({ tag }) => tags.includes(tag));
  throw new MigrateError({
    code: "usage",
    fact: `There is no migration ${unknown.join(", ")} in ${dir}.`,
    outcome: "nothing-written",
    remedy: `The newest is ${migrations.at(-1)?.tag ?? "none"}; \`tidemark status\` lists the tags.`,
  });
}

function refuseEdited(
  { dir, layout }: Pick<History, "dir" | "layout">,
  migrations: readonly Migration[],
  there: ReadonlyMap<Tag, string>,
): void {
  const files = migrations.flatMap(({ tag }) => {
    const text = there.get(tag);
    return text === undefined || isAsWritten(text) ? [] : [downFileOf(tag, layout)];
  });
  if (files.length === 0) return;
  throw new MigrateError({
    code: "usage",
    fact: `${files.join(", ")} in ${basename(dir)} ${files.length === 1 ? "was" : "were"} written or edited by hand.`,
    outcome: "nothing-written",
    remedy: "`tidemark verify` proves them as they are; --force replaces them.",
  });
}
