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

/** What is read of a schema in a snapshot of drizzle-kit 0.31; older ones leave out what they do not know. */
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

export interface Snapshot {
  /** `meta/0003_snapshot.json`. */
  readonly path: string;
  readonly id: string;
  /** Id of the one that it follows. */
  readonly prevId: string;
  /** All the rest: the schema that it describes, and its version. */
  readonly schema: SnapshotSchema;
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
  const { id, prevId, ...schema } = { ...(value as Readonly<Record<string, unknown>>) };
  if (typeof id !== "string" || typeof prevId !== "string") return "it has no id and prevId";
  return { path, id, prevId, schema };
}

/** The text of a snapshot, as if its schema were another. */
export function snapshotText({ id, prevId }: Snapshot, schema: SnapshotSchema): string {
  return JSON.stringify({ id, prevId, ...schema });
}

/** Equal for two snapshots that describe the same schema; `{}` for an empty one. */
export function schemaKey({ schema }: Snapshot): string {
  const { version, dialect, _meta, ...objects } = schema as Readonly<Record<string, unknown>>;
  return JSON.stringify(normalized(objects) ?? {});
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
