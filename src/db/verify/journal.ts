import { isSnapshot, parseSnapshot, type Snapshot, snapshotOwners } from "../kit/snapshots.ts";
import type { FolderState } from "./folder.ts";

/** An entry of the journal, as far as it is one. */
export interface Entry {
  readonly tag: string;
  readonly idx: number;
  readonly when: number;
}

export const JOURNAL = "meta/_journal.json";

/** The entries of the journal, in its order; undefined where it is not there or cannot be read. */
export function entriesOf({ files }: FolderState): readonly Entry[] | undefined {
  const text = files.get(JOURNAL);
  if (text === undefined) return undefined;
  const { entries } = parsed(text);
  if (!Array.isArray(entries)) return undefined;
  return entries.flatMap((entry: Partial<Entry> | null, place) =>
    typeof entry?.tag === "string"
      ? [{ tag: entry.tag, idx: Number(entry.idx ?? place), when: Number(entry.when ?? 0) }]
      : [],
  );
}

/** A file that drizzle-kit takes for a snapshot. */
export interface SnapshotFile {
  /** `meta/0003_snapshot.json`. */
  readonly path: string;
  /** Whose it is; undefined where no entry of the journal has it. */
  readonly tag: string | undefined;
  /** What it holds, or why it is no snapshot. */
  readonly snapshot: Snapshot | string;
}

/** The snapshots of a folder, in the order of their names: drizzle-kit compares with the last. */
export function snapshotsIn(folder: FolderState): readonly SnapshotFile[] {
  const { files } = folder;
  const paths = [...files.keys()].filter(isSnapshot).toSorted();
  const owners = snapshotOwners(paths, entriesOf(folder) ?? []);
  return paths.map((path) => ({
    path,
    tag: owners.get(path),
    snapshot: parseSnapshot(path, files.get(path) ?? ""),
  }));
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    // A merge's marks, most likely: who asks finds nothing in it.
    return {};
  }
}

/** Migrations whose SQL a person wrote: their snapshot is that of the one they follow. */
export function handWritten(folder: FolderState): ReadonlySet<string> {
  const read = snapshotsIn(folder).flatMap(({ tag, snapshot }) =>
    typeof snapshot === "string" ? [] : [{ tag, snapshot, content: contentOf(snapshot) }],
  );
  const contents = new Map(read.map(({ snapshot, content }) => [snapshot.id, content]));
  const generated = new Set(
    read
      .filter(({ snapshot: { prevId }, content }) => (contents.get(prevId) ?? "{}") !== content)
      .map(({ tag }) => tag),
  );
  const tags = (entriesOf(folder) ?? []).map(({ tag }) => tag);
  // Without a snapshot there is nothing that drizzle-kit could have written it from.
  return new Set(tags.filter((tag) => !generated.has(tag)));
}

/** Equal where two describe the same schema. What follows nothing follows an empty one. */
function contentOf({ schema }: Snapshot): string {
  const { version: _version, dialect: _dialect, ...objects } = schema;
  return JSON.stringify(plain(objects) ?? {});
}

/** The order of keys tells nothing, and an older drizzle-kit leaves out what is empty or off. */
function plain(value: unknown): unknown {
  if (value === false) return undefined;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .map(([key, item]) => [key, plain(item)] as const)
    .filter(([, item]) => item !== undefined);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
