import { listed } from "../base/text.ts";
import { snapshotOf } from "../kit/snapshots.ts";
import {
  codeFilesOf,
  downFileOf,
  type JournalEntry,
  type Layout,
  MigrateError,
  schemaFileOf,
  sqlFileOf,
  type Tag,
} from "../migrate/index.ts";
import { sqlText } from "../verify/converted.ts";
import { JOURNAL, layoutOf } from "../verify/entries.ts";
import type { FolderState } from "../verify/folder-state.ts";
import { type ChainedSnapshot, chainWholes, type Move } from "./chain-0x.ts";
import { chainDeltas } from "./chain-1x.ts";
import { type FoundOwn, isMarked, snapshotTexts } from "./own.ts";
import type { Sides } from "./sides.ts";

/** The folder as it will be. */
export interface Assembled {
  /** Its files, by their paths; without the sum file. */
  readonly files: ReadonlyMap<string, string>;
  readonly snapshots: readonly ChainedSnapshot[];
}

const SUM = "tidemark.sum";

/**
 * The folder with the base's migrations as the base has them, and the moved ones behind. Files of the base
 * that this branch has changed, and the base has not, stay changed.
 *
 * @throws MigrateError `history_invalid` where both have changed one, or a conflict is not about migrations
 */
export function assemble(sides: Sides, found: FoundOwn, moves: readonly Move[]): Assembled {
  const { disk, base } = sides;
  const { layout } = found;
  const files = new Map(disk.files);
  files.delete(SUM);
  for (const { own } of moves) for (const path of pathsOf(own.tag, layout)) files.delete(path);
  const gone = new Set(moves.map(({ own }) => own.snapshot?.snapshot.id));
  for (const { path, snapshot } of snapshotTexts(disk)) {
    if (gone.has(snapshot.id)) files.delete(path);
  }
  const unclear: string[] = [];
  for (const [path, text] of base.files) {
    if (!isOfMigration(path, layout)) continue;
    const kept = settled(sides, path, text);
    if (kept === undefined) unclear.push(path);
    else files.set(path, kept);
  }
  const snapshots = (layout === "0.x" ? chainWholes : chainDeltas)(moves, snapshotTexts(base));
  for (const [place, { own, placed }] of moves.entries()) {
    files.set(sqlFileOf(placed.tag, layout), own.sql);
    if (own.down !== undefined) files.set(downFileOf(placed.tag, layout), own.down);
    for (const [path, text] of movedCode(disk, own.tag, placed.tag, layout)) files.set(path, text);
    const snapshot = snapshots[place];
    if (snapshot?.text !== undefined) files.set(snapshot.path, snapshot.text);
  }
  if (layout === "0.x") {
    files.set(JOURNAL, journalText(base.files.get(JOURNAL), disk.files.get(JOURNAL), moves));
  }
  for (const [path, text] of files) {
    if (isMarked(text)) unclear.push(path);
  }
  if (unclear.length > 0) throw unsettled(sides, unclear);
  return { files, snapshots };
}

/** Names of a migration's code, and of the schema beside it. */
function codePathsOf(tag: Tag, layout: Layout): readonly string[] {
  return [...codeFilesOf(tag, layout), schemaFileOf(tag, layout)];
}

/** Its code under its new name; in the layout of 0.x it imports its schema by that. */
function movedCode(
  { files }: FolderState,
  from: Tag,
  to: Tag,
  layout: Layout,
): readonly (readonly [string, string])[] {
  const renamed = codePathsOf(to, layout);
  return codePathsOf(from, layout).flatMap((path, place) => {
    const text = files.get(path);
    const name = renamed[place];
    if (text === undefined || name === undefined) return [];
    const own = layout === "0.x" ? text.replaceAll(`./${from}.schema`, `./${to}.schema`) : text;
    return [[name, own] as const];
  });
}

function pathsOf(tag: Tag, layout: Layout): readonly string[] {
  const names = [sqlFileOf(tag, layout), downFileOf(tag, layout), ...codePathsOf(tag, layout)];
  return layout === "1.x" ? [...names, snapshotOf(tag)] : names;
}

function isOfMigration(path: string, layout: Layout): boolean {
  if (path === JOURNAL) return false;
  return (
    path.includes("/") ||
    (layout === "0.x" && /^(?!before\.sql$|event-sink\.sql$).*\.sql$/.test(path))
  );
}

/** The text of a file of the base; undefined where both sides have changed it. */
function settled(sides: Sides, path: string, theirs: string): string | undefined {
  const here = sides.disk.files.get(path);
  const before = sides.fork.files.get(path);
  if (here === undefined || sqlText(here) === sqlText(theirs)) return here ?? theirs;
  if (before === undefined || sqlText(here) === sqlText(before)) return theirs;
  if (sides.unmerged.has(path) || isMarked(here)) return undefined;
  return sqlText(before) === sqlText(theirs) ? here : undefined;
}

/** As drizzle-kit writes it. */
function journalText(
  base: string | undefined,
  here: string | undefined,
  moves: readonly Move[],
): string {
  const journal = (
    base === undefined
      ? { version: "7", dialect: "postgresql", entries: [] }
      : JSON.parse(base.replace(/^\uFEFF/, ""))
  ) as {
    readonly entries: readonly JournalEntry[];
  };
  const entries = [
    ...journal.entries,
    ...moves.map(({ placed: { entry } }) => {
      const {
        idx,
        version = "7",
        when,
        tag,
        breakpoints = true,
        ...rest
      } = entry as JournalEntry & {
        readonly version?: string;
        readonly breakpoints?: boolean;
      };
      return { idx, version, when, tag, breakpoints, ...rest };
    }),
  ];
  const text = JSON.stringify({ ...journal, entries }, null, 2);
  const isKept = here !== undefined && here.replaceAll("\r\n", "\n").trimEnd() === text;
  return isKept ? here : text;
}

function unsettled({ disk: { dir }, ref }: Sides, paths: readonly string[]): MigrateError {
  const all = [...new Set(paths)].map((path) => `${dir}/${path}`);
  return new MigrateError({
    code: "history_invalid",
    fact: `${ref} and this branch have both changed ${listed(all)}.`,
    outcome: "nothing-written",
    remedy: `Only migrations can be moved: settle ${all.length === 1 ? "this file" : "these files"} yourself, then run \`tidemark rebase\` again (\`git checkout ${ref} -- <file>\` takes the base's).`,
  });
}

/** Whether the folder has the layout that the base's has. */
export function isOtherLayout({ disk, base }: Sides): boolean {
  return base.files.size > 0 && disk.files.size > 0 && layoutOf(disk) !== layoutOf(base);
}
