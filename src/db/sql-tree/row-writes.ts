import type { RangeVar } from "libpg-query";
import { pathOf, pathOfTable, type Readers, readNode, treesOf } from "./tree.ts";

/** A statement that writes rows, which no catalog shows. */
export interface RowWrite {
  readonly verb: "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE";
  /** As written: `app.users`, or several. */
  readonly tables: string;
}

/** What a file does to rows, each once. Functions and DO blocks are not looked into. */
export async function rowWritesIn(sql: string): Promise<readonly RowWrite[]> {
  const writes = (await treesOf(sql)).flatMap((tree) => readNode(tree, READERS) ?? []);
  return [...new Map(writes.map((write) => [`${write.verb} ${write.tables}`, write])).values()];
}

/** `rows changed by UPDATE of users`. */
export function writeText({ verb, tables }: RowWrite): string {
  return `rows changed by ${verb}${tables === "" ? "" : ` of ${tables}`}`;
}

const to =
  (verb: RowWrite["verb"]) =>
  ({ relation = {} }: { relation?: RangeVar }): RowWrite => ({
    verb,
    tables: pathOfTable(relation).join("."),
  });

const READERS: Readers<RowWrite> = {
  InsertStmt: to("INSERT"),
  UpdateStmt: to("UPDATE"),
  DeleteStmt: to("DELETE"),
  MergeStmt: to("MERGE"),
  TruncateStmt: ({ relations = [] }) => ({
    verb: "TRUNCATE",
    tables: relations.map((table) => pathOf(table).join(".")).join(", "),
  }),
};
