import { readFile, stat } from "node:fs/promises";
import { errorCode } from "./problem.ts";

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
  return ifThere(readFile(path, "utf8"));
}

/** Whether `path` exists; any error but its absence is thrown. */
export async function exists(path: string): Promise<boolean> {
  return (await ifThere(stat(path))) !== undefined;
}

/** A text without the byte order mark that some editors put first. */
export function withoutBom(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}
