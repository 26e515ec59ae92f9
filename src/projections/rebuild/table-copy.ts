import { createHash } from "node:crypto";
import type { Transaction } from "../../db/pool/index.ts";

/**
 * The statements that make empty tables like these in another schema: columns, defaults, checks,
 * keys, indexes, foreign keys (those among them lead to the new ones), storage, owner, grants,
 * comments; every name as it was. To be read with `search_path` at `pg_catalog`, where the server
 * prints all names qualified.
 */
export async function copyTables(
  tx: Transaction,
  oids: readonly number[],
  schema: string,
): Promise<TableCopy> {
  const statements: string[] = [];
  for (const query of [TABLES, TABLE_TRAITS, KEYS, INDEXES, FOREIGN_KEYS, COMMENTS, GRANTS]) {
    const rows = await tx.query<{ statement: string }>(query, [oids, schema]);
    statements.push(...rows.map(({ statement }) => statement));
  }
  const liked = await tx.query<{ statement: string }>(LIKED, [oids]);
  // Sorted: in which order the server reads its catalog depends on its statistics.
  const facts = [...statements, ...liked.map(({ statement }) => statement)].toSorted();
  const digest = createHash("sha256").update(facts.join("\n")).digest("hex").slice(0, 16);
  return { statements, digest };
}

export interface TableCopy {
  readonly statements: readonly string[];
  /** Of all that the tables are: another one means that a migration has changed them. */
  readonly digest: string;
}

const NEW = "format('%I.%I', $2::text, c.relname)";
const LIVE = "format('%I.%I', n.nspname, c.relname)";
const FROM = `from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace`;

const TABLES = `
  select format('create %stable %s (like %s including all excluding indexes)%s%s',
    case when c.relpersistence = 'u' then 'unlogged ' else '' end, ${NEW}, ${LIVE},
    coalesce(' with (' || array_to_string(c.reloptions || (
      select array_agg('toast.' || o) from unnest(t.reloptions) as o), ', ') || ')', ''),
    coalesce(' tablespace ' || quote_ident(s.spcname), '')) as statement
  ${FROM}
  left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
  left join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
  where c.oid = any($1) order by c.relname`;

/** What LIKE does not copy. */
const TABLE_TRAITS = `
  select format('alter table %s owner to %I', ${NEW}, pg_get_userbyid(c.relowner)) as statement
  ${FROM} where c.oid = any($1)
  union all
  select format('alter table %s alter column %I set statistics %s', ${NEW}, a.attname, a.attstattarget)
  ${FROM} join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.oid = any($1) and a.attstattarget >= 0
  union all
  select format('alter table %s alter column %I set (%s)', ${NEW}, a.attname,
    array_to_string(a.attoptions, ', '))
  ${FROM} join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.oid = any($1) and a.attoptions is not null`;

/** What LIKE does copy, for the digest. */
const LIKED = `
  select concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attgenerated, a.attcollation, a.attstorage, a.attcompression, pg_get_expr(d.adbin, d.adrelid),
    col_description(c.oid, a.attnum)) as statement
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.oid = any($1)
  union all
  select concat_ws(' ', c.relname, k.conname, pg_get_constraintdef(k.oid),
    obj_description(k.oid, 'pg_constraint'))
  from pg_catalog.pg_class c
  join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype in ('c', 'n')
  where c.oid = any($1)
  order by statement`;

const KEYS = `
  select format('alter table %s add constraint %I %s', ${NEW}, k.conname,
    pg_get_constraintdef(k.oid)) as statement
  ${FROM} join pg_catalog.pg_constraint k on k.conrelid = c.oid
  where c.oid = any($1) and k.contype in ('p', 'u', 'x')
  order by c.relname, k.contype <> 'p', k.conname`;

/** Only the qualified name of the table changes: it stands before the first USING. */
const INDEXES = `
  select replace(left(d.def, position(' USING ' in d.def)), ' ON ' || ${LIVE} || ' ',
      ' ON ' || ${NEW} || ' ')
    || substr(d.def, position(' USING ' in d.def) + 1) as statement
  ${FROM} join pg_catalog.pg_index i on i.indrelid = c.oid
  cross join lateral (select pg_get_indexdef(i.indexrelid) as def) as d
  where c.oid = any($1) and i.indisvalid
    and not exists (select from pg_catalog.pg_constraint k
      where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
  order by c.relname, i.indexrelid`;

const FOREIGN_KEYS = `
  select format('alter table %s add constraint %I %s', ${NEW}, k.conname,
    case when k.confrelid = any($1) then
      regexp_replace(pg_get_constraintdef(k.oid), ' REFERENCES .*?\\(',
        format(' REFERENCES %I.%I(', $2::text, f.relname))
    else pg_get_constraintdef(k.oid) end) as statement
  ${FROM} join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype = 'f'
  join pg_catalog.pg_class f on f.oid = k.confrelid
  where c.oid = any($1) order by c.relname, k.conname`;

/** LIKE copies those of columns and checks. */
const COMMENTS = `
  select format('comment on table %s is %L', ${NEW}, d.description) as statement
  ${FROM} join pg_catalog.pg_description d on d.objoid = c.oid and d.objsubid = 0
    and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
  where c.oid = any($1)
  union all
  select format('comment on constraint %I on %s is %L', k.conname, ${NEW}, d.description)
  ${FROM} join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype in ('p', 'u', 'x', 'f')
  join pg_catalog.pg_description d on d.objoid = k.oid
    and d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
  where c.oid = any($1)
  union all
  select format('comment on index %I.%I is %L', $2::text, x.relname, d.description)
  ${FROM} join pg_catalog.pg_index i on i.indrelid = c.oid
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_description d on d.objoid = x.oid
    and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
  where c.oid = any($1)`;

/** Exactly the grants of the live table: default privileges may have given the new one others. */
const GRANTS = `
  select statement from (
    select 1 as step, format('revoke all on %s from public, %I', ${NEW}, pg_get_userbyid(c.relowner))
      as statement
    ${FROM} where c.oid = any($1) and c.relacl is not null
    union all
    select distinct 1, format('revoke all on %s from %s', ${NEW},
      case a.grantee when 0 then 'public' else format('%I', pg_get_userbyid(a.grantee)) end)
    ${FROM} cross join pg_catalog.pg_default_acl f cross join aclexplode(f.defaclacl) as a
    where c.oid = any($1) and f.defaclobjtype = 'r' and a.grantee <> c.relowner
    union all
    select 2, format('grant %s on %s to %s%s', a.privilege_type, ${NEW},
      case a.grantee when 0 then 'public' else format('%I', pg_get_userbyid(a.grantee)) end,
      case when a.is_grantable then ' with grant option' else '' end)
    ${FROM} cross join lateral aclexplode(c.relacl) as a
    where c.oid = any($1)
    union all
    select 3, format('grant %s (%I) on %s to %s%s', a.privilege_type, t.attname, ${NEW},
      case a.grantee when 0 then 'public' else format('%I', pg_get_userbyid(a.grantee)) end,
      case when a.is_grantable then ' with grant option' else '' end)
    ${FROM} join pg_catalog.pg_attribute t on t.attrelid = c.oid and t.attacl is not null
    cross join lateral aclexplode(t.attacl) as a
    where c.oid = any($1)) as grants
  order by step, statement`;
