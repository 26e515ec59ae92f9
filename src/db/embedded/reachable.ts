import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { exists } from "../base/files.ts";
import { errorCode, messageOf } from "../base/problem.ts";
import { type Binaries, binariesAt } from "./binaries.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import { processExists } from "./os-process.ts";
import type { ServerUser } from "./server-user.ts";

const run = promisify(execFile);

/**
 * Binaries that `user` can run: these, or if they are below a folder that the user may not enter
 * (root's home), a copy, made once, below the first of `places` that only root can write to.
 */
export async function makeReachable(
  binaries: Binaries,
  user: ServerUser | undefined,
  places: readonly string[] = ["/var/cache", "/var/tmp", tmpdir()],
): Promise<Binaries> {
  if (user === undefined || (await canRun(user, binaries))) return binaries;
  const refusals: string[] = [];
  for (const parent of places) {
    const outcome = await copyBelow(parent, binaries, user);
    if (typeof outcome !== "string") return outcome;
    refusals.push(outcome);
  }
  throw new EmbeddedServerError("binaries_unreachable", {
    fact: `PostgreSQL refuses to run as root, and user ${user.uid}, which it would run as, cannot reach ${binaries.root}. It cannot be copied either:`,
    output: refusals.join("\n"),
    remedy: "Move the project to a place that this user can read, or run as an ordinary user.",
  });
}

async function canRun(user: ServerUser, binaries: Binaries): Promise<boolean> {
  const needed = [
    { path: binaries.postgres, right: READ | ENTER },
    { path: binaries.initdb, right: READ | ENTER },
    { path: join(binaries.root, "lib"), right: READ | ENTER },
    { path: join(binaries.root, "share", "postgresql", "postgres.bki"), right: READ },
  ];
  for (const { path, right } of needed) {
    if (!(await mayReach(user, path, right))) return false;
  }
  return true;
}

const READ = 4;
const ENTER = 1;

/** By the permission bits only; the user has no groups but its own. */
async function mayReach(user: ServerUser, path: string, right: number): Promise<boolean> {
  const real = await realpath(path);
  const ways = ancestorsOf(real).map((folder) => mayUse(user, folder, ENTER));
  return (await Promise.all([...ways, mayUse(user, real, right)])).every(Boolean);
}

async function mayUse(user: ServerUser, path: string, right: number): Promise<boolean> {
  const { uid, gid, mode } = await stat(path);
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
  return ((mode >> shift) & right) === right;
}

function ancestorsOf(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...ancestorsOf(parent)];
}

/** The copy below `parent`, or the reason why there is none. */
async function copyBelow(
  parent: string,
  binaries: Binaries,
  user: ServerUser,
): Promise<Binaries | string> {
  try {
    const home = join(await realpath(parent), "tidemark");
    await mkdir(home)
      .then(() => chmod(home, 0o755))
      .catch(unlessThere);
    const danger = await findPlanter(home);
    if (danger !== undefined) return `${home}: ${danger}`;
    if (!(await mayReach(user, home, ENTER))) return `${home}: user ${user.uid} cannot reach it`;
    const copy = binariesAt(join(home, binaries.build), binaries.build);
    if (!(await exists(copy.root))) await makeCopy(home, binaries, copy, user);
    return copy;
  } catch (error) {
    return `${parent}: ${messageOf(error)}`;
  }
}

/** Another process made it first. A folder in the way of a renamed one is ENOTEMPTY. */
function unlessThere(error: unknown): void {
  if (errorCode(error) !== "EEXIST" && errorCode(error) !== "ENOTEMPTY") throw error;
}

/** The folder that others can write to, if there is one: the server's user must not run their files. */
async function findPlanter(home: string): Promise<string | undefined> {
  for (const folder of [home, ...ancestorsOf(home)]) {
    // Not through a symbolic link: that could have been planted as well.
    const found = await lstat(folder);
    const isShared = (found.mode & WRITABLE_BY_OTHERS) !== 0;
    const isSticky = folder !== home && (found.mode & STICKY) !== 0;
    if (!found.isDirectory() || found.uid !== 0 || (isShared && !isSticky)) {
      return `others than root can write to ${folder}`;
    }
  }
  return undefined;
}

const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/** Makes the copy under another name and renames it, so that it is complete or missing. */
async function makeCopy(
  home: string,
  from: Binaries,
  to: Binaries,
  user: ServerUser,
): Promise<void> {
  await removeLeftOvers(home);
  const draft = join(home, `draft.${process.pid}.${randomBytes(4).toString("hex")}`);
  try {
    await mkdir(draft);
    await copyTree(from.root, draft);
    await chmod(draft, 0o755);
    // The folder may forbid execution (a noexec mount): only a try can tell.
    const trial = binariesAt(draft, from.build);
    await run(trial.postgres, ["--version"], { uid: user.uid, gid: user.gid, cwd: "/" });
    await rename(draft, to.root).catch(unlessThere);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function removeLeftOvers(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = /^draft\.(\d+)\./.exec(name)?.[1];
    if (pid !== undefined && !processExists(Number(pid))) {
      await rm(join(home, name), { recursive: true, force: true });
    }
  }
}

/** Copies a folder's content so that everybody can read it, by hard links where possible. */
export async function copyTree(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const source = join(from, entry.name);
      const target = join(to, entry.name);
      if (entry.isDirectory()) {
        await mkdir(target);
        await copyTree(source, target);
        await chmod(target, 0o755);
      } else if (entry.isSymbolicLink()) {
        await symlink(await readlink(source), target);
      } else {
        await copyOrLink(source, target);
      }
    }),
  );
}

async function copyOrLink(source: string, target: string): Promise<void> {
  const stats = await lstat(source);
  const mode = (stats.mode & 0o100) === 0 ? 0o644 : 0o755;
  // A link shares the file's owner and mode: it must be root's, and readable by everybody.
  if (stats.uid === 0 && (stats.mode & 0o777) === mode) {
    try {
      await link(source, target);
      return;
    } catch (error) {
      // Another file system, or one without hard links.
      if (!["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].includes(errorCode(error) ?? "")) throw error;
    }
  }
  await copyFile(source, target);
  await chmod(target, mode);
}
