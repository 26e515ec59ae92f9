import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { errorCode, Problem } from "./problem.ts";

/** The work's result; undefined where the file that it works on does not exist. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A file's text; undefined where there is no such file. Any other error is thrown. */
export function readIfThere(path: string): Promise<string | undefined> {
  return ifThere(readText(path));
}

/** A file's text. @throws what reading does; Problem `history_invalid` for a pipe or a device */
export async function readText(path: string): Promise<string> {
  refuseEndless(path);
  return readFile(path, "utf8");
}

/**
 * Refuses what has no end and would be read for ever, also behind a link. In one call that waits for nothing: there
 * may be thousands of files.
 *
 * @throws Problem `history_invalid`
 */
export function refuseEndless(path: string): void {
  const kind = statSync(path, { throwIfNoEntry: false });
  if (kind === undefined || kind.isFile() || kind.isDirectory()) return;
  throw endless(path);
}

function endless(path: string): Problem {
  return new Problem({
    code: "history_invalid",
    fact: `${path} is neither a file nor a folder: a pipe, a socket or a device.`,
    outcome: "nothing-run",
    remedy: "Take it away, or restore the file that belongs there.",
  });
}

const AT_ONCE = 64;

/**
 * Reads small files, many of them: each at once, which costs a quarter of what it costs to wait for each of its steps,
 * and after every 64 what else is to be done has its turn.
 *
 * @param read what each gives; called with the bytes, or the error of reading
 * @throws what `read` throws; Problem `history_invalid` for a pipe or a device
 */
export async function readMany<T, R>(
  list: readonly T[],
  pathOf: (one: T) => string,
  read: (one: T, bytes: Buffer | undefined, error: unknown) => R,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (const one of list) {
    let bytes: Buffer | undefined;
    let failure: unknown;
    try {
      bytes = readAtOnce(pathOf(one));
    } catch (error) {
      if (error instanceof Problem) throw error;
      failure = error;
    }
    results.push(read(one, bytes, failure));
    if (results.length % AT_ONCE === 0) await setImmediate();
  }
  return results;
}

function readAtOnce(path: string): Buffer {
  // Opening a pipe would wait for somebody who writes into it.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const kind = fstatSync(file);
    if (!kind.isFile() && !kind.isDirectory()) throw endless(path);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** Whether `path` exists; any error but its absence is thrown. */
export async function exists(path: string): Promise<boolean> {
  return (await ifThere(stat(path))) !== undefined;
}

/** A text without the byte order mark that some editors put first. */
export function withoutBom(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}
