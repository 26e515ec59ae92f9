import { relative, resolve } from "node:path";
import { type FolderState, noBase, readCommit, readFolder } from "../verify/folder-state.ts";
import { git } from "../verify/git.ts";

/** The migrations folder, as each side of a merge has it. */
export interface Sides {
  readonly ref: string;
  readonly disk: FolderState;
  readonly base: FolderState;
  /** Where this branch left the base; the base itself where that is not known any more. */
  readonly fork: FolderState;
  /** This branch's commits that may hold its migrations as they were: the newest first. */
  readonly own: readonly FolderState[];
  /** What git is in the middle of: `merge`, `rebase`, `cherry-pick`. */
  readonly operation: string | undefined;
  /** The base's newest commit is in this branch, or is being merged into it. */
  readonly isMerged: boolean;
  /** The remote's branch of the base's name, where it has more than the base, and is in this branch already. */
  readonly newer: string | undefined;
  /** Paths in the folder that git calls unmerged. */
  readonly unmerged: ReadonlySet<string>;
  /** Other unmerged paths of the repository, relative to the working folder. */
  readonly unmergedElsewhere: readonly string[];
}

const OPERATIONS = {
  MERGE_HEAD: "merge",
  REBASE_HEAD: "rebase",
  CHERRY_PICK_HEAD: "cherry-pick",
} as const;

/**
 * Reads the folder on the disk, in the base, and in the commits of this branch: HEAD, what is being merged
 * or applied, the parents of the newest merge, and where HEAD was before.
 *
 * @throws MigrateError `usage` where git has no such ref, or is not installed
 */
export async function readSides(dir: string, ref: string): Promise<Sides> {
  try {
    const tip = await commitOf(dir, ref);
    if (tip === undefined) throw new Error("git knows no such commit");
    const found = await headsOf(dir, tip);
    const isBehind = (commit: string) => isAncestor(dir, commit, tip);
    const hasTip = (commit: string) => isAncestor(dir, tip, commit);
    const own: string[] = [];
    for (const commit of found.commits) {
      if (!own.includes(commit) && !(await isBehind(commit))) own.push(commit);
    }
    const merged = await Promise.all(found.joined.map(hasTip));
    const apart = await Promise.all(own.map(async (commit) => !(await hasTip(commit))));
    const left = own.find((_, place) => apart[place]);
    const fork = left === undefined ? tip : await commonOf(dir, left, tip);
    const [base, forked, ...sides] = await Promise.all(
      [tip, fork, ...own].map((commit) => readCommit(dir, commit)),
    );
    if (base === undefined || forked === undefined) throw new Error("git told nothing");
    return {
      ...{ ref, disk: await readFolder(dir), base, fork: forked, own: sides },
      operation: found.operation,
      isMerged: merged.includes(true),
      newer: await newerBase(dir, ref, tip, found.joined),
      ...(await unmergedIn(dir)),
    };
  } catch (error) {
    throw noBase(ref, dir, error);
  }
}

/** Merged, the migrations of a remote's branch would be taken for this branch's own by a base without them. */
async function newerBase(
  dir: string,
  ref: string,
  tip: string,
  joined: readonly string[],
): Promise<string | undefined> {
  for (const name of [`${ref}@{upstream}`, `refs/remotes/origin/${ref}`]) {
    const commit = await commitOf(dir, name).catch(() => undefined);
    if (commit === undefined || (await isAncestor(dir, commit, tip))) continue;
    const merged = await Promise.all(joined.map((head) => isAncestor(dir, commit, head)));
    if (merged.includes(true)) return (await git(dir, ["rev-parse", "--abbrev-ref", name])).trim();
  }
  return undefined;
}

async function headsOf(dir: string, tip: string) {
  const head = await commitOf(dir, "HEAD");
  const heads: string[] = head === undefined ? [] : [head];
  let operation: string | undefined;
  for (const [name, what] of Object.entries(OPERATIONS)) {
    const commit = await commitOf(dir, name);
    if (commit === undefined) continue;
    operation ??= what;
    heads.push(commit);
  }
  const list = ["rev-list", "--merges", "--first-parent", "--max-count=1", "HEAD", `^${tip}`];
  const [merge] = head === undefined ? [] : (await git(dir, list)).trim().split("\n");
  const parents = merge ? (await git(dir, ["rev-parse", `${merge}^@`])).trim().split("\n") : [];
  const before = await commitOf(dir, "ORIG_HEAD");
  return {
    operation,
    joined: heads,
    commits: [...heads, ...parents, ...(before === undefined ? [] : [before])],
  };
}

async function commitOf(dir: string, name: string): Promise<string | undefined> {
  try {
    return (await git(dir, ["rev-parse", "--verify", "--quiet", `${name}^{commit}`])).trim();
  } catch (error) {
    // It ends with 1, and says nothing.
    if ((error as { code?: unknown }).code === 1) return undefined;
    throw error;
  }
}

async function commonOf(dir: string, one: string, other: string): Promise<string> {
  try {
    return (await git(dir, ["merge-base", one, other])).trim();
  } catch (error) {
    if ((error as { code?: unknown }).code !== 1) throw error;
    throw new Error("this clone has no commit that it and this branch share");
  }
}

async function isAncestor(dir: string, commit: string, of: string): Promise<boolean> {
  try {
    await git(dir, ["merge-base", "--is-ancestor", commit, of]);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === 1) return false;
    throw error;
  }
}

async function unmergedIn(dir: string): Promise<Pick<Sides, "unmerged" | "unmergedElsewhere">> {
  const top = (await git(dir, ["rev-parse", "--show-toplevel"])).trim();
  const prefix = (await git(dir, ["rev-parse", "--show-prefix"])).trim();
  const listing = await git(top, ["diff", "--name-only", "--diff-filter=U", "-z"]);
  const paths = listing.split("\0").filter((path) => path !== "");
  const within = (path: string) => path.startsWith(prefix);
  return {
    unmerged: new Set(paths.filter(within).map((path) => path.slice(prefix.length))),
    unmergedElsewhere: paths
      .filter((path) => !within(path))
      .map((path) => relative(process.cwd(), resolve(top, path))),
  };
}
