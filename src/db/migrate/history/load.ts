import { isUtf8 } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ifThere, withoutBom } from "../../base/files.ts";
import { errorCode, messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";
import type { History, Migration, Warning } from "../types.ts";
import { parseSinkFile, SINK_FILE } from "./event-sink-file.ts";
import { chained, headOfChain } from "./given.ts";
import { parseJournal } from "./journal.ts";
import { checkSumFile, SUM_FILE } from "./sum-file.ts";

/**
 * Loads the history of a drizzle-kit folder (0.x layout: `meta/_journal.json` and
 * `<tag>.sql`), and checks it against `tidemark.sum` where that is there.
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
  if (journal === undefined) throw noJournal(dir, journalFile, names);
  const entries = parseJournal(journal, journalFile);

  const texts = await Promise.all(
    entries.map(async ({ tag }) => ({ tag, bytes: await readBytes(join(dir, `${tag}.sql`)) })),
  );
  const missing = texts.filter(({ bytes }) => bytes === undefined).map(({ tag }) => `${tag}.sql`);
  if (missing.length > 0) throw missingFiles(dir, journalFile, missing);
  const migrations = chained(
    texts.map(({ tag, bytes = Buffer.alloc(0) }) => ({
      tag,
      file: join(dir, `${tag}.sql`),
      sql: bytes.toString("utf8"),
      ...(isUtf8(bytes) ? {} : { isDamaged: true }),
    })),
  );

  const sinkFile = join(dir, SINK_FILE);
  const sink = names.includes(SINK_FILE) ? await readFile(sinkFile, "utf8") : undefined;
  const history = {
    dir,
    migrations,
    head: headOfChain(migrations),
    ...(sink !== undefined && { eventSink: parseSinkFile(withoutBom(sink), sinkFile) }),
    warnings: strayFiles(names, migrations),
  };
  if (options.sumFile === "check" && names.includes(SUM_FILE)) {
    const file = join(dir, SUM_FILE);
    checkSumFile(history, (await readBytes(file))?.toString("utf8") ?? "", file);
  }
  return history;
}

async function listFolder(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (cause) {
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

function noJournal(dir: string, journalFile: string, names: readonly string[]): MigrateError {
  const next = names.filter((name) => /^\d{14}_/.test(name)).length;
  return new MigrateError({
    code: "history_invalid",
    fact:
      next > 0
        ? `${dir} is in the layout of drizzle-kit 1.x (${next} folder${next === 1 ? "" : "s"} such as 20251101120000_name, no meta/_journal.json).`
        : `${dir} is not a migrations folder: ${journalFile} is not there.`,
    outcome: "nothing-run",
    remedy:
      next > 0
        ? "This version of Tidemark reads only the layout of drizzle-kit 0.x."
        : "Name another folder with --dir; `npx drizzle-kit generate` makes a journal with a first migration.",
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

function strayFiles(
  names: readonly string[],
  migrations: readonly Migration[],
): readonly Warning[] {
  const known = new Set([SINK_FILE, ...migrations.map(({ tag }) => `${tag}.sql`)]);
  return names
    .filter((name) => name.endsWith(".sql") && !name.endsWith(".down.sql") && !known.has(name))
    .toSorted()
    .map((name) => ({
      kind: "stray-file",
      message: `${name} has no entry in meta/_journal.json and is not run.`,
    }));
}

async function readBytes(file: string): Promise<Buffer | undefined> {
  return ifThere(readFile(file)).catch((error: unknown) => {
    throw unreadable(file, error);
  });
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
