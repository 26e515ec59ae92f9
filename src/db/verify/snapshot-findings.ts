import { type Fork, forksOf, odditiesOf } from "../kit/chain.ts";
import { forkFact, forkRemedy } from "../kit/errors.ts";
import type { Snapshot } from "../kit/snapshots.ts";
import type { FolderState } from "./folder.ts";
import { type Entry, JOURNAL, type SnapshotFile, snapshotsIn } from "./journal.ts";
import { lineOf } from "./place.ts";
import type { Finding } from "./types.ts";

/**
 * What is odd about the snapshots of a folder. drizzle-kit compares the schema with the newest: gaps and
 * order are warnings, what it refuses is an error.
 */
export function snapshotFindings(
  folder: FolderState,
  entries: readonly Entry[],
): readonly Finding[] {
  const found = snapshotsIn(folder);
  const forks = forksOf(
    found.flatMap(({ snapshot }) => (typeof snapshot === "string" ? [] : [snapshot])),
  );
  const owning = new Set(found.map(({ tag }) => tag));
  const missing = entries.map(({ tag }) => tag).filter((tag) => !owning.has(tag));
  return [
    ...found.flatMap(({ path, tag, snapshot }) =>
      typeof snapshot === "string" && tag !== undefined ? [broken(folder, path, snapshot)] : [],
    ),
    ...forks.map((fork) => forkFinding(folder, fork)),
    ...missingSnapshots(folder, missing),
    ...oddSnapshots(folder, inJournal(entries, found), forks),
    ...straySnapshots(folder, found),
  ];
}

function broken({ dir }: FolderState, path: string, reason: string): Finding {
  const file = `${dir}/${path}`;
  return {
    level: "error",
    fact: `${file} is no snapshot: ${reason}.`,
    remedy: "Restore it: `git log --stat` shows what became of it.",
    file,
  };
}

function forkFinding({ dir, files }: FolderState, fork: Fork): Finding {
  const path = fork.mend.at(-1)?.path ?? "";
  const line = lineOf(files.get(path), '"prevId"');
  return {
    level: fork.isOfRoots ? "warning" : "error",
    fact: forkFact(dir, fork),
    remedy: forkRemedy(dir, [fork]),
    file: `${dir}/${path}`,
    ...(line !== undefined && { line }),
  };
}

function missingSnapshots({ dir }: FolderState, tags: readonly string[]): readonly Finding[] {
  if (tags.length === 0) return [];
  return [
    {
      level: "warning",
      fact: `${dir}/meta has no snapshot for ${listed(tags)}.`,
      remedy:
        "Harmless as long as the newest snapshot has what these migrations make: drizzle-kit compares the schema with that one alone. `git log --stat` shows whether one was lost.",
      file: `${dir}/${JOURNAL}`,
    },
  ];
}

function inJournal(entries: readonly Entry[], found: readonly SnapshotFile[]) {
  const byTag = new Map(found.map(({ tag, snapshot }) => [tag, snapshot]));
  const snapshots = entries.flatMap(({ tag }) => {
    const snapshot = byTag.get(tag);
    return typeof snapshot === "object" ? [snapshot] : [];
  });
  return { snapshots, hasGaps: snapshots.length < entries.length };
}

/** What follows from a fork or a gap that was told of is not told of again. */
function oddSnapshots(
  { dir }: FolderState,
  { snapshots, hasGaps }: { readonly snapshots: readonly Snapshot[]; readonly hasGaps: boolean },
  forks: readonly Fork[],
): readonly Finding[] {
  const { roots, detached, reordered } = odditiesOf(snapshots);
  const kinds: readonly (readonly [readonly string[], string])[] = [
    [hasGaps ? [] : detached, "a snapshot that is not there"],
    [
      forks.some(({ isOfRoots }) => isOfRoots) ? [] : roots,
      "no snapshot, though others come before it",
    ],
    [forks.length > 0 ? [] : reordered, "another snapshot than the one before it in the journal"],
  ];
  return kinds.flatMap(([paths, what]) => {
    const [first] = paths;
    if (first === undefined) return [];
    const more = paths.length === 1 ? "" : ` (so do ${listed(paths.slice(1))})`;
    return {
      level: "warning",
      fact: `${dir}/${first} follows ${what}${more}.`,
      remedy:
        "Harmless: drizzle-kit compares the schema with the newest snapshot alone. Leave the migrations as they are.",
      file: `${dir}/${first}`,
    };
  });
}

function straySnapshots({ dir }: FolderState, found: readonly SnapshotFile[]): readonly Finding[] {
  const newest = found.at(-1);
  return found
    .filter(({ tag }) => tag === undefined)
    .map((stray) => ({
      // What another one holds decides nothing.
      level: stray === newest || typeof stray.snapshot === "string" ? "error" : "warning",
      fact: `${dir}/${stray.path} has no entry in ${JOURNAL}.`,
      remedy: `\`git log -p\` of ${JOURNAL} shows whether it had one: bring that back, since its migration may be applied. If it never had, a generate that was killed has left the snapshot, and it can be deleted.`,
      file: `${dir}/${stray.path}`,
    }));
}

const MOST_LISTED = 5;

function listed(names: readonly string[]): string {
  const more = names.length - MOST_LISTED;
  return `${names.slice(0, MOST_LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
