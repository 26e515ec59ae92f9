import { literal } from "../base/quote.ts";
import { ask } from "../connection/ask.ts";
import type { Session } from "../connection/session.ts";
import { LOOKS } from "../forecast/index.ts";
import type { Facts } from "./doctor-types.ts";

/** Below PostgreSQL 14 nothing of ours runs: what follows need not be read there. */
export async function readFacts(session: Session, ledgerSchema: string): Promise<Facts> {
  const parts = Object.entries(PARTS).map(
    ([name, sql]) =>
      `select jsonb_build_object(${literal(name)}, ${sql.replaceAll(":schema", literal(ledgerSchema))}) as tidemark_fact`,
  );
  const reply = await ask(session, "doctor", `${SETTINGS};\n${LOOKS};\n${parts.join(";\n")}`);
  const found = reply.rows.flatMap((row) => ("tidemark_fact" in row ? [row.tidemark_fact] : []));
  const facts: Facts & { readonly own: Facts["role"]["settings"] } = Object.assign({}, ...found);
  return { ...facts, role: { ...facts.role, settings: facts.own } };
}

/** What matters to a run, or to the SQL of migrations, as the role has it before anything of ours is set. */
const SETTINGS = `select pg_catalog.jsonb_build_object('own', (
  select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', s.name, 'value', s.setting, 'source', s.source) order by s.name)
  from pg_catalog.pg_settings s
  where s.source in ('database', 'user', 'database user', 'client', 'configuration file', 'command line', 'override')
    and s.setting is distinct from s.boot_val
    and s.name in ('check_function_bodies', 'default_tablespace', 'search_path', 'session_replication_role',
      'zero_damaged_pages'))) as tidemark_fact`;

const HERE = "(select d.oid from pg_database d where d.datname = current_database())";
const OWN =
  "n.nspname not in ('pg_catalog', 'information_schema', :schema) and n.nspname !~ '^pg_'";

// A role that may not see what others' backends are sees their databases.
const USED = `select count(*) from pg_stat_activity a
    where a.datid is not null and coalesce(a.backend_type, 'client backend') = 'client backend'`;

const LACKING = `(select jsonb_agg(l.lacking) from (
    select format('usage on schema %I', n.nspname) as lacking from pg_namespace n
    where n.nspname = :schema and not has_schema_privilege(n.oid, 'usage')
    union all
    select format('select, insert, update on %I.%I', n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = :schema and c.relkind = 'r'
      and not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update'))
    union all
    select format('execute on function %s', p.oid::regprocedure) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = :schema and has_schema_privilege(n.oid, 'usage') and not has_function_privilege(p.oid, 'execute')) l)`;

const PARTS: Readonly<Record<keyof Facts, string>> = {
  server: `(select jsonb_build_object(
  'version', current_setting('server_version'), 'isStandby', pg_is_in_recovery(), 'encoding', current_setting('server_encoding'),
  'unsafe', (select coalesce(jsonb_agg(s.name order by s.name), '[]') from pg_settings s
    where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'),
  'isAutovacuumOff', current_setting('autovacuum') = 'off',
  'waitsFor', case when current_setting('synchronous_standby_names') <> '' and current_setting('synchronous_commit') not in ('off', 'local')
    then jsonb_build_object('names', current_setting('synchronous_standby_names'),
      'there', (select count(*) from pg_stat_replication r where coalesce(r.sync_state, 'sync') in ('sync', 'quorum'))) end,
  'unarchived', (select a.last_failed_wal from pg_stat_archiver a
    where a.last_failed_time > coalesce(a.last_archived_time, '-infinity') and current_setting('archive_mode') <> 'off'),
  'lostSlots', (select jsonb_agg(s.slot_name order by s.slot_name) from pg_replication_slots s where s.wal_status in ('unreserved', 'lost')),
  'wraparound', (select jsonb_build_object('left', 2144483647 - age(d.datfrozenxid), 'database', d.datname)
    from pg_database d where d.datallowconn order by age(d.datfrozenxid) desc limit 1)))`,
  role: `(select jsonb_build_object('name', current_user, 'database', current_database(), 'isSuperuser', r.rolsuper,
  'mayCreate', has_database_privilege(current_database(), 'create'),
  'mayCreateInPublic', (select has_schema_privilege(n.oid, 'create') from pg_namespace n where n.nspname = 'public'),
  'foreignTables', (select jsonb_build_object('count', count(*), 'owner', mode() within group (order by c.relowner::regrole::text),
      'mayBeGranted', not bool_or(o.rolsuper),
      'first', min(c.oid::regclass::text)) from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_roles o on o.oid = c.relowner
    where c.relkind in ('r', 'p') and ${OWN} and not pg_has_role(c.relowner, 'usage')
      and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
    having count(*) > 0),
  'ledger', (select jsonb_build_object('lacking', coalesce(${LACKING}, '[]')) from pg_namespace n
    where n.nspname = :schema and exists (select from pg_class c where c.relnamespace = n.oid and c.relname = 'schema_migrations')),
  'settings', null) from pg_roles r where r.rolname = current_user)`,
  room: `(select jsonb_build_object('left', b.most - b.used, 'bound', b.bound) from (
    select current_setting('max_connections')::int
        - case when r.rolsuper then 0 else current_setting('superuser_reserved_connections')::int
          + case when exists (select from pg_roles x where x.rolname = 'pg_use_reserved_connections' and pg_has_role(x.oid, 'usage'))
            then 0 else coalesce(current_setting('reserved_connections', true)::int, 0) end end as most,
      (${USED}) as used,
      format('max_connections (%s)', current_setting('max_connections')) as bound
    from pg_roles r where r.rolname = current_user
    union all
    select d.datconnlimit, (${USED} and a.datname = d.datname),
      format('the connection limit of database %I (%s)', d.datname, d.datconnlimit)
    from pg_database d where d.datname = current_database() and d.datconnlimit >= 0
    union all
    select r.rolconnlimit, (${USED} and a.usename = r.rolname),
      format('the connection limit of role %I (%s)', r.rolname, r.rolconnlimit)
    from pg_roles r where r.rolname = current_user and r.rolconnlimit >= 0) b
  order by b.most - b.used limit 1)`,
  connection: `(select jsonb_build_object('backendPid', pg_backend_pid(),
  'isEncrypted', (select s.ssl from pg_stat_ssl s where s.pid = pg_backend_pid()),
  'isLocal', inet_server_addr() is null or inet_client_addr() = inet_server_addr()))`,
  database: `(select jsonb_build_object(
  'invalidIndexes', (select jsonb_agg(jsonb_build_object('index', i.indexrelid::regclass::text, 'table', i.indrelid::regclass::text)
      order by i.indexrelid::regclass::text)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where not i.indisvalid and c.relkind = 'i' and ${OWN}
      and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid and p.datid = ${HERE})),
  'prepared', (select jsonb_agg(jsonb_build_object('gid', p.gid, 'forMs', round(extract(epoch from clock_timestamp() - p.prepared) * 1000)))
    from pg_prepared_xacts p where p.database = current_database()),
  'eventTriggers', (select jsonb_agg(format('%s (%s)', t.evtname, t.evtevent) order by t.evtname)
    from pg_event_trigger t where t.evtenabled <> 'D'
      and not exists (select from pg_depend e where e.classid = 'pg_event_trigger'::regclass and e.objid = t.oid and e.deptype = 'e')),
  'refused', (select jsonb_agg(jsonb_build_object('table', c.oid::regclass::text, 'publication', p.pubname))
    from pg_publication_tables t join pg_publication p on p.pubname = t.pubname
    join pg_namespace n on n.nspname = t.schemaname join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
    where n.nspname = :schema and (p.pubupdate or p.pubdelete)
      and (c.relreplident = 'n' or (c.relreplident = 'd' and not exists (
        select from pg_index i where i.indrelid = c.oid and i.indisprimary)))),
  'publishing', (select jsonb_agg(distinct t.pubname) from pg_publication_tables t where t.schemaname = :schema),
  'available', (select jsonb_agg(e.name) from pg_available_extensions e)))`,
};
