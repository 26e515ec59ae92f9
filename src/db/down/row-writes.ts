import { pathOfRelation, type Relation, treesOf } from "./statements.ts";

const WRITES: Readonly<Record<string, string>> = {
  InsertStmt: "INSERT",
  UpdateStmt: "UPDATE",
  DeleteStmt: "DELETE",
  MergeStmt: "MERGE",
  TruncateStmt: "TRUNCATE",
};

/**
 * What a file does to rows, which no catalog shows, a line each: `what UPDATE of users did to rows`.
 * What it does inside of functions and DO blocks is not looked into.
 */
export async function rowWritesIn(sql: string): Promise<readonly string[]> {
  const lines = (await treesOf(sql)).flatMap((tree) =>
    Object.entries(tree).flatMap(([kind, body]) => {
      const word = WRITES[kind];
      return word === undefined ? [] : [`what ${word}${tableOf(body)} did to rows`];
    }),
  );
  return [...new Set(lines)];
}

interface Writing {
  readonly relation?: Relation;
  readonly relations?: readonly { readonly RangeVar?: Relation }[];
}

function tableOf({ relation, relations = [] }: Writing): string {
  const tables = [relation, ...relations.map(({ RangeVar }) => RangeVar)];
  const names = tables.flatMap((table) => (table ? [pathOfRelation(table).join(".")] : []));
  return names.length === 0 ? "" : ` of ${names.join(", ")}`;
}
