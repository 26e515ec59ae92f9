import type { Tag } from "../migrate/index.ts";

/** An entry of the journal; some have no number. */
interface Entry {
  readonly tag: Tag;
  readonly idx?: number;
}

const SNAPSHOT = /^meta\/([^_].*)_snapshot\.json$/;

/** Whether drizzle-kit takes a file of the folder (`meta/0003_snapshot.json`) for a snapshot. */
export function isSnapshot(path: string): boolean {
  return SNAPSHOT.test(path);
}

/**
 * Which snapshot is which migration's, by the snapshots' paths; a migration has one at most. drizzle-kit
 * names a snapshot by the prefix of the tag, and reads all of them whatever the journal says; where
 * tags are a person's own (`init`), or two have one prefix, the number of the entry tells.
 *
 * @param paths snapshots of the folder
 */
export function snapshotOwners(
  paths: readonly string[],
  entries: readonly Entry[],
): ReadonlyMap<string, Tag> {
  const numbered = entries.map(({ tag, idx }, place) => ({ tag, idx: idx ?? place }));
  const owners = new Map<string, Tag>();
  const owning = new Set<Tag>();
  const give = (isOwner: (entry: Required<Entry>, prefix: string) => boolean) => {
    for (const path of paths.filter((candidate) => !owners.has(candidate))) {
      const prefix = SNAPSHOT.exec(path)?.[1] ?? "";
      const owner = numbered.find((entry) => !owning.has(entry.tag) && isOwner(entry, prefix));
      if (owner === undefined) continue;
      owners.set(path, owner.tag);
      owning.add(owner.tag);
    }
  };
  const isOfTag = ({ tag }: Required<Entry>, prefix: string) => tag.split("_")[0] === prefix;
  const isOfNumber = ({ idx }: Required<Entry>, prefix: string) =>
    String(idx).padStart(4, "0") === prefix;
  give((entry, prefix) => isOfTag(entry, prefix) && isOfNumber(entry, prefix));
  give(isOfTag);
  give(isOfNumber);
  return owners;
}

/** A snapshot of drizzle-kit, as far as it is one. */
export interface Snapshot {
  /** `meta/0003_snapshot.json`. */
  readonly path: string;
  readonly id: string;
  /** Id of the one that it follows. */
  readonly prevId: string;
  /** The schema that it describes. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/** A snapshot, or why its text is none. */
export function parseSnapshot(path: string, text: string): Snapshot | string {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // A merge's marks, most likely.
    return "it is not JSON";
  }
  const { id, prevId, _meta, ...schema } = { ...(value as Readonly<Record<string, unknown>>) };
  if (typeof id !== "string" || typeof prevId !== "string") return "it has no id and prevId";
  return { path, id, prevId, schema };
}
