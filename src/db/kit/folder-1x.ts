import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "../base/files.ts";
import { downFileOf, loadHistory, sqlFileOf } from "../migrate/index.ts";
import {
  brokenSnapshot,
  codeStandIns,
  type KitFolder,
  newestUnknown,
  noSnapshots,
  refusal,
  SUM,
} from "./kit-folder.ts";
import { endsOf, ownerOf, parseSnapshot, type Snapshot, snapshotOf } from "./snapshots.ts";

/**
 * Reads a folder of the layout of 1.x. What drizzle-kit says of its snapshots when it generates (a
 * parent that is gone, branches that conflict) is left to it.
 *
 * @param shown the folder as messages of the loader name it
 * @throws MigrateError `history_invalid`, `missing_file`, `config`
 */
export async function readFolders(
  where: Pick<KitFolder, "layout" | "dir" | "path">,
  shown: string,
  sumFile: "check" | "ignore",
): Promise<KitFolder> {
  const { dir, path } = where;
  const { migrations } = await loadHistory(shown, { sumFile });
  const tags = migrations.map(({ tag }) => tag);
  const snapshots = await readSnapshots(dir, path);
  const owning = new Set(snapshots.map(ownerOf));
  const orphans = [...owning].filter((tag) => !tags.includes(tag));
  if (orphans.length > 0) throw withoutSql(dir, orphans);
  const last = tags.at(-1);
  if (snapshots.length === 0) throw noSnapshots(dir, `it has the migration ${last}`);
  const ends = endsOf(snapshots);
  const [newest, ...others] = ends;
  return {
    ...where,
    journal: undefined,
    sum: await readIfThere(join(path, SUM)),
    entries: migrations.map(({ tag, when }) => ({ tag, ...(when !== undefined && { when }) })),
    files: tags.flatMap((tag) => [sqlFileOf(tag, "1.x"), downFileOf(tag, "1.x"), snapshotOf(tag)]),
    code: codeStandIns(shown, { migrations }),
    snapshots,
    ends,
    withoutSnapshot: tags.filter((tag) => !owning.has(tag)),
    warnings:
      newest === undefined || others.length === 0
        ? newestUnknown(last, newest && ownerOf(newest), newest)
        : [`this migration joins the branches that end with ${ends.map(ownerOf).join(" and ")}`],
  };
}

/** Those of all folders, in the order of the folders' names, as drizzle-kit reads them. */
async function readSnapshots(dir: string, path: string): Promise<readonly Snapshot[]> {
  const folders = (await readdir(path, { withFileTypes: true })).filter((it) => !it.isFile());
  const texts = folders
    .map(({ name }) => snapshotOf(name))
    .toSorted()
    .map(async (file) => ({ file, text: await readIfThere(join(path, file)) }));
  return (await Promise.all(texts)).flatMap(({ file, text }) => {
    if (text === undefined) return [];
    const snapshot = parseSnapshot(file, text);
    if (typeof snapshot === "string") throw brokenSnapshot(`${dir}/${file}`, snapshot);
    return [snapshot];
  });
}

/** drizzle-kit compares the schema with them, and no migration makes what they say. */
function withoutSql(dir: string, tags: readonly string[]) {
  const files = tags.map((tag) => `${dir}/${snapshotOf(tag)}`).join(", ");
  return refusal("history_invalid", {
    fact: `${files}: there is no migration.sql beside it, and drizzle-kit would compare the schema with it.`,
    remedy: `\`git log --stat -- ${dir}\` shows whether there was one: restore that, since it may be applied. Otherwise delete the folder.`,
  });
}
