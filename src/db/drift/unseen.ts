import type { Tag } from "../migrate/index.ts";
import { rowWritesIn } from "../sql-tree/row-writes.ts";
import type { AppliedFile } from "./replay-applied.ts";

/** What of migrations no catalog shows. */
export async function rowWrites(
  files: readonly AppliedFile[],
): Promise<readonly { readonly tag: Tag; readonly what: string }[]> {
  const found = await Promise.all(
    files.map(async ({ tag, sql }) => {
      const writes = (await rowWritesIn(sql)).map(({ verb, tables }) => `${verb} ${tables}`.trim());
      return writes.length === 0 ? [] : [{ tag, what: writes.join(", ") }];
    }),
  );
  return found.flat();
}
