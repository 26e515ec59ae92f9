import type { ScanToken } from "libpg-query";
import { identifier } from "../../../base/quote.ts";
import type { Statement } from "../../sql/statements.ts";

/** A concurrent index, to be tried out on an empty copy of its table. */
export interface IndexDefinition {
  /** The copy's name as SQL: the table's, without its schema. */
  readonly relation: string;
  /** `CREATE INDEX` on the copy, without `CONCURRENTLY`. */
  readonly sql: string;
}

/**
 * Rewrites `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON [ONLY] table …` for a temporary
 * table of the same name. Undefined where the words do not come in that order.
 */
export function definitionToTry(
  { text, tree }: Statement,
  scan: (sql: string) => readonly ScanToken[],
): IndexDefinition | undefined {
  if (!("IndexStmt" in tree)) return undefined;
  const { idxname, relation, unique } = tree.IndexStmt;
  if (idxname === undefined || relation?.relname === undefined) return undefined;
  const words = scan(text).filter(({ tokenName }) => !tokenName.endsWith("_COMMENT"));
  let at = 0;
  const take = (word: string): boolean => {
    if (words[at]?.text.toLowerCase() !== word) return false;
    at += 1;
    return true;
  };
  if (!take("create")) return undefined;
  take("unique");
  if (!take("index") || !take("concurrently")) return undefined;
  if (take("if") && !(take("not") && take("exists"))) return undefined;
  at += 1;
  if (!take("on")) return undefined;
  take("only");
  at += 1;
  while (take(".")) at += 1;
  const end = words[at - 1]?.end;
  if (end === undefined) return undefined;
  const rest = Buffer.from(text).toString("utf8", end);
  const copy = identifier(relation.relname);
  const kind = unique ? "create unique index" : "create index";
  return { relation: copy, sql: `${kind} ${identifier(idxname)} on pg_temp.${copy}${rest}\n` };
}
