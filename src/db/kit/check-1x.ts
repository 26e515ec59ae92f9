import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "../base/files.ts";
import { sqlFileOf, type Tag } from "../migrate/index.ts";
import { unsound, type Written } from "./check.ts";
import { type KitFolder, readStamps } from "./kit-folder.ts";
import { schemaAt } from "./snapshot-states.ts";
import { isNoSnapshot, parseSnapshot, snapshotOf } from "./snapshots.ts";

/**
 * Checks what drizzle-kit 1.x wrote instead of trusting it: one folder more, whole, following the ends
 * of all branches, and nothing else touched. A folder that would not come last gets a later time.
 *
 * @throws MigrateError `history_invalid`, with everything that is wrong
 */
export async function checkWrittenFolder(
  folder: KitFolder,
  copy: string,
  stamps: ReadonlyMap<string, string>,
): Promise<Written> {
  const problems: string[] = [];
  const now = await readStamps(copy, [...stamps.keys()]);
  for (const [file, stamp] of stamps) {
    if (now.get(file) !== stamp) problems.push(`it has changed ${file}`);
  }
  const known = new Set(folder.files.map((file) => file.split("/")[0]));
  const added = (await readdir(copy)).filter((name) => !known.has(name));
  const [made = ""] = added;
  if (added.length !== 1) {
    problems.push(`it has not written one folder: ${added.join(", ") || "none"}`);
    throw unsound(folder.dir, problems);
  }
  const sql = await readIfThere(join(copy, sqlFileOf(made, "1.x")));
  if (sql === undefined) problems.push(`it has not written ${sqlFileOf(made, "1.x")}`);
  else if (sql.trim() === "") problems.push(`${sqlFileOf(made, "1.x")} is empty`);

  const path = snapshotOf(made);
  const snapshotText = await readIfThere(join(copy, path));
  const snapshot = parseSnapshot(path, snapshotText ?? "");
  if (snapshotText === undefined) problems.push(`it has not written ${path}`);
  else if (typeof snapshot === "string") problems.push(`${path} is no snapshot: ${snapshot}`);
  else {
    const prev = snapshot.prevIds.filter((id) => !isNoSnapshot(id));
    const missing = folder.ends.filter(({ id }) => !prev.includes(id));
    if (missing.length > 0 || prev.length !== folder.ends.length) {
      const ends = folder.ends.map((end) => end.path).join(" and ") || "nothing";
      problems.push(`${path} does not follow ${ends}`);
    }
  }
  if (sql === undefined || snapshotText === undefined || typeof snapshot === "string")
    throw unsound(folder.dir, problems);
  const tag = lastTag(made, folder);
  if (tag === undefined)
    problems.push(`${made} would come before ${folder.entries.at(-1)?.tag}, which is no time`);
  if (problems.length > 0 || tag === undefined) throw unsound(folder.dir, problems);

  if (tag !== made) await rename(join(copy, made), join(copy, tag));
  const named = { ...snapshot, path: snapshotOf(tag) };
  return {
    ...{ tag, sql, snapshot: named, snapshotText, journal: undefined },
    schema: schemaAt([named], [...folder.snapshots, named]),
    warnings:
      tag === made
        ? []
        : [
            `this clock is behind the newest migration (${folder.entries.at(-1)?.tag}): ${tag} is dated just after it, because migrations run in the order of their names`,
          ],
  };
}

/** The name, with a time after the newest migration's where it would not come last. */
function lastTag(made: Tag, { entries }: KitFolder): Tag | undefined {
  const newest = entries.at(-1);
  if (newest === undefined || isAfter(made, newest.tag)) return made;
  if (newest.when === undefined) return undefined;
  const time = new Date(newest.when + 1_000).toISOString().replace(/\D/g, "").slice(0, 14);
  const later = made.replace(/^\d+/, time);
  return isAfter(later, newest.tag) ? later : undefined;
}

/** As drizzle-orm's migrator sorts. */
function isAfter(tag: Tag, other: Tag): boolean {
  return tag.localeCompare(other) > 0;
}
