import { mkdir, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join, relative } from "node:path";
import { errorCode } from "../base/problem.ts";
import type { KitProject } from "../kit/index.ts";
import type { Base } from "./folder-state.ts";
import { git } from "./git.ts";

/** A project with a migrations folder. */
export interface Project extends KitProject {
  /** Migrations folder; relative to `cwd` or absolute. */
  readonly dir: string;
}

/** The same project as the base has it, in a temporary folder. */
export interface BaseProject extends Project {
  readonly remove: () => Promise<void>;
}

/**
 * Makes the project as it was where this branch forked from the base: what is committed there, with
 * links to what git ignores here (dependencies, `.env`, generated files). The repository is untouched.
 *
 * @throws Error where git fails, or the project lies outside the repository
 */
export async function checkOutBase(project: Project, base: Base): Promise<BaseProject> {
  const cwd = await realpath(project.cwd);
  const top = await realpath((await git(cwd, ["rev-parse", "--show-toplevel"])).trim());
  const made = await mkdtemp(join(tmpdir(), "tidemark-base-"));
  const remove = () => rm(made, { recursive: true, force: true });
  try {
    const tree = join(made, "tree");
    const index = { GIT_INDEX_FILE: join(made, "index"), GIT_LFS_SKIP_SMUDGE: "1" };
    await git(top, ["read-tree", base.forkCommit], index);
    await git(top, ["checkout-index", "--all", "--quiet", `--prefix=${tree}/`], index);
    await linkIgnored(top, tree);
    const within = (path: string) => {
      const inside = relative(top, path);
      if (inside.startsWith("..") || isAbsolute(inside))
        throw new Error(`${path} is not in the repository ${top}`);
      return join(tree, inside);
    };
    const { config, dir, signal } = project;
    return {
      cwd: within(cwd),
      dir: isAbsolute(dir) ? relative(cwd, await realpath(dir)) : dir,
      config: config !== undefined && isAbsolute(config) ? within(config) : config,
      signal,
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function linkIgnored(top: string, tree: string): Promise<void> {
  const list = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
  const paths = (await git(top, list)).split("\0").filter((path) => path !== "");
  for (const path of paths.map((found) => found.replace(/\/$/, ""))) {
    const link = join(tree, path);
    await mkdir(dirname(link), { recursive: true });
    try {
      await symlink(join(top, path), link);
    } catch (error) {
      // The base has a file there.
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}
