import { listed } from "../base/text.ts";
import { type Fork, forkFact, forkRemedy, forksOf, linkOf, odditiesOf } from "../kit/chain.ts";
import { JOURNAL, type SnapshotFile, snapshotsIn } from "./entries.ts";
import type { Finding } from "./findings.ts";
import { type FolderState, findingIn } from "./folder-state.ts";

/**
 * Problems with the snapshots of a folder of the layout of 0.x. drizzle-kit compares the schema with the newest: gaps and
 * order are warnings, what it refuses is an error.
 */
export function snapshotFindings(folder: FolderState, tags: readonly string[]): readonly Finding[] {
  const found = snapshotsIn(folder);
  const byTag = new Map(found.map((file) => [file.tag, file]));
  const missing = tags.filter((tag) => !byTag.has(tag));
  const forks = forksOf(found.flatMap(readable));
  const inJournal = tags.flatMap((tag) => readable(byTag.get(tag)));
  const hasGaps = inJournal.length < tags.length;
  return [
    ...found.flatMap((file) => brokenOne(folder, file)),
    ...forks.map((fork) => forkFinding(folder, fork)),
    ...missingSnapshots(folder, missing),
    ...oddSnapshots(folder, odditiesOf(inJournal), forks, hasGaps),
    ...straySnapshots(folder, found),
  ];
}

function readable(file: SnapshotFile | undefined) {
  return file === undefined || typeof file.snapshot === "string" ? [] : [linkOf(file.snapshot)];
}

function brokenOne(folder: FolderState, { path, tag, snapshot }: SnapshotFile) {
  if (typeof snapshot !== "string" || tag === undefined) return [];
  const fact = `${folder.dir}/${path} is no snapshot: ${snapshot}.`;
  const remedy = "Restore it: `git log --stat` shows what became of it.";
  return [findingIn(folder, path, { fact, remedy })];
}

function forkFinding(folder: FolderState, fork: Fork): Finding {
  return findingIn(folder, fork.mend.at(-1)?.path ?? "", {
    level: fork.isOfRoots ? "warning" : "error",
    fact: forkFact(folder.dir, fork),
    remedy: forkRemedy(folder.dir, [fork]),
    at: '"prevId"',
  });
}

function missingSnapshots(folder: FolderState, tags: readonly string[]): readonly Finding[] {
  if (tags.length === 0) return [];
  const finding = findingIn(folder, JOURNAL, {
    level: "warning",
    fact: `${folder.dir}/meta has no snapshot for ${listed(tags)}.`,
    remedy:
      "Harmless as long as the newest snapshot has what these migrations make: drizzle-kit only compares the schema with that one. `git log --stat` shows whether one was lost.",
  });
  return [finding];
}

/** What follows from a fork or a gap that was reported is not reported again. */
function oddSnapshots(
  folder: FolderState,
  { roots, detached, reordered }: ReturnType<typeof odditiesOf>,
  forks: readonly Fork[],
  hasGaps: boolean,
): readonly Finding[] {
  const kinds: readonly (readonly [readonly string[], string])[] = [
    [hasGaps ? [] : detached, "a snapshot that does not exist"],
    [
      forks.some(({ isOfRoots }) => isOfRoots) ? [] : roots,
      "no snapshot, though others come before it",
    ],
    [forks.length > 0 ? [] : reordered, "another snapshot than the one before it in the journal"],
  ];
  return kinds.flatMap(([[first, ...others], what]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` (so do ${listed(others)})`;
    return findingIn(folder, first, {
      level: "warning",
      fact: `${folder.dir}/${first} follows ${what}${more}.`,
      remedy:
        "Harmless: drizzle-kit only compares the schema with the newest snapshot. Leave the migrations as they are.",
    });
  });
}

function straySnapshots(folder: FolderState, found: readonly SnapshotFile[]): readonly Finding[] {
  const newest = found.at(-1);
  return found
    .filter(({ tag }) => tag === undefined)
    .map((stray) =>
      findingIn(folder, stray.path, {
        // Only the newest decides anything.
        level: stray === newest || typeof stray.snapshot === "string" ? "error" : "warning",
        fact: `${folder.dir}/${stray.path} has no entry in ${JOURNAL}.`,
        remedy: `\`git log -p\` of ${JOURNAL} shows whether it had one: restore that, since its migration may be applied. If it never had one, a killed generate left the snapshot, and it can be deleted.`,
      }),
    );
}
