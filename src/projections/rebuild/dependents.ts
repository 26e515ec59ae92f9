import { listed } from "../../db/base/text.ts";
import type { Transaction } from "../../db/pool/index.ts";
import { ProjectionError } from "../projection-error.ts";
import type { TableName } from "./cloned-tables.ts";

/** A view over the live tables: made again over the new ones, it stays what it is. */
export interface DependentView {
  readonly name: string;
  /** `create or replace view …`, every name qualified. */
  readonly statement: string;
}

/** The tables' OIDs. Throws `not_rebuildable` for one that is not there or no ordinary table. */
export async function tableOids(
  tx: Transaction,
  projection: string,
  tables: readonly TableName[],
): Promise<readonly number[]> {
  const rows = await tx.query<{ label: string; oid: number | null; obstacle: string | null }>(
    `select format('%I.%I', wanted.schema, wanted.name) as label, c.oid,
       case
         when c.oid is null then 'it is not there'
         when c.relkind <> 'r' then 'it is partitioned, a view or a foreign table'
         when c.relispartition then 'it is a partition'
         when c.relrowsecurity then 'it has row level security'
         when c.relreplident <> 'd' then 'it has a replica identity of its own'
       end as obstacle
     from unnest($1::text[], $2::text[]) as wanted(schema, name)
     left join pg_catalog.pg_namespace n on n.nspname = wanted.schema
     left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = wanted.name`,
    [tables.map(({ schema }) => schema), tables.map(({ name }) => name)],
  );
  const names = tables.map(({ name }) => name);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  const obstacles = [
    ...rows.flatMap(({ label, obstacle }) => (obstacle === null ? [] : [`${label}: ${obstacle}`])),
    ...twice.map((name) => `two of its tables are called ${name}`),
  ];
  if (tables.length === 0) obstacles.push("it has no tables");
  if (obstacles.length > 0) throw notRebuildable(projection, obstacles);
  return rows.map(({ oid }) => Number(oid));
}

/**
 * What depends on the tables from elsewhere, and would be lost with them or keep them: triggers,
 * rules, policies, materialized views, foreign keys of other tables, functions, sequences,
 * publications, statistics, inheritance.
 *
 * @throws ProjectionError `not_rebuildable`, naming all of it
 */
export async function refuseDependents(
  tx: Transaction,
  projection: string,
  oids: readonly number[],
): Promise<void> {
  const rows = await tx.query<{ what: string }>(
    `with tables as (select oid, reltype from pg_catalog.pg_class where oid = any($1)),
     depending as (
       select d.classid, d.objid, d.objsubid
       from pg_catalog.pg_depend d join tables t on d.refobjid = t.oid
       where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       union
       select d.classid, d.objid, d.objsubid
       from pg_catalog.pg_depend d
       join pg_catalog.pg_type y on y.oid = d.refobjid
       join tables t on y.oid = t.reltype or y.typelem = t.reltype
       where d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
     )
     select distinct pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) as what
     from depending d
     left join pg_catalog.pg_class c
       on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = d.objid
     left join pg_catalog.pg_constraint k
       on d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = d.objid
     left join pg_catalog.pg_rewrite r
       on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
     left join pg_catalog.pg_class v on v.oid = r.ev_class
     left join pg_catalog.pg_trigger g
       on d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and g.oid = d.objid
     where not coalesce(c.relkind in ('i', 't') or c.oid = any($1), false)
       and not coalesce(k.conrelid = any($1) and k.contype in ('p', 'u', 'x', 'c', 'f', 'n'), false)
       and not coalesce(v.relkind = 'v' and r.rulename = '_RETURN', false)
       and not coalesce(g.tgisinternal, false)
       and d.classid not in (
         'pg_catalog.pg_attrdef'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass)
     order by what`,
    [oids],
  );
  if (rows.length > 0) {
    throw notRebuildable(
      projection,
      rows.map(({ what }) => what),
    );
  }
}

/** The views over the tables. To be read with `search_path` at `pg_catalog`. */
export async function dependentViews(
  tx: Transaction,
  oids: readonly number[],
): Promise<readonly DependentView[]> {
  return tx.query<DependentView>(
    `select format('%I.%I', n.nspname, v.relname) as name,
       format('create or replace view %I.%I (%s)%s as %s', n.nspname, v.relname,
         (select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = v.oid and a.attnum > 0),
         coalesce(' with (' || array_to_string(v.reloptions, ', ') || ')', ''),
         pg_catalog.pg_get_viewdef(v.oid)) as statement
     from (select distinct r.ev_class
           from pg_catalog.pg_depend d
           join pg_catalog.pg_rewrite r on r.oid = d.objid and r.rulename = '_RETURN'
           where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
             and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
             and d.refobjid = any($1)) as over
     join pg_catalog.pg_class v on v.oid = over.ev_class and v.relkind = 'v'
     join pg_catalog.pg_namespace n on n.oid = v.relnamespace
     order by name`,
    [oids],
  );
}

function notRebuildable(projection: string, obstacles: readonly string[]): ProjectionError {
  return new ProjectionError({
    code: "not_rebuildable",
    fact: `The tables of ${projection} cannot be rebuilt beside the live ones: ${listed(obstacles, "; ")}.`,
    outcome: "nothing-run",
    remedy: "Drop what depends on them in a migration, rebuild, and create it again.",
  });
}
