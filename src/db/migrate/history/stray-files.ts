import type { Layout, Migration, Warning } from "../types.ts";
import { SINK_FILE } from "./event-sink-file.ts";
import { codeFilesOf, DOWN, sqlFileOf } from "./layout.ts";

/** What runs before the migrations, in their folder. */
export const BEFORE_FILE = "before.sql";

/** Named like a migration of 0.x: a step that its migration has left behind would be missed by nobody. */
const LIKE_CODE = /^\d{4}_[^.]+\.m?[jt]s$/;

/** What lies among the migrations, and is none. */
export function strayFiles(
  names: readonly string[],
  layout: Layout,
  migrations: readonly Migration[],
): readonly Warning[] {
  const known = new Set([
    SINK_FILE,
    BEFORE_FILE,
    ...migrations.map(({ tag }) => sqlFileOf(tag, layout)),
  ]);
  const code = new Set(migrations.flatMap(({ tag }) => codeFilesOf(tag, layout)));
  const strayCode = names.filter((name) => LIKE_CODE.test(name) && !code.has(name));
  const why =
    layout === "0.x" ? "has no entry in meta/_journal.json" : "is in no migration's folder";
  return names
    .filter((name) => name.endsWith(".sql") && !name.endsWith(DOWN) && !known.has(name))
    .concat(strayCode)
    .toSorted()
    .map((name) => ({ kind: "stray-file", message: `${name} ${why} and is not run.` }));
}
