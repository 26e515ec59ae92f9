import { fileURLToPath } from "node:url";
import type { Place } from "../../base/place.ts";
import type { CodeFile } from "../types.ts";

/** Where in a file an error comes from. */
export interface PlaceInFile {
  readonly place: Place;
  /** In UTF-16 units. */
  readonly offset: number;
}

const FRAME = /^\s+at (?:.*\()?(.+?):(\d+):(\d+)\)?$/;

/** The innermost frame of an error's stack that is in the file; of its causes where it has none itself. */
export function placeInStack(error: unknown, file: CodeFile): PlaceInFile | undefined {
  const { path, text } = file;
  if (path === undefined) return undefined;
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    for (const line of at.stack?.split("\n") ?? []) {
      const [, name = "", row = "", column = ""] = FRAME.exec(line) ?? [];
      if (name === "" || pathOf(name) !== path) continue;
      const lines = text.split("\n");
      const number = Number(row);
      if (number > lines.length) continue;
      const before = lines.slice(0, number - 1).reduce((sum, { length }) => sum + length + 1, 0);
      const within = Math.min(Number(column) - 1, lines[number - 1]?.length ?? 0);
      return { place: { line: number, column: within + 1 }, offset: before + within };
    }
  }
  return undefined;
}

/** What a module is imported with, so that an edited one is loaded again. */
const VERSION = /\?sha256:[0-9a-f]+$/;

/** A frame names a path, or a URL, which may have a query; a loader of somebody's own names a path that has one. */
function pathOf(name: string): string {
  if (!name.startsWith("file:")) return name.replace(VERSION, "");
  try {
    return fileURLToPath(name.replace(/\?.*$/, ""));
  } catch {
    return name;
  }
}
