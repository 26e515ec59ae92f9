import {
  hasChanges,
  isSnapshot,
  ownerOf,
  parseSnapshot,
  snapshotOf,
  snapshotOwners,
} from "../kit/snapshots.ts";
import {
  type JournalEntry,
  type Layout,
  MigrateError,
  readJournal,
  sqlFileOf,
} from "../migrate/index.ts";
import type { FolderState } from "./folder-state.ts";

export const JOURNAL = "meta/_journal.json";

const MIGRATION = /^([^/]+)\/migration\.sql$/;

/** The layout of a folder: that of 1.x where it has no journal, and a folder with a migration. */
export function layoutOf({ files }: FolderState): Layout {
  if (files.has(JOURNAL)) return "0.x";
  return [...files.keys()].some((path) => MIGRATION.test(path)) ? "1.x" : "0.x";
}

/**
 * The migrations in their order: as the journal has them, or by the names of their folders. Undefined
 * where a journal is missing, or cannot be read.
 */
export function entriesOf(folder: FolderState): readonly JournalEntry[] | undefined {
  const { files } = folder;
  if (layoutOf(folder) === "1.x") {
    const tags = [...files.keys()].flatMap((path) => MIGRATION.exec(path)?.[1] ?? []);
    return tags.toSorted((a, b) => a.localeCompare(b)).map((tag) => ({ tag }));
  }
  const text = files.get(JOURNAL);
  if (text === undefined) return undefined;
  try {
    return readJournal(text, JOURNAL).entries;
  } catch (error) {
    if (error instanceof MigrateError) return undefined;
    throw error;
  }
}

export function tagsOf(folder: FolderState): readonly string[] {
  return (entriesOf(folder) ?? []).map(({ tag }) => tag);
}

/** The path of a migration's SQL in the folder. */
export function sqlPathOf(folder: FolderState, tag: string): string {
  return sqlFileOf(tag, layoutOf(folder));
}

export type SnapshotFile = ReturnType<typeof snapshotsIn>[number];

/** The snapshots of a folder, in the order of their names: drizzle-kit 0.31 compares with the last. */
export function snapshotsIn(folder: FolderState) {
  const { files } = folder;
  const isNew = layoutOf(folder) === "1.x";
  const isOne = (path: string) =>
    isNew ? path === snapshotOf(ownerOf({ path })) : isSnapshot(path);
  const paths = [...files.keys()].filter(isOne).toSorted();
  const tags = tagsOf(folder);
  const owners = isNew
    ? new Map(tags.map((tag) => [snapshotOf(tag), tag]))
    : snapshotOwners(paths, entriesOf(folder) ?? []);
  return paths.map((path) => ({
    /** `meta/0003_snapshot.json`, or `20251101120000_init/snapshot.json`. */
    path,
    /** Its migration; undefined where there is none. */
    tag: owners.get(path),
    /** What it holds, or why it is no snapshot. */
    snapshot: parseSnapshot(path, files.get(path) ?? ""),
  }));
}

/** Migrations whose SQL a person wrote: their snapshot says that nothing changed. */
export function handWritten(folder: FolderState): ReadonlySet<string> {
  const read = snapshotsIn(folder).flatMap(({ tag, snapshot }) =>
    typeof snapshot === "string" ? [] : [{ tag, snapshot }],
  );
  const byId = new Map(read.map(({ snapshot }) => [snapshot.id, snapshot]));
  const generated = new Set(
    read
      .filter(({ snapshot }) => hasChanges(snapshot, byId.get(snapshot.prevIds[0] ?? "")))
      .map(({ tag }) => tag),
  );
  // Without a snapshot there is nothing that drizzle-kit could have generated it from.
  return new Set(tagsOf(folder).filter((tag) => !generated.has(tag)));
}
