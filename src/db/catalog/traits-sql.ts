/**
 * What pg-delta 1.0.0-alpha.34 does not read, as tests showed. A row is an unusual trait of an
 * object: `otherwise` is the value that holds without a row, and null says that there is no such
 * object then. `within` is the relation that contains the object.
 *
 * Run with `search_path = pg_catalog`, on PostgreSQL 14 to 18.
 */
export const TRAIT_QUERIES: readonly string[] = [
  // pg-delta reads an index's validity only on ordinary tables: not for a partitioned parent, a
  // partition's index, or one that a constraint owns.
  `select 'index' as kind, n.nspname as schema, array[n.nspname, c.relname] as path,
     array[n.nspname, t.relname] as within, 'usable' as property,
     case
       when not i.indislive then 'no: it is being dropped'
       when not i.indisready then 'no: INVALID, and not kept up to date'
       else 'no: INVALID'
     end as value,
     'yes' as otherwise
   from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
   join pg_namespace n on n.oid = c.relnamespace
   where not (i.indisvalid and i.indisready and i.indislive)`,

  `select 'column', n.nspname, array[n.nspname, c.relname, a.attname],
     array[n.nspname, c.relname], p.property, p.value, p.otherwise
   from pg_attribute a join pg_class c on c.oid = a.attrelid
   join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid
   left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   cross join lateral (values
     ('generated as', case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end, 'none'),
     ('storage', case when a.attstorage <> t.typstorage then
       case a.attstorage when 'p' then 'plain' when 'e' then 'external'
         when 'm' then 'main' else 'extended' end end, 'of its type'),
     ('compression', case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end, 'default'),
     ('statistics target', nullif(coalesce(a.attstattarget, -1), -1)::text, 'default'),
     ('options', array_to_string(a.attoptions, ', '), 'none'),
     -- A partition and an inheriting table have a default and a NOT NULL of their own.
     ('default', case when not a.attislocal and a.attgenerated = ''
       then pg_get_expr(d.adbin, d.adrelid) end, 'none'),
     ('not null', case when not a.attislocal and a.attnotnull then 'yes' end, 'no')
   ) as p (property, value, otherwise)
   where c.relkind in ('r', 'p', 'f') and a.attnum > 0 and not a.attisdropped and p.value is not null`,

  `select 'column', n.nspname, array[n.nspname, c.relname, a.attname],
     array[n.nspname, c.relname], p.property, p.value, 'none'
   from pg_attribute a join pg_class c on c.oid = a.attrelid
   join pg_namespace n on n.oid = c.relnamespace
   left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   cross join lateral (values
     ('default', pg_get_expr(d.adbin, d.adrelid)),
     ('comment', col_description(c.oid, a.attnum)),
     ('grants', ${grantsText("a.attacl", "c.relowner")})
   ) as p (property, value)
   where c.relkind in ('v', 'm', 'c') and a.attnum > 0 and not a.attisdropped and p.value is not null`,

  // PostgreSQL 18: a NOT NULL that old rows may violate, or that inheriting tables need not have.
  `select 'column', n.nspname, array[n.nspname, c.relname, a.attname],
     array[n.nspname, c.relname], p.property, 'no', 'yes'
   from pg_constraint o join pg_class c on c.oid = o.conrelid
   join pg_namespace n on n.oid = c.relnamespace
   join pg_attribute a on a.attrelid = c.oid and a.attnum = o.conkey[1]
   cross join lateral (values
     ('not null validated', not o.convalidated), ('not null inherited', o.connoinherit)
   ) as p (property, holds)
   where o.contype = 'n' and p.holds`,

  `select case c.relkind when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
     n.nspname, array[n.nspname, c.relname], array[n.nspname, c.relname],
     p.property, p.value, p.otherwise
   from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_am m on m.oid = c.relam
   cross join lateral (values
     ('populated', case when c.relkind = 'm' and not c.relispopulated then 'no' end, 'yes'),
     ('of type', nullif(c.reloftype, 0)::regtype::text, 'none'),
     ('access method', case when m.amname <> 'heap' then m.amname end, 'heap'),
     ('persistence', case when c.relkind = 'S' and c.relpersistence = 'u' then 'unlogged' end, 'permanent'),
     -- pg-delta knows only the first parent.
     ('inherits', (select string_agg(h.inhparent::regclass::text, ', ' order by h.inhseqno)
       from pg_inherits h where h.inhrelid = c.oid having count(*) > 1), 'at most one table'),
     -- For a sequence that an identity column owns, which pg-delta leaves out.
     ('grants', case when c.relkind = 'S' and exists (select from pg_depend e
         where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'i')
       then ${grantsText("c.relacl", "c.relowner")} end, 'none')
   ) as p (property, value, otherwise)
   where c.relkind in ('r', 'p', 'm', 'S') and p.value is not null`,

  // pg-delta does not read the comments on what a constraint or a partition brings along.
  `select case c.relkind when 'S' then 'sequence' else 'index' end,
     n.nspname, array[n.nspname, c.relname],
     coalesce(array[n.nspname, t.relname], array[n.nspname, c.relname]),
     'comment', d.description, 'none'
   from pg_description d join pg_class c on c.oid = d.objoid
   join pg_namespace n on n.oid = c.relnamespace
   left join pg_index i on i.indexrelid = c.oid left join pg_class t on t.oid = i.indrelid
   where d.classoid = 'pg_class'::regclass and d.objsubid = 0 and c.relkind in ('i', 'I', 'S')
     and (
       exists (select from pg_inherits h where h.inhrelid = c.oid)
       or exists (select from pg_constraint o where o.conindid = c.oid and o.contype in ('p', 'u', 'x'))
       or exists (select from pg_depend e where c.relkind = 'S'
         and e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'i')
     )`,

  // A partition's trigger that does not fire as its parent's does. PostgreSQL 14 calls it internal.
  `select 'trigger', n.nspname, array[n.nspname, c.relname, t.tgname],
     array[n.nspname, c.relname], 'fires',
     case t.tgenabled when 'O' then 'yes' when 'D' then 'no'
       when 'R' then 'in replicas only' else 'always' end, 'as its parent'
   from pg_trigger t join pg_trigger p on p.oid = t.tgparentid join pg_class c on c.oid = t.tgrelid
   join pg_namespace n on n.oid = c.relnamespace
   where (not t.tgisinternal or t.tgconstraint = 0) and t.tgenabled <> p.tgenabled`,

  // ALTER TABLE … DISABLE TRIGGER ALL: the foreign key exists, and checks nothing.
  `select distinct 'constraint', n.nspname, array[n.nspname, c.relname, o.conname],
     array[n.nspname, c.relname], 'checked', 'no: its triggers are disabled', 'yes'
   from pg_trigger t join pg_constraint o on o.oid = t.tgconstraint
   join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
   where t.tgisinternal and t.tgenabled <> 'O'`,

  `select 'statistics object', n.nspname, array[n.nspname, s.stxname],
     array[n.nspname, c.relname], null, pg_get_statisticsobjdef(s.oid), null
   from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace
   join pg_class c on c.oid = s.stxrelid`,

  `select case when s.setrole = 0 then 'database setting' else 'database setting of a role' end,
     null, array_remove(array[r.rolname, split_part(g, '=', 1)], null), '{}'::text[],
     null, substr(g, strpos(g, '=') + 1), null
   from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
   left join pg_roles r on r.oid = s.setrole cross join unnest(s.setconfig) as g
   where d.datname = current_database()`,
];

/** Objects that are compared by name only: pg-delta does not read their definition. `path` is their SQL name. */
export const NAMES_QUERY = `select i.type, i.schema, array[i.identity], '{}'::text[], null, null, null
   from (
     select 'pg_cast'::regclass as classid, oid from pg_cast
     union all select 'pg_operator'::regclass, oid from pg_operator
     union all select 'pg_opclass'::regclass, oid from pg_opclass
     union all select 'pg_opfamily'::regclass, oid from pg_opfamily
     union all select 'pg_ts_config'::regclass, oid from pg_ts_config
     union all select 'pg_ts_dict'::regclass, oid from pg_ts_dict
     union all select 'pg_ts_parser'::regclass, oid from pg_ts_parser
     union all select 'pg_ts_template'::regclass, oid from pg_ts_template
     union all select 'pg_language'::regclass, oid from pg_language
     union all select 'pg_transform'::regclass, oid from pg_transform
   ) o cross join lateral pg_identify_object(o.classid, o.oid, 0) i
   -- Made after initdb: lower oids are in every database.
   where o.oid >= 16384 and not exists (select from pg_depend d
     where d.classid = o.classid and d.objid = o.oid and d.deptype in ('e', 'i'))`;

/** The privileges of all but the owner, on one line; null if there are none. */
function grantsText(acl: string, owner: string): string {
  return `(select string_agg(g.line, '; ' order by g.line) from (
    select coalesce(r.rolname, 'PUBLIC') || ': ' || string_agg(
      e.privilege_type || case when e.is_grantable then ' with grant option' else '' end,
      ', ' order by e.privilege_type) as line
    from aclexplode(${acl}) e left join pg_roles r on r.oid = e.grantee
    where e.grantee <> ${owner} group by 1 is null, r.rolname) g)`;
}
