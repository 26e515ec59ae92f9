import { identifier, integer, literal } from "../../base/quote.ts";

/** A column of the key, and its type as SQL. */
export interface KeyColumn {
  readonly name: string;
  readonly type: string;
}

/** A row's key, each column as text. */
export type Key = readonly string[];

/** The table that is filled. */
export interface Target {
  /** As SQL, with its schema. */
  readonly name: string;
  readonly oid: number;
  /** The name of its database. */
  readonly database: string;
  readonly key: readonly KeyColumn[];
  /** By the planner's statistics; null where there are none yet. */
  readonly rows: number | null;
}

/** Column that holds the end of the next batch: its key, and how many rows it has. */
export const NEXT = "tidemark_next";

/**
 * The condition for rows after `from`, up to and with `to`. By rows, so that one index scan finds a composite key;
 * SQL compares `(a, b) > (1, 2)` as the index is ordered.
 */
export function rangeOf({ key }: Pick<Target, "key">, from: Key | null, to: Key | null): string {
  const columns = key.map(({ name }) => `t.${identifier(name)}`).join(", ");
  const bound = (value: Key) =>
    `(${key.map(({ type }, i) => `${literal(value[i] ?? null)}::${type}`).join(", ")})`;
  const conditions = [
    ...(from === null ? [] : [`(${columns}) > ${bound(from)}`]),
    ...(to === null ? [] : [`(${columns}) <= ${bound(to)}`]),
  ];
  return conditions.length === 0 ? "true" : conditions.join(" and ");
}

/** The condition for one row. */
export function rowOf({ key }: Pick<Target, "key">, value: Key): string {
  return key
    .map(({ name, type }, i) => `t.${identifier(name)} = ${literal(value[i] ?? null)}::${type}`)
    .join(" and ");
}

/**
 * Where the batch of at most `size` rows after `from` ends: one row, of null where there are none. The end is found by
 * an index scan that keeps nothing; only a last batch is counted.
 */
export function nextEnd(target: Target, from: Key | null, size: number): string {
  const names = target.key.map(({ name }) => identifier(name));
  const columns = names.map((name) => `t.${name}`).join(", ");
  const texts = names.map((name) => `w.${name}::pg_catalog.text`).join(", ");
  const lastFirst = names.map((name) => `t.${name} desc`).join(", ");
  const rest = `from ${target.name} t where ${rangeOf(target, from, null)}`;
  const end = (rows: string, order: string) => `(
  select pg_catalog.jsonb_build_object('key', pg_catalog.jsonb_build_array(${texts}), 'rows', ${rows})
  from (select ${columns} ${rest} order by ${order}) w
)`;
  const full = end(integer(size), `${columns} offset ${integer(size - 1)} limit 1`);
  const last = end(`(select pg_catalog.count(*) ${rest})`, `${lastFirst} limit 1`);
  return `select coalesce(${full}, ${last}) as ${NEXT}`;
}

/** The UPDATE of a batch. */
export function updateOf(
  target: Target,
  { set, where }: { readonly set: string; readonly where: string | undefined },
  range: string,
): string {
  return `update ${target.name} t set ${set}
where ${range}${where === undefined ? "" : `\n  and (${where}\n)`}`;
}
