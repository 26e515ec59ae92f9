import { withoutBom } from "../base/files.ts";
import type { JournalEntry, Tag } from "../migrate/index.ts";

const SNAPSHOT = /^meta\/([^_].*)_snapshot\.json$/;

/** Whether drizzle-kit takes a file of the folder (`meta/0003_snapshot.json`) for a snapshot. */
export function isSnapshot(path: string): boolean {
  return SNAPSHOT.test(path);
}

/**
 * Which snapshot belongs to which migration, by the snapshots' paths; a migration has one at most.
 * drizzle-kit names a snapshot by the prefix of the tag, and reads all of them whatever the journal
 * says; where tags are a person's own (`init`), or two have one prefix, the entry's number decides.
 *
 * @param paths snapshots of the folder
 */
export function snapshotOwners(
  paths: readonly string[],
  entries: readonly Pick<JournalEntry, "tag" | "idx">[],
): ReadonlyMap<string, Tag> {
  const numbered = entries.map(({ tag, idx }, place) => ({ tag, idx: idx ?? place }));
  const owners = new Map<string, Tag>();
  const owning = new Set<Tag>();
  const give = (isOwner: (entry: (typeof numbered)[number], prefix: string) => boolean) => {
    for (const path of paths.filter((candidate) => !owners.has(candidate))) {
      const prefix = SNAPSHOT.exec(path)?.[1] ?? "";
      const owner = numbered.find((entry) => !owning.has(entry.tag) && isOwner(entry, prefix));
      if (owner === undefined) continue;
      owners.set(path, owner.tag);
      owning.add(owner.tag);
    }
  };
  const isOfTag: Parameters<typeof give>[0] = ({ tag }, prefix) => tag.split("_")[0] === prefix;
  const isOfNumber: typeof isOfTag = ({ idx }, prefix) => String(idx).padStart(4, "0") === prefix;
  give((entry, prefix) => isOfTag(entry, prefix) && isOfNumber(entry, prefix));
  give(isOfTag);
  give(isOfNumber);
  return owners;
}

/** What is read of a schema, whatever the format; older ones leave out what they do not know. */
export interface SnapshotSchema {
  readonly tables?: Readonly<
    Record<
      string,
      { schema: string; columns: Record<string, { type: string; typeSchema?: string }> }
    >
  >;
  readonly enums?: Readonly<
    Record<string, { name: string; schema: string; values: readonly string[] }>
  >;
  readonly sequences?: Readonly<Record<string, { schema: string }>>;
  readonly views?: Readonly<Record<string, { schema: string; isExisting?: boolean }>>;
  readonly schemas?: Readonly<Record<string, string>>;
}

/** An entity of a schema, as drizzle-kit 1.x writes it: `entityType`, names, what describes it. */
export type Row = Readonly<Record<string, unknown>>;

/** What a migration changed: one entity. */
export type Delta =
  | { readonly op: "create"; readonly row: Row }
  | { readonly op: "drop"; readonly key: string }
  | { readonly op: "alter" | "rename"; readonly key: string; readonly set: Row };

export interface Snapshot {
  /** `meta/0003_snapshot.json`, or `20251101120000_init/snapshot.json`. */
  readonly path: string;
  readonly id: string;
  /** Ids of those that it follows: one, or in the layout of 1.x several where branches come together. */
  readonly prevIds: readonly string[];
  readonly body: /** Format 7 and older, of 0.x: the whole schema, and the version. */
    | { readonly kind: "objects"; readonly schema: SnapshotSchema }
    /** Format 8, and 9 of a first migration: the whole schema. */
    | { readonly kind: "rows"; readonly rows: readonly Row[] }
    /** Format 9: what the migration changed. */
    | { readonly kind: "deltas"; readonly deltas: readonly Delta[] };
}

const NOTHING: ReadonlySet<string> = new Set(["", "00000000-0000-0000-0000-000000000000"]);

/** Whether an id stands for none: that of a first migration's parent. */
export function isNoSnapshot(id: string): boolean {
  return NOTHING.has(id);
}

/** A snapshot, or why the text is none. */
export function parseSnapshot(path: string, text: string): Snapshot | string {
  let value: unknown;
  try {
    value = JSON.parse(withoutBom(text));
  } catch {
    // A merge's marks, most likely.
    return "it is not JSON";
  }
  const { id, prevId, prevIds, ...rest } = { ...(value as Row) };
  const { ddl, deltas } = rest;
  if (typeof id !== "string") return "it has no id";
  if (Array.isArray(prevIds)) {
    const all = prevIds.filter((item) => typeof item === "string");
    if (Array.isArray(ddl)) return { path, id, prevIds: all, body: { kind: "rows", rows: ddl } };
    if (Array.isArray(deltas)) return { path, id, prevIds: all, body: { kind: "deltas", deltas } };
    return "it has neither ddl nor deltas";
  }
  if (typeof prevId !== "string") return "it has no prevId";
  return { path, id, prevIds: [prevId], body: { kind: "objects", schema: rest } };
}

/**
 * Whether drizzle-kit has found changes for a snapshot's migration; otherwise a person wrote its SQL.
 *
 * @param parent the snapshot that it follows
 */
export function hasChanges({ body }: Snapshot, parent: Snapshot | undefined): boolean {
  // What follows nothing follows an empty one.
  return body.kind === "deltas"
    ? body.deltas.length > 0
    : wholeKey(body) !== wholeKey(parent?.body);
}

/** Equal for two snapshots that describe the same schema. */
function wholeKey(body: Snapshot["body"] | undefined): string | undefined {
  switch (body?.kind) {
    case undefined:
      return "{}";
    case "objects": {
      const { version, dialect, _meta, ...objects } = body.schema as Row;
      return JSON.stringify(normalized(objects) ?? {});
    }
    case "rows":
      if (body.rows.length === 0) return "{}";
      return body.rows
        .map((row) => JSON.stringify(normalized(row)))
        .toSorted()
        .join("\n");
    default:
      return undefined;
  }
}

/** The order of keys means nothing, and an older drizzle-kit leaves out what is empty or off. */
function normalized(value: unknown): unknown {
  if (value === false) return undefined;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(normalized);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .map(([key, item]) => [key, normalized(item)] as const)
    .filter(([, item]) => item !== undefined);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The snapshot's path in a migration's folder, in the layout of 1.x. */
export function snapshotOf(tag: Tag): string {
  return `${tag}/snapshot.json`;
}

/** The migration that a snapshot lies beside, in the layout of 1.x. */
export function ownerOf({ path }: Pick<Snapshot, "path">): Tag {
  return path.replace(/\/snapshot\.json$/, "");
}

/** Snapshots that none follows, the newest first: more than one where branches are open. */
export function endsOf(snapshots: readonly Snapshot[]): readonly Snapshot[] {
  const followed = new Set(snapshots.flatMap(({ prevIds }) => prevIds));
  return snapshots.filter(({ id }) => !followed.has(id)).toReversed();
}
