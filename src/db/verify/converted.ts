import { withoutBom } from "../base/files.ts";
import { downFileOf, sqlFileOf } from "../migrate/index.ts";
import { layoutOf, tagsOf } from "./entries.ts";
import type { Base, FolderState } from "./folder-state.ts";

/**
 * The base under the names that its migrations have here, where `drizzle-kit up` has converted the
 * folder: what has the same place and the same SQL is the same migration.
 */
export function underNamesOf(folder: FolderState, base: Base): Base {
  const named = (there: FolderState) => renamed(folder, there);
  return { ...base, tip: named(base.tip), fork: named(base.fork) };
}

function renamed(folder: FolderState, there: FolderState): FolderState {
  const [layout, old] = [layoutOf(folder), layoutOf(there)];
  const before = tagsOf(there);
  if (layout !== "1.x" || old !== "0.x" || before.length === 0) return there;
  const here = tagsOf(folder);
  const files = new Map<string, string>();
  for (const [place, tag] of before.entries()) {
    const sql = there.files.get(sqlFileOf(tag, old));
    const own = here[place];
    const isSame =
      own !== undefined && sqlText(folder.files.get(sqlFileOf(own, layout))) === sqlText(sql);
    const name = isSame ? own : tag;
    const down = there.files.get(downFileOf(tag, old));
    if (sql !== undefined) files.set(sqlFileOf(name, layout), sql);
    if (down !== undefined) files.set(downFileOf(name, layout), down);
  }
  return { ...there, files };
}

/** Line ends and a BOM are no change: the checksum ignores them too. */
export function sqlText(text: string | undefined): string | undefined {
  return text === undefined ? undefined : withoutBom(text).replaceAll("\r\n", "\n");
}
