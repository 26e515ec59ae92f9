import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ifThere, refuseEndless } from "../../base/files.ts";
import { messageOf, Problem } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";
import type { Repeatable } from "../types.ts";
import { DOWN } from "./layout.ts";
import { REPEATABLE_FOLDER, repeatableFileOf, repeatableOf } from "./repeatables.ts";

/**
 * The repeatables of a migrations folder, in the order of their names.
 *
 * @throws MigrateError `config` where a file cannot be read, `history_invalid`
 */
export async function loadRepeatables(dir: string): Promise<readonly Repeatable[]> {
  const folder = join(dir, REPEATABLE_FOLDER);
  const entries = (await ifThere(readdir(folder, { withFileTypes: true }))) ?? [];
  const names = entries
    .filter((entry) => !entry.isDirectory() && entry.name.endsWith(".sql"))
    .map(({ name }) => name.slice(0, -".sql".length))
    .toSorted();
  const down = names.find((name) => `${name}.sql`.endsWith(DOWN));
  if (down !== undefined) throw noWayDown(join(dir, repeatableFileOf(down)));
  return names.map((name) => {
    const file = join(dir, repeatableFileOf(name));
    const bytes = read(file);
    return repeatableOf({ name, file, sql: bytes.toString("utf8") }, !isUtf8(bytes));
  });
}

// At each boot: a promise for each of some hundred small files takes six times as long.
function read(file: string): Buffer {
  try {
    refuseEndless(file);
    return readFileSync(file);
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw unreadable(file, cause);
  }
}

function noWayDown(file: string): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `${file} is a down file, and a repeatable has no way down.`,
    outcome: "nothing-run",
    remedy: "Delete it. A migration that drops what the repeatable made takes it away.",
  });
}

function unreadable(file: string, cause: unknown): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `${file} cannot be read: ${messageOf(cause)}.`,
    outcome: "nothing-run",
    remedy: "Restore the file and its permissions, then run again.",
    cause,
  });
}
