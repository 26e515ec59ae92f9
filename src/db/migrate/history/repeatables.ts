import { withoutBom } from "../../base/files.ts";
import type { Checksum, History, Repeatable, Tag } from "../types.ts";
import { checksumOf } from "./checksum.ts";

/** The folder of the repeatables, in the migrations folder. */
export const REPEATABLE_FOLDER = "repeatable";

/** A repeatable as text: of a history that lies in no folder. */
export interface GivenRepeatable {
  readonly name: string;
  readonly sql: string;
  /** The file as messages name it. Default `repeatable/<name>.sql`. */
  readonly file?: string;
}

/** How the log names a repeatable. */
export function repeatableTag(name: string): Tag {
  return `${REPEATABLE_FOLDER}/${name}`;
}

/** Its file, within the migrations folder. */
export function repeatableFileOf(name: string): string {
  return `${repeatableTag(name)}.sql`;
}

/** Whether a name within the migrations folder is that of a repeatable's file. */
export function isRepeatableFile(name: string): boolean {
  return name.startsWith(repeatableTag(""));
}

export function repeatableOf(given: GivenRepeatable, isDamaged = false): Repeatable {
  const { name, file = repeatableFileOf(name) } = given;
  const sql = withoutBom(given.sql);
  return {
    ...{ name, tag: repeatableTag(name), file, sql, checksum: checksumOf(sql) },
    isAlways: asksToRunAlways(sql),
    ...(isDamaged && { isDamaged }),
  };
}

/** Digest of all texts; null where there is none. */
export function repeatablesDigest({
  repeatables = [],
}: Pick<History, "repeatables">): Checksum | null {
  if (repeatables.length === 0) return null;
  return checksumOf(repeatables.map(({ name, checksum }) => `${name}\n${checksum}`).join("\n"));
}

/** Whether all of them have run here, with these texts. */
export function areRepeatablesAsOf(
  history: History,
  runner: { readonly repeatables: Checksum | null },
): boolean {
  return runner.repeatables === repeatablesDigest(history);
}

/** Whether the database's head and digest say that there is nothing to do. */
export function isSettled(
  history: History,
  runner: { readonly head: Checksum | null; readonly repeatables: Checksum | null } | undefined,
): boolean {
  return (
    runner?.head === history.head &&
    areRepeatablesAsOf(history, runner) &&
    !(history.repeatables ?? []).some(({ isAlways }) => isAlways)
  );
}

const HEAD = /^(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)*/;
const RUN_ALWAYS = /^[ \t]*--[ \t]*tidemark:[ \t]*run-always[ \t]*\r?$/m;

/** Whether the comments that open a file ask for it. */
function asksToRunAlways(sql: string): boolean {
  return RUN_ALWAYS.test(HEAD.exec(sql)?.[0] ?? "");
}
