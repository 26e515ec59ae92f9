import { identifier, literal } from "../../base/quote.ts";
import { type FoundRelation, RELATION } from "./count-rows.ts";

/** Column of whether a function may do anything. */
export const MAY_WRITE = "tidemark_may_write";

const NAME_COLUMNS = {
  pg_namespace: "nspname",
  pg_extension: "extname",
  pg_proc: "proname",
  pg_collation: "collname",
  pg_am: "amname",
  pg_language: "lanname",
  pg_opclass: "opcname",
  pg_opfamily: "opfname",
  pg_operator: "oprname",
  pg_foreign_data_wrapper: "fdwname",
  pg_foreign_server: "srvname",
} as const;

/** Catalogs of the objects whose drop reaches others. */
type ReachingCatalog = "pg_class" | "pg_type" | keyof typeof NAME_COLUMNS;

/**
 * The tables and columns that go with an object, itself left out, as `FoundRelation`s: what depends on it, and on
 * that. Of functions and their like, what depends on any of that name. Statements of a transaction.
 */
export function reachedBy(catalog: ReachingCatalog, path: readonly string[]): readonly string[] {
  const name = literal(path.map(identifier).join("."));
  const look = { pg_class: "to_regclass", pg_type: "to_regtype" };
  const isFound = catalog === "pg_class" || catalog === "pg_type";
  const start = isFound
    ? `pg_catalog.${look[catalog]}(${name})::pg_catalog.oid`
    : `(select pg_catalog.array_agg(o.oid) from pg_catalog.${catalog} o where o.${NAME_COLUMNS[catalog]} = ${literal(path.at(-1) ?? "")})`;
  return [
    "set local search_path to default",
    `select pg_catalog.set_config('tidemark.relation', ${
      isFound
        ? `coalesce('{' || ${start} || '}', '{}')`
        : `coalesce(${start}::pg_catalog.text, '{}')`
    }, true)`,
    "set local search_path to pg_catalog, pg_temp",
    `with recursive reached(classid, objid, objsubid, depth) as (
  select '${catalog}'::regclass::oid, o, 0, 0 from unnest(current_setting('tidemark.relation')::oid[]) o
  union
  select d.classid, d.objid, d.objsubid, 1 from reached r
  join pg_depend d on d.refclassid = r.classid and d.refobjid = r.objid
    and (r.objsubid = 0 or d.refobjsubid = r.objsubid)
), relations as (
  select distinct c.oid, c.relname, c.relkind, c.reltuples, c.relispartition, n.nspname, r.objsubid
  from reached r join pg_class c on r.classid = 'pg_class'::regclass and c.oid = r.objid
  join pg_namespace n on n.oid = c.relnamespace
  where r.depth > 0 and c.relkind in ('r', 'p', 'f', 'c')
)
select jsonb_build_object('schema', r.nspname, 'name', r.relname, 'relkind', r.relkind, 'estimate', r.reltuples,
  'hasColumn', a.attname is not null, 'isUsed', false, 'column', a.attname) as ${RELATION}
from relations r left join pg_attribute a on a.attrelid = r.oid and a.attnum = r.objsubid and r.objsubid > 0
where case when a.attname is null
  then r.relkind <> 'c' and not exists (
    -- Its rows are counted with those of what it is a part of.
    select from pg_inherits i join reached above on above.objid = i.inhparent and above.objsubid = 0
    where i.inhrelid = r.oid and above.classid = 'pg_class'::regclass)
  else a.attgenerated = '' and a.attinhcount = 0
    and not exists (select from reached whole where whole.objid = r.oid and whole.objsubid = 0
      and whole.classid = 'pg_class'::regclass) end
order by r.nspname, r.relname, a.attnum`,
  ];
}

/**
 * The tables that lose rows when rows of a table go, and the columns that lose values, by their foreign keys.
 *
 * @param how `truncate`: all that refer to it, whatever they say of a delete
 */
export function referringTo(
  { schema, name }: FoundRelation,
  how: "delete" | "truncate",
): readonly string[] {
  const goes = how === "truncate" ? "true" : "k.confdeltype = 'c'";
  return [
    `with recursive emptied(oid) as (
  select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = ${literal(schema)} and c.relname = ${literal(name)}
  union
  select k.conrelid from emptied e join pg_constraint k on k.contype = 'f' and k.confrelid = e.oid where ${goes}
), hit as (
  select e.oid, null::name as attname from emptied e
  union
  select k.conrelid, a.attname from emptied e
  join pg_constraint k on k.contype = 'f' and k.confrelid = e.oid and k.confdeltype in ('n', 'd')
  cross join unnest(k.conkey) as part join pg_attribute a on a.attrelid = k.conrelid and a.attnum = part
  where not ${goes}
)
select jsonb_build_object('schema', n.nspname, 'name', c.relname, 'relkind', c.relkind, 'estimate', c.reltuples,
  'hasColumn', h.attname is not null, 'isUsed', false, 'column', h.attname) as ${RELATION}
from hit h join pg_class c on c.oid = h.oid join pg_namespace n on n.oid = c.relnamespace
where not c.relispartition and (h.attname is not null or (n.nspname, c.relname) <> (${literal(schema)}, ${literal(name)}))
order by n.nspname, c.relname, h.attname`,
  ];
}

/** Whether a function of that name may change rows: PostgreSQL's own do not, but for a few. */
export function mayWrite(path: readonly string[]): string {
  const name = literal(path.at(-1) ?? "");
  const within = path.length > 1 ? ` and n.nspname = ${literal(path[0] ?? "")}` : "";
  return `select count(*) = 0 or coalesce(bool_or(p.provolatile = 'v'
    and (n.nspname <> 'pg_catalog' or p.proname ~ '^lo(_|write)')), false) as ${MAY_WRITE}
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.proname = ${name}${within}`;
}
