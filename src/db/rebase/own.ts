import { parseSnapshot, type Snapshot } from "../kit/snapshots.ts";
import {
  downFileOf,
  type JournalEntry,
  type Layout,
  sqlFileOf,
  type Tag,
} from "../migrate/index.ts";
import { sqlText } from "../verify/converted.ts";
import { entriesOf, layoutOf, snapshotsIn, tagsOf } from "../verify/entries.ts";
import type { FolderState } from "../verify/folder-state.ts";
import type { Sides } from "./sides.ts";

/** A snapshot as its file has it. */
export interface SnapshotText {
  readonly path: string;
  readonly text: string;
  readonly snapshot: Snapshot;
}

/** A migration of this branch, as the branch had it before the merge. */
export interface OwnMigration {
  readonly tag: Tag;
  readonly sql: string;
  readonly entry: JournalEntry;
  readonly down: string | undefined;
  /** Undefined where it has none, or none is left. */
  readonly snapshot: SnapshotText | undefined;
  /** All snapshots beside which that one lay. */
  readonly beside: readonly SnapshotText[];
}

export interface FoundOwn {
  readonly layout: Layout;
  /** In their order. */
  readonly own: readonly OwnMigration[];
  /** Tags of the base that are new to this branch. */
  readonly theirs: readonly Tag[];
  /** Migrations of the base that this branch has edited. */
  readonly edited: readonly Tag[];
  /** Files whose conflict nobody can settle but a person. */
  readonly unsettled: readonly string[];
}

/** Whether a text holds a conflict as git writes it. */
export function isMarked(text: string): boolean {
  return /^<{7} /m.test(text) && /^>{7} /m.test(text);
}

/**
 * Which migrations are this branch's own: those whose tag the base does not have, or has with another text.
 * The journal on the disk may be broken, or another side's: the branch's commits have it whole.
 */
export function findOwn(sides: Sides): FoundOwn {
  const { disk, base, fork } = sides;
  const layout = layoutOf(base.files.size > 0 ? base : disk);
  const states = [disk, ...sides.own];
  const known = new Set(tagsOf(base));
  const isClean = (path: string) =>
    !sides.unmerged.has(path) && !isMarked(disk.files.get(path) ?? "");
  const edited: Tag[] = [];
  const unsettled: string[] = [];
  const own: OwnMigration[] = [];
  for (const tag of tagsInOrder(states)) {
    const path = sqlFileOf(tag, layout);
    const text = disk.files.get(path);
    const theirs = sqlText(base.files.get(path));
    if (known.has(tag) && fork.files.has(path)) {
      if (text !== undefined && (!isClean(path) || sqlText(text) !== theirs)) edited.push(tag);
      continue;
    }
    if (text === undefined) continue;
    const isBoth = known.has(tag);
    if (isBoth && isClean(path) && sqlText(text) === theirs && sides.operation === undefined)
      continue;
    const isOwn = (candidate: string | undefined) =>
      candidate !== undefined && !isMarked(candidate) && sqlText(candidate) !== theirs;
    const sql =
      isClean(path) && isOwn(text)
        ? text
        : sides.own.map(({ files }) => files.get(path)).find(isOwn);
    if (sql !== undefined && sql !== text && isThere(disk, sql)) continue;
    if (sql !== undefined) own.push(ownAt(sides, layout, tag, sql));
    else if (!isBoth) unsettled.push(path);
  }
  const before = new Set(tagsOf(fork));
  const theirs = tagsOf(base).filter((tag) => !before.has(tag));
  return { layout, own, theirs, edited, unsettled };
}

/** Moved already, by a rebase whose result git does not know yet. */
function isThere({ files }: FolderState, sql: string): boolean {
  return [...files.values()].some((text) => sqlText(text) === sqlText(sql));
}

/** Each tag once; where the disk's journal cannot be read, as the sides have them. */
function tagsInOrder(states: readonly FolderState[]): readonly Tag[] {
  const tags = new Set(states.flatMap(tagsOf));
  // By name only in the layout of 1.x, where a folder is listed by being there.
  return [...tags];
}

function ownAt(sides: Sides, layout: Layout, tag: Tag, sql: string): OwnMigration {
  const { disk, base } = sides;
  const foreign = new Set(snapshotTexts(base).map(({ snapshot }) => snapshot.id));
  const states = [disk, ...sides.own];
  const listing = states.filter((state) => isListed(state, layout, tag, base));
  const having = listing
    .map((state) => ({ state, found: ownedBy(state, tag) }))
    .find(({ found }) => found !== undefined && !foreign.has(found.snapshot.id));
  const [first = disk] = listing;
  const entry = entriesOf(first)?.find((one) => one.tag === tag) ?? { tag };
  const downs = (known(base, tag) ? listing : [disk, ...listing]).map(({ files }) =>
    files.get(downFileOf(tag, layout)),
  );
  return {
    ...{ tag, sql, entry },
    down: downs.find((text) => text !== undefined && !isMarked(text)),
    snapshot: having?.found,
    beside: having === undefined ? [] : snapshotTexts(having.state),
  };
}

function known(base: FolderState, tag: Tag): boolean {
  return tagsOf(base).includes(tag);
}

/** Whether a state has the migration whole; under the same tag it may have the base's. */
function isListed(state: FolderState, layout: Layout, tag: Tag, base: FolderState): boolean {
  if (!tagsOf(state).includes(tag)) return false;
  const path = sqlFileOf(tag, layout);
  const text = state.files.get(path);
  return text !== undefined && !isMarked(text) && sqlText(text) !== sqlText(base.files.get(path));
}

function ownedBy(state: FolderState, tag: Tag): SnapshotText | undefined {
  const owned = snapshotsIn(state).find((file) => file.tag === tag);
  return owned && read(state, owned.path);
}

/** The snapshots of a folder that can be read, in the order of their names. */
export function snapshotTexts(state: FolderState): readonly SnapshotText[] {
  return snapshotsIn(state).flatMap(({ path }) => read(state, path) ?? []);
}

function read({ files }: FolderState, path: string): SnapshotText | undefined {
  const text = files.get(path) ?? "";
  const snapshot = parseSnapshot(path, text);
  return typeof snapshot === "string" ? undefined : { path, text, snapshot };
}
