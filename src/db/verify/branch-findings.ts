import { listed } from "../base/text.ts";
import { endsOf, isNoSnapshot, ownerOf, type Snapshot } from "../kit/snapshots.ts";
import { type SnapshotFile, snapshotsIn } from "./entries.ts";
import type { Finding } from "./findings.ts";
import { type FolderState, findingIn } from "./folder-state.ts";

/**
 * Problems with the snapshots of a folder of the layout of 1.x: what drizzle-kit refuses is an error.
 * Whether open branches conflict, it says itself when the schema is checked.
 */
export function branchFindings(folder: FolderState, tags: readonly string[]): readonly Finding[] {
  const found = snapshotsIn(folder);
  const read = found.flatMap(({ snapshot }) => (typeof snapshot === "string" ? [] : [snapshot]));
  return [
    ...found.flatMap((file) => brokenOne(folder, file)),
    ...withoutMigration(folder, found),
    ...missingSnapshots(folder, tags, found),
    ...severalFirsts(folder, read),
    // A parent may be one that cannot be read.
    ...(read.length < found.length ? [] : read.flatMap((one) => badParents(folder, one, read))),
    ...openBranches(folder, read),
  ];
}

function brokenOne(folder: FolderState, { path, snapshot }: SnapshotFile): readonly Finding[] {
  if (typeof snapshot !== "string") return [];
  const fact = `${folder.dir}/${path} is no snapshot: ${snapshot}.`;
  const remedy = "Restore it: `git log --stat` shows what became of it.";
  return [findingIn(folder, path, { fact, remedy })];
}

function withoutMigration(folder: FolderState, found: readonly SnapshotFile[]): readonly Finding[] {
  return found
    .filter(({ tag }) => tag === undefined)
    .map(({ path }) =>
      findingIn(folder, path, {
        fact: `${folder.dir}/${path} has no migration.sql beside it, and drizzle-kit would compare the schema with it.`,
        remedy:
          "`git log --stat` shows whether there was one: restore that, since it may be applied. Otherwise delete the folder.",
      }),
    );
}

function missingSnapshots(
  folder: FolderState,
  tags: readonly string[],
  found: readonly SnapshotFile[],
): readonly Finding[] {
  const owning = new Set(found.map(({ tag }) => tag));
  const missing = tags.filter((tag) => !owning.has(tag));
  const [first] = missing;
  if (first === undefined) return [];
  return [
    findingIn(folder, `${first}/migration.sql`, {
      level: "warning",
      fact: `${folder.dir} has no snapshot for ${listed(missing)}.`,
      remedy:
        "Harmless as long as the other snapshots have what these migrations make. `git log --stat` shows whether one was lost.",
    }),
  ];
}

/** Two branches that each began with an empty folder. */
function severalFirsts(folder: FolderState, read: readonly Snapshot[]): readonly Finding[] {
  const firsts = read.filter(({ prevIds }) => prevIds.every(isNoSnapshot));
  return firsts.slice(1).map(({ path }) =>
    findingIn(folder, path, {
      fact: `${folder.dir}/${path} follows none, and neither does ${firsts[0]?.path}: each starts a history, and drizzle-kit refuses more than one.`,
      remedy:
        "Delete the folder of the one that no database has run, and all that follow it; then run `tidemark sum`, and generate again.",
      at: '"prevIds"',
    }),
  );
}

function badParents(
  folder: FolderState,
  snapshot: Snapshot,
  read: readonly Snapshot[],
): readonly Finding[] {
  const { path, prevIds } = snapshot;
  const at = { at: '"prevIds"' };
  return prevIds
    .filter((id) => !isNoSnapshot(id))
    .flatMap((id) => {
      const parent = read.find((other) => other.id === id);
      if (parent === undefined) {
        const fact = `${folder.dir}/${path} follows a snapshot that is not in the folder (${id}), and drizzle-kit refuses to continue.`;
        const remedy = "Restore it: `git log --stat` shows what became of it.";
        return [findingIn(folder, path, { fact, remedy, ...at })];
      }
      if (ownerOf(snapshot).localeCompare(ownerOf(parent)) > 0) return [];
      return [
        findingIn(folder, path, {
          fact: `${ownerOf(snapshot)} follows ${ownerOf(parent)}, but comes before it by its name: migrations run in the order of their names.`,
          remedy: `If no database has run it, rename its folder so that it comes after ${ownerOf(parent)}, and run \`tidemark sum\`. Otherwise restore the names that were applied.`,
          ...at,
        }),
      ];
    });
}

function openBranches(folder: FolderState, read: readonly Snapshot[]): readonly Finding[] {
  const ends = endsOf(read);
  const [newest] = ends;
  if (newest === undefined || ends.length < 2) return [];
  return [
    findingIn(folder, newest.path, {
      level: "warning",
      fact: `${folder.dir} holds branches that end with ${listed(ends.map(ownerOf), " and ")}.`,
      remedy:
        "Harmless as long as drizzle-kit finds no conflict between them: the next migration that is generated joins them.",
      at: '"prevIds"',
    }),
  ];
}
