import { isUtf8 } from "node:buffer";
import type { Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readMany, refuseEndless, withoutBom } from "../../base/files.ts";
import { errorCode, messageOf, Problem } from "../../base/problem.ts";
import { listed, plural } from "../../base/text.ts";
import { MigrateError } from "../errors.ts";
import type { History, Layout, Tag } from "../types.ts";
import { readCodeFiles } from "./code-files.ts";
import { parseSinkFile, SINK_FILE } from "./event-sink-file.ts";
import { chained, headOfChain } from "./given.ts";
import { parseJournal } from "./journal.ts";
import { isFolderTag, sqlFileOf, timeOfFolder } from "./layout.ts";
import { loadRepeatables } from "./load-repeatables.ts";
import { REPEATABLE_FOLDER } from "./repeatables.ts";
import { BEFORE_FILE, strayFiles } from "./stray-files.ts";
import { checkSumFile, SUM_FILE } from "./sum-file.ts";

/**
 * Loads the history of a drizzle-kit folder, in the layout of 0.x or of 1.x as it is there, and
 * checks it against `tidemark.sum` where that is there.
 *
 * @throws MigrateError `config` (no such folder), `history_invalid`, `missing_file`
 */
export async function loadHistory(
  dir: string,
  options: { readonly sumFile: "check" | "ignore" } = { sumFile: "check" },
): Promise<History> {
  const names = await listFolder(dir);
  const journalFile = join(dir, "meta", "_journal.json");
  const journal = (await readBytes(journalFile))?.toString("utf8");
  const layout: Layout = journal === undefined ? "1.x" : "0.x";
  const others = names.filter((name) => name !== REPEATABLE_FOLDER);
  const folders = await readFolders(dir, layout === "1.x" ? others : names.filter(isFolderTag));
  if (layout === "1.x" && folders.length === 0) throw noHistory(dir, journalFile);
  if (layout === "0.x" && folders.length > 0) throw bothLayouts(dir, journalFile, folders);
  const files = journal === undefined ? folders : await readListed(dir, journal, journalFile);
  const tags = files.map(({ tag }) => tag);
  const code = await readCodeFiles(dir, layout, tags, names);
  const migrations = chained(
    files.map((file) => ({ ...textOf(dir, layout, file), code: code.get(file.tag) })),
  );

  const sinkFile = join(dir, SINK_FILE);
  const sink = names.includes(SINK_FILE) ? await readFile(sinkFile, "utf8") : undefined;
  const before = await readBytes(join(dir, BEFORE_FILE));
  const repeatables = others.length === names.length ? [] : await loadRepeatables(dir);
  const history = {
    ...{ dir, layout, migrations },
    ...(repeatables.length > 0 && { repeatables }),
    head: headOfChain(migrations),
    ...(sink !== undefined && { eventSink: parseSinkFile(withoutBom(sink), sinkFile) }),
    ...(before !== undefined && {
      before: { file: join(dir, BEFORE_FILE), sql: withoutBom(before.toString("utf8")) },
    }),
    warnings: strayFiles(names, layout, migrations),
  };
  if (options.sumFile === "check" && names.includes(SUM_FILE)) {
    const file = join(dir, SUM_FILE);
    checkSumFile(history, (await readBytes(file))?.toString("utf8") ?? "", file);
  }
  return history;
}

interface FoundFile {
  readonly tag: Tag;
  readonly when: number | undefined;
  readonly bytes: Buffer;
}

/** The files that a journal of 0.x names, in its order. */
async function readListed(
  dir: string,
  journal: string,
  journalFile: string,
): Promise<readonly FoundFile[]> {
  const texts = await readMany(
    parseJournal(journal, journalFile),
    ({ tag }) => join(dir, sqlFileOf(tag, "0.x")),
    ({ tag, when }, bytes, error) => ({
      tag,
      when,
      bytes: readOr(bytes, error, join(dir, sqlFileOf(tag, "0.x"))),
    }),
  );
  const missing = texts.filter(({ bytes }) => bytes === undefined).map(({ tag }) => `${tag}.sql`);
  if (missing.length > 0) throw missingFiles(dir, journalFile, missing);
  return texts.flatMap(found);
}

/** The folders of 1.x that hold a migration, in drizzle's own order. */
async function readFolders(dir: string, names: readonly string[]): Promise<readonly FoundFile[]> {
  const texts = await readMany(
    names,
    (tag) => join(dir, sqlFileOf(tag, "1.x")),
    (tag, bytes, error) => ({
      tag,
      when: timeOfFolder(tag),
      bytes: readOr(bytes, error, join(dir, sqlFileOf(tag, "1.x"))),
    }),
  );
  return texts.flatMap(found).toSorted((a, b) => a.tag.localeCompare(b.tag));
}

function found({
  bytes,
  ...file
}: Omit<FoundFile, "bytes"> & { readonly bytes: Buffer | undefined }): readonly FoundFile[] {
  return bytes === undefined ? [] : [{ ...file, bytes }];
}

function textOf(dir: string, layout: Layout, { tag, when, bytes }: FoundFile) {
  return {
    tag,
    file: join(dir, sqlFileOf(tag, layout)),
    sql: bytes.toString("utf8"),
    ...(when !== undefined && { when }),
    ...(isUtf8(bytes) ? {} : { isDamaged: true }),
  };
}

async function listFolder(dir: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    for (const entry of entries) refuseOdd(entry, join(dir, entry.name));
    return entries.map(({ name }) => name);
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    const code = errorCode(cause) ?? String(cause);
    const facts: Readonly<Record<string, string>> = {
      ENOENT: `There is no migrations folder at ${dir}.`,
      ENOTDIR: `${dir} is a file; the migrations folder is expected there.`,
    };
    throw new MigrateError({
      code: "config",
      fact: facts[code] ?? `The migrations folder ${dir} cannot be read (${code}).`,
      outcome: "nothing-run",
      remedy:
        "Name the folder with --dir, or as `out` in drizzle.config.ts; " +
        "`npx drizzle-kit generate` makes one with a first migration.",
      cause,
    });
  }
}

/** Only what is no plain file is looked at: the folder's list tells. */
function refuseOdd(entry: Dirent, path: string): void {
  if (!entry.isFile() && !entry.isDirectory()) refuseEndless(path);
}

function noHistory(dir: string, journalFile: string): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `${dir} is not a migrations folder: neither ${journalFile} nor a folder with a migration.sql is there.`,
    outcome: "nothing-run",
    remedy: "Name another folder with --dir; `npx drizzle-kit generate` makes a first migration.",
  });
}

function bothLayouts(dir: string, journalFile: string, found: readonly FoundFile[]): MigrateError {
  const tags = found.map(({ tag }) => tag);
  return new MigrateError({
    code: "history_invalid",
    fact:
      `${dir} has both layouts of drizzle-kit: ${journalFile} of 0.x, and ` +
      `${plural(tags.length, "folder")} of 1.x (${listed(tags)}).`,
    outcome: "nothing-run",
    remedy:
      "If drizzle-kit 1.x made the folders, run `npx drizzle-kit up` with it: it turns the journal's migrations into folders. " +
      "Otherwise move the folders elsewhere.",
  });
}

function missingFiles(dir: string, journalFile: string, missing: readonly string[]): MigrateError {
  return new MigrateError({
    code: "missing_file",
    fact: `${journalFile} names files that are not in ${dir}: ${missing.join(", ")}.`,
    outcome: "nothing-run",
    remedy:
      `Restore them (\`git log --stat -- ${dir}\` shows what happened to them), ` +
      "or take their entries out if they were never applied anywhere.",
  });
}

async function readBytes(path: string): Promise<Buffer | undefined> {
  const [bytes] = await readMany(
    [path],
    (file) => file,
    (file, found, error) => readOr(found, error, file),
  );
  return bytes;
}

/** What was read; undefined where there is no such file. */
function readOr(bytes: Buffer | undefined, error: unknown, file: string): Buffer | undefined {
  if (error === undefined) return bytes;
  const code = errorCode(error);
  // ENOTDIR: a file lies where a migration's folder could.
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw unreadable(file, error);
}

function unreadable(file: string, cause: unknown): MigrateError {
  const code = errorCode(cause) ?? String(cause);
  const reasons: Readonly<Record<string, string>> = {
    EISDIR: "it is a folder",
    EACCES: "this user has no permission",
  };
  return new MigrateError({
    code: "config",
    fact: `${file} cannot be read: ${reasons[code] ?? messageOf(cause)}.`,
    outcome: "nothing-run",
    remedy: "Restore the file and its permissions, then run again.",
    cause,
  });
}
