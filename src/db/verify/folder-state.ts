import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ifThere, readText } from "../base/files.ts";
import { placeOf } from "../base/place.ts";
import { MigrateError } from "../migrate/index.ts";
import type { Finding } from "./findings.ts";
import { filesAt, git } from "./git.ts";

/** A migrations folder as it is on the disk, or in a commit. */
export interface FolderState {
  /** As people name it. */
  readonly dir: string;
  /** Texts by their paths within: `0000_x.sql`, `meta/_journal.json`, `20251101120000_x/migration.sql`. */
  readonly files: ReadonlyMap<string, string>;
  /** Paths within, of the repeatables; absent where there are none. */
  readonly repeatables?: readonly string[];
}

const REPEATABLE = /^repeatable\/[^/]+\.sql$/;
const KEPT =
  /^[^/]+\.(sql|sum)$|^meta\/[^/]+\.json$|^[^/]+\/(migration(\.down)?\.sql|snapshot\.json)$|^([^/]+\/)?[^/]+\.m?[jt]s$/;

/**
 * A finding about a file of the folder.
 *
 * @param at text whose line is meant
 */
export function findingIn(
  { dir, files }: FolderState,
  path: string,
  { at, ...parts }: Omit<Finding, "level" | "file"> & { level?: Finding["level"]; at?: string },
): Finding {
  const text = files.get(path) ?? "";
  const offset = at === undefined ? -1 : text.indexOf(at);
  const place = offset === -1 ? {} : { line: placeOf(text, offset).line };
  return { level: "error", file: `${dir}/${path}`, ...place, ...parts };
}

/** The folder on the disk; one without files where there is none. */
export async function readFolder(dir: string): Promise<FolderState> {
  const all = await listed(dir);
  const names = all.filter((name) => KEPT.test(name));
  const texts = await Promise.all(
    names.map(async (name) => [name, await readText(join(dir, name))] as const),
  );
  return { dir, files: new Map(texts), repeatables: all.filter((name) => REPEATABLE.test(name)) };
}

/** Files in it, and in the folders in it. */
async function listed(dir: string): Promise<readonly string[]> {
  const entries = (await ifThere(readdir(dir, { withFileTypes: true }))) ?? [];
  const inFolders = entries
    .filter((entry) => entry.isDirectory())
    .map(async ({ name }) => (await filesIn(join(dir, name))).map((file) => `${name}/${file}`));
  const here = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  return [...here, ...(await Promise.all(inFolders)).flat()];
}

async function filesIn(dir: string): Promise<readonly string[]> {
  const entries = (await ifThere(readdir(dir, { withFileTypes: true }))) ?? [];
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** The folder of the base: at its newest commit, and at the one where this branch forked. */
export interface Base {
  readonly ref: string;
  readonly tip: FolderState;
  readonly fork: FolderState;
  /** The commit of `fork`. */
  readonly forkCommit: string;
}

/**
 * Reads the folder at a git ref, and at the commit that it and this branch have in common.
 *
 * @throws MigrateError `usage` where git has no such ref, or is not installed
 */
export async function readBase(dir: string, ref: string): Promise<Base> {
  try {
    const commit = await git(dir, ["rev-parse", "--verify", "--quiet", `${ref}^{commit}`]);
    const fork = await git(dir, ["merge-base", "HEAD", commit.trim()]).catch((cause) => {
      throw new Error("there is no common commit, as in a shallow clone", { cause });
    });
    const [tip = NOTHING, left = NOTHING] = await Promise.all(
      [commit, fork].map((at) => readCommit(dir, at.trim())),
    );
    return { ref, tip, fork: left, forkCommit: fork.trim() };
  } catch (error) {
    throw noBase(ref, dir, error);
  }
}

const NOTHING: FolderState = { dir: "", files: new Map() };

/** The folder in a commit; one without files where the commit has none. */
export async function readCommit(dir: string, commit: string): Promise<FolderState> {
  const listing = await git(dir, ["ls-tree", "-r", "-z", "--name-only", commit, "--", "."]);
  const all = listing.split("\0");
  const names = all.filter((name) => KEPT.test(name));
  const files = await filesAt(dir, commit, names);
  return { dir, files, repeatables: all.filter((name) => REPEATABLE.test(name)) };
}

/** The base cannot be read. */
export function noBase(ref: string, dir: string, cause: unknown): MigrateError {
  const { code, stderr, message } = cause as Error & { code?: unknown; stderr?: string };
  const said = stderr === undefined ? message : stderr.trim().split("\n")[0];
  const missing = code === "ENOENT" ? "git is not installed" : said;
  return new MigrateError({
    code: "usage",
    fact: `The base ${ref} cannot be read in ${dir}: ${missing || "git knows no such commit"}.`,
    remedy:
      "Name an existing branch or commit with --base; in CI, fetch it first (`fetch-depth: 0` of actions/checkout, `git fetch origin main`, or `git fetch --unshallow`).",
    cause,
  });
}
