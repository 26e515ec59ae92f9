import { isNoSnapshot, type Snapshot } from "./snapshots.ts";

/** A snapshot of 0.x, which follows one. */
interface Link {
  readonly path: string;
  readonly id: string;
  readonly prevId: string;
}

export function linkOf({ path, id, prevIds: [prevId = ""] }: Snapshot): Link {
  return { path, id, prevId };
}

/** Snapshots that follow the same one, as two branches make them: drizzle-kit refuses to continue. */
export interface Fork {
  /** In the order of their names. */
  readonly snapshots: readonly string[];
  /** What they follow; undefined where that is nothing or not in the folder. */
  readonly parent: string | undefined;
  /** They follow nothing: each starts a history. */
  readonly isOfRoots: boolean;
  /** The edits that would put them in one line. */
  readonly mend: readonly Relink[];
}

interface Relink {
  readonly path: string;
  /** What its `prevId` should be: the id of the snapshot `of`. */
  readonly prevId: string;
  readonly of: string;
}

/**
 * Snapshots in an odd order, which drizzle-kit does not mind: it reads the newest.
 *
 * @param snapshots in the order of the journal
 */
export function odditiesOf(snapshots: readonly Link[]) {
  const ids = new Set(snapshots.map(({ id }) => id));
  const odd = (isOdd: (link: Link, before: Link | undefined) => boolean) =>
    snapshots.filter((link, place) => isOdd(link, snapshots[place - 1])).map(({ path }) => path);
  return {
    /** They follow nothing, and are not the first. */
    roots: odd(({ prevId }, before) => isNoSnapshot(prevId) && before !== undefined),
    /** They follow one that is not in the folder. */
    detached: odd(({ prevId }) => !isNoSnapshot(prevId) && !ids.has(prevId)),
    /** They follow a different one than precedes them in the journal. */
    reordered: odd(({ prevId }, before) => ids.has(prevId) && before?.id !== prevId),
  };
}

/** All forks among the snapshots of a folder, whatever their order. */
export function forksOf(snapshots: readonly Link[]): readonly Fork[] {
  const sorted = snapshots.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const children = new Map<string, Link[]>();
  for (const link of sorted) {
    const siblings = children.get(link.prevId) ?? [];
    children.set(link.prevId, siblings);
    siblings.push(link);
  }
  const newest = newestLine(sorted);
  return [...children].flatMap(([prevId, siblings]) =>
    siblings.length < 2
      ? []
      : {
          snapshots: siblings.map(({ path }) => path),
          parent: sorted.find(({ id }) => id === prevId)?.path,
          isOfRoots: isNoSnapshot(prevId),
          mend: mendOf(siblings, children, newest),
        },
  );
}

/** The newest by name, which drizzle-kit compares the schema with, and all that it follows. */
function newestLine(sorted: readonly Link[]): ReadonlySet<Link> {
  const byId = new Map(sorted.map((link) => [link.id, link]));
  const line = new Set<Link>();
  for (let link = sorted.at(-1); link !== undefined && !line.has(link); ) {
    line.add(link);
    link = byId.get(link.prevId);
  }
  return line;
}

/** The one that leads to the newest comes last; each follows the end of the line before it. */
function mendOf(
  siblings: readonly Link[],
  children: ReadonlyMap<string, readonly Link[]>,
  newest: ReadonlySet<Link>,
): readonly Relink[] {
  const last = siblings.find((link) => newest.has(link)) ?? siblings.at(-1);
  const line = [...siblings.filter((link) => link !== last), ...(last ? [last] : [])];
  return line.slice(1).map((link, place) => {
    const { id, path } = endOf(line[place] ?? link, children);
    return { path: link.path, prevId: id, of: path };
  });
}

function endOf(start: Link, children: ReadonlyMap<string, readonly Link[]>): Link {
  const seen = new Set<Link>();
  let link = start;
  while (!seen.has(link)) {
    seen.add(link);
    link = children.get(link.id)?.findLast((child) => !seen.has(child)) ?? link;
  }
  return link;
}

export function forkFact(dir: string, { snapshots, parent, isOfRoots }: Fork): string {
  const all = snapshots.map((path) => `${dir}/${path}`);
  const list = `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
  const which = parent === undefined ? "which is not in the folder" : `${dir}/${parent}`;
  return isOfRoots
    ? `The snapshots ${list} follow none: each starts a history, and drizzle-kit refuses more than one.`
    : `The snapshots ${list} follow the same one (${which}): two branches generated from it, and drizzle-kit refuses to continue.`;
}

/** A way out that touches nothing that may be applied: no database knows of snapshots. */
export function forkRemedy(dir: string, forks: readonly Fork[]): string {
  const edits = forks.flatMap(({ mend }) =>
    mend.map(({ path, prevId, of }) => `  ${dir}/${path}: "prevId": "${prevId}" (the id of ${of})`),
  );
  return [
    "If no database has run those of your own branch, `tidemark rebase --base <branch>` does all of this. Otherwise leave the SQL files and the journal alone: both migrations may be applied. No database knows of snapshots: put these in one line by editing:",
    ...edits,
    "Then run `tidemark generate`: it drafts what the newest snapshot lacks of the other branch, and says how to keep that without running it twice.",
  ].join("\n");
}
