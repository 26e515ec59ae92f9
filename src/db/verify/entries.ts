import { isSnapshot, parseSnapshot, schemaKey, snapshotOwners } from "../kit/snapshots.ts";
import { type JournalEntry, MigrateError, readJournal } from "../migrate/index.ts";
import type { FolderState } from "./folder-state.ts";

export const JOURNAL = "meta/_journal.json";

/** The entries of the journal, in its order; undefined where there is none, or it cannot be read. */
export function entriesOf({ files }: FolderState): readonly JournalEntry[] | undefined {
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

export type SnapshotFile = ReturnType<typeof snapshotsIn>[number];

/** The snapshots of a folder, in the order of their names: drizzle-kit compares with the last. */
export function snapshotsIn(folder: FolderState) {
  const { files } = folder;
  const paths = [...files.keys()].filter(isSnapshot).toSorted();
  const owners = snapshotOwners(paths, entriesOf(folder) ?? []);
  return paths.map((path) => ({
    /** `meta/0003_snapshot.json`. */
    path,
    /** Its migration; undefined where no entry of the journal has it. */
    tag: owners.get(path),
    /** What it holds, or why it is no snapshot. */
    snapshot: parseSnapshot(path, files.get(path) ?? ""),
  }));
}

/** Migrations whose SQL a person wrote: their snapshot equals that of the one they follow. */
export function handWritten(folder: FolderState): ReadonlySet<string> {
  const read = snapshotsIn(folder).flatMap(({ tag, snapshot }) =>
    typeof snapshot === "string" ? [] : [{ tag, ...snapshot, key: schemaKey(snapshot) }],
  );
  const keys = new Map(read.map(({ id, key }) => [id, key]));
  const generated = new Set(
    // What follows nothing follows an empty one.
    read.filter(({ prevId, key }) => (keys.get(prevId) ?? "{}") !== key).map(({ tag }) => tag),
  );
  // Without a snapshot there is nothing that drizzle-kit could have generated it from.
  return new Set(tagsOf(folder).filter((tag) => !generated.has(tag)));
}
