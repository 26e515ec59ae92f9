import { listed } from "../base/text.ts";
import { type Fork, forkFact, forkRemedy, forksOf, odditiesOf } from "../kit/chain.ts";
import { JOURNAL, type SnapshotFile, snapshotsIn } from "./entries.ts";
import type { Finding } from "./findings.ts";
import { type FolderState, lineOf } from "./folder-state.ts";

/**
 * Problems with the snapshots of a folder. drizzle-kit compares the schema with the newest: gaps and
 * order are warnings, what it refuses is an error.
 */
export function snapshotFindings(folder: FolderState, tags: readonly string[]): readonly Finding[] {
  const found = snapshotsIn(folder);
  const byTag = new Map(found.map((file) => [file.tag, file]));
  const missing = tags.filter((tag) => !byTag.has(tag));
  const forks = forksOf(found.flatMap(readable));
  return [
    ...found.flatMap(({ path, tag, snapshot }) =>
      typeof snapshot === "string" && tag !== undefined ? [broken(folder, path, snapshot)] : [],
    ),
    ...forks.map((fork) => forkFinding(folder, fork)),
    ...missingSnapshots(folder, missing),
    ...oddSnapshots(
      folder,
      tags.map((tag) => byTag.get(tag)),
      forks,
    ),
    ...straySnapshots(folder, found),
  ];
}

function readable(file: SnapshotFile | undefined) {
  return file === undefined || typeof file.snapshot === "string" ? [] : [file.snapshot];
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

function forkFinding(folder: FolderState, fork: Fork): Finding {
  const { dir } = folder;
  const path = fork.mend.at(-1)?.path ?? "";
  const line = lineOf(folder, path, '"prevId"');
  return {
    level: fork.isOfRoots ? "warning" : "error",
    fact: forkFact(dir, fork),
    remedy: forkRemedy(dir, [fork]),
    file: `${dir}/${path}`,
    ...(line && { line }),
  };
}

function missingSnapshots({ dir }: FolderState, tags: readonly string[]): readonly Finding[] {
  if (tags.length === 0) return [];
  return [
    {
      level: "warning",
      fact: `${dir}/meta has no snapshot for ${listed(tags)}.`,
      remedy:
        "Harmless as long as the newest snapshot has what these migrations make: drizzle-kit only compares the schema with that one. `git log --stat` shows whether one was lost.",
      file: `${dir}/${JOURNAL}`,
    },
  ];
}

/** What follows from a fork or a gap that was reported is not reported again. */
function oddSnapshots(
  { dir }: FolderState,
  files: readonly (SnapshotFile | undefined)[],
  forks: readonly Fork[],
): readonly Finding[] {
  const snapshots = files.flatMap(readable);
  const { roots, detached, reordered } = odditiesOf(snapshots);
  const kinds: readonly (readonly [readonly string[], string])[] = [
    [snapshots.length < files.length ? [] : detached, "a snapshot that does not exist"],
    [
      forks.some(({ isOfRoots }) => isOfRoots) ? [] : roots,
      "no snapshot, though others come before it",
    ],
    [forks.length > 0 ? [] : reordered, "another snapshot than the one before it in the journal"],
  ];
  return kinds.flatMap(([[first, ...others], what]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` (so do ${listed(others)})`;
    return {
      level: "warning",
      fact: `${dir}/${first} follows ${what}${more}.`,
      remedy:
        "Harmless: drizzle-kit only compares the schema with the newest snapshot. Leave the migrations as they are.",
      file: `${dir}/${first}`,
    };
  });
}

function straySnapshots({ dir }: FolderState, found: readonly SnapshotFile[]): readonly Finding[] {
  const newest = found.at(-1);
  return found
    .filter(({ tag }) => tag === undefined)
    .map((stray) => ({
      // Only the newest decides anything.
      level: stray === newest || typeof stray.snapshot === "string" ? "error" : "warning",
      fact: `${dir}/${stray.path} has no entry in ${JOURNAL}.`,
      remedy: `\`git log -p\` of ${JOURNAL} shows whether it had one: restore that, since its migration may be applied. If it never had one, a killed generate left the snapshot, and it can be deleted.`,
      file: `${dir}/${stray.path}`,
    }));
}
