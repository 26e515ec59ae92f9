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

/** A snapshot of drizzle-kit, as far as it is one. */
export interface Snapshot {
  /** `meta/0003_snapshot.json`. */
  readonly path: string;
  readonly id: string;
  readonly prevId: string;
  /** All but its place in the chain: equal where two describe the same schema. */
  readonly content: string;
}

/** Where drizzle-kit puts an entry's snapshot: behind the part of the tag that is its place. */
export function snapshotPath({ tag }: Entry): string {
  return `meta/${tag.split("_")[0] ?? tag}_snapshot.json`;
}

/** A snapshot; undefined where it is not there, a text where it is none. */
export function snapshotAt({ files }: FolderState, path: string): Snapshot | string | undefined {
  const text = files.get(path);
  if (text === undefined) return undefined;
  const { id, prevId, ...content } = parsed(text);
  if (typeof id !== "string" || typeof prevId !== "string") return "it has no id and prevId";
  return { path, id, prevId, content: JSON.stringify(sorted(content)) };
}

/** drizzle-kit writes the keys now in one order, now in another. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
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
  const snapshots = (entriesOf(folder) ?? []).map(
    (entry) => [entry.tag, snapshotAt(folder, snapshotPath(entry))] as const,
  );
  const contents = new Map<string, string>(
    snapshots.flatMap(([, snapshot]) =>
      typeof snapshot === "object" ? [[snapshot.id, snapshot.content] as const] : [],
    ),
  );
  return new Set(
    snapshots.flatMap(([tag, snapshot]) =>
      // Without one there is nothing that drizzle-kit could have written it from.
      typeof snapshot !== "object" ||
      contents.get(snapshot.prevId) === snapshot.content ||
      (!contents.has(snapshot.prevId) && isOfNothing(snapshot.content))
        ? [tag]
        : [],
    ),
  );
}

const OBJECTS = ["tables", "enums", "schemas", "sequences", "roles", "policies", "views"];

/** A first migration that is written by hand follows nothing, and its schema is empty. */
function isOfNothing(content: string): boolean {
  const snapshot = JSON.parse(content) as Readonly<Record<string, unknown>>;
  return OBJECTS.every((kind) => {
    const found = snapshot[kind] ?? {};
    return typeof found === "object" && Object.keys(found).length === 0;
  });
}
