import { identifier, integer, literal } from "../../base/quote.ts";
import type { Tag } from "../types.ts";
import type { Course } from "./course.ts";
import { PASS } from "./store.ts";

/** One more goes over the rows again, for those that came behind the first one's back. */
const PASSES = 2;
const COUNTED = new Set(["smallint", "integer", "bigint"]);

/**
 * New rows of a counted key come after the cursor; others may have come before it. Without a condition, a second
 * pass would fill the same rows twice.
 */
export function needsAnotherPass({ run: { definition, target }, row }: Course): boolean {
  const [only, ...more] = target.key;
  const isCounted = more.length === 0 && COUNTED.has(only?.type ?? "");
  return definition.where !== undefined && !isCounted && row.pass < PASSES;
}

/** What a batch of these rows does about the pass after it: where the condition still holds, there is to be none. */
export function noPassOver(course: Course, rows: string): readonly string[] {
  const { schema, tag, target, definition } = course.run;
  if (!needsAnotherPass(course)) return [];
  const meant = `${rows} and (${definition.where}\n)`;
  return [endPasses(schema, tag, { table: target.name, rows: meant, last: PASSES })];
}

/**
 * Makes the pass the last one, where rows that this transaction has written still meet the condition: another pass
 * would fill them again.
 *
 * @param rows condition for the rows of the table `t` that the backfill means
 */
function endPasses(
  schema: string,
  tag: Tag,
  { table, rows, last }: { readonly table: string; readonly rows: string; readonly last: number },
): string {
  const xid =
    "((pg_catalog.txid_current() operator(pg_catalog.%) 4294967296)::pg_catalog.text::pg_catalog.xid)";
  return `update ${identifier(schema)}.backfills b set pass = ${integer(last)}
where b.tag operator(pg_catalog.=) ${literal(tag)} and exists (
  select from ${table} t where t.xmin operator(pg_catalog.=) ${xid} and ${rows}
) returning b.pass as ${PASS}`;
}
