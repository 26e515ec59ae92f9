import { identifier, integer, literal } from "../../base/quote.ts";
import type { DrizzleTableName } from "../adopt-types.ts";
import { BOUNDED } from "../ledger/read.ts";

/** What drizzle's migrator does without that setting. */
export const DRIZZLE_TABLE: DrizzleTableName = {
  schema: "drizzle",
  table: "__drizzle_migrations",
};

// Name and type of each column, by name: as drizzle-orm 0.x creates the table, and as 1.x does.
const DRIZZLE_COLUMNS = [
  "created_at:bigint hash:text id:integer",
  "applied_at:timestamp with time zone created_at:bigint hash:text id:integer name:text",
];

/**
 * The tables of drizzle's migrator, wherever they are, and what else the database holds: one
 * message: one row per table, and one for the objects.
 */
export function findExisting(
  ledgerSchema: string,
  drizzleTable: DrizzleTableName,
  { objectsToo }: { readonly objectsToo: boolean },
): string {
  const tables = drizzleTables(drizzleTable);
  return [
    BOUNDED,
    `select jsonb_build_object('schema', t.nspname, 'table', t.relname) as tidemark_drizzle
from (${tables}) t order by t.nspname, t.relname`,
    ...(objectsToo ? [objects(ledgerSchema, tables)] : []),
  ].join(";\n");
}

function drizzleTables({ schema, table }: DrizzleTableName): string {
  return `select c.oid, n.nspname, c.relname
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p')
    and exists (select from pg_attribute h where h.attrelid = c.oid and h.attname = 'hash' and not h.attisdropped)
    and exists (select from pg_attribute i where i.attrelid = c.oid and i.attname = 'id' and not i.attisdropped
      and format_type(i.atttypid, null) in ('integer', 'bigint'))
    and ((n.nspname = ${literal(schema)} and c.relname = ${literal(table)})
      or c.relname = ${literal(DRIZZLE_TABLE.table)}
      or (select string_agg(a.attname || ':' || format_type(a.atttypid, null), ' ' order by a.attname)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
        in (${DRIZZLE_COLUMNS.map(literal).join(", ")}))`;
}

/** A table of more is somebody's data, with columns of the same names. */
const MOST_ROWS = 10_000;

/** The rows of such a table in their order, whatever else it has, and the role that reads them. */
export function readDrizzleRows({ schema, table }: DrizzleTableName, after: number): string {
  return `${BOUNDED};
select pg_catalog.jsonb_build_object('role', session_user, 'last', (
  select max((pg_catalog.to_jsonb(t) ->> 'id')::bigint) from ${identifier(schema)}.${identifier(table)} t
), 'hasNames', exists (
  select from pg_attribute a where a.attrelid = ${literal(`${identifier(schema)}.${identifier(table)}`)}::regclass
    and a.attname = 'name' and not a.attisdropped
)) as tidemark_drizzle_table;
select pg_catalog.jsonb_build_object('id', r.row -> 'id', 'hash', r.row -> 'hash',
  'createdAt', r.row -> 'created_at', 'name', r.row -> 'name', 'appliedAt', r.row -> 'applied_at'
) as tidemark_drizzle_row
from (select pg_catalog.to_jsonb(t) as row from ${identifier(schema)}.${identifier(table)} t) r
where (r.row ->> 'id')::bigint > ${integer(after)} order by (r.row ->> 'id')::bigint limit ${MOST_ROWS}`;
}

/**
 * Owners of what the platform of a database brings along. Whatever a customer makes there belongs
 * to roles of the customer's own, or to `postgres`.
 */
const PLATFORM_ROLES = [
  // Supabase
  "supabase_admin",
  "supabase_auth_admin",
  "supabase_storage_admin",
  "supabase_realtime_admin",
  "supabase_functions_admin",
  "supabase_replication_admin",
  "supabase_read_only_user",
  "supabase_etl_admin",
  "pgsodium_keymaker",
  "pgbouncer",
  // Amazon RDS and Aurora
  "rdsadmin",
  // Google Cloud SQL, AlloyDB
  "cloudsqladmin",
  "alloydbadmin",
  // Azure
  "azuresu",
  "azure_superuser",
  // Neon
  "cloud_admin",
  "neon_service",
];

const LEDGER_RELATIONS = ["runner", "migration_events", "schema_migrations"];
/** Those that came with a later version of the ledger. */
const LATER_RELATIONS = ["repeatables", "backfills", "backfill_rows"];
const LEDGER_ROUTINES = [
  ...["fence", "record", "copy_events", "refuse_event_change", "refuse_ledger_loss"],
  ...["backfill_checkpoint", "backfill_event"],
];
/** Made by the engine of the application's jobs, for itself. */
const ENGINE_SCHEMA = "graphile_worker";

/** How many objects are named one by one. */
const SHOWN = 10;

// What no migration of the ledger has made: relations, types and routines. Not counted: what is
// PostgreSQL's own, an extension's or the platform's, the ledger itself, what belongs to a column, and
// the tables of drizzle's migrator, whose rows tell.
function objects(ledgerSchema: string, besides: string): string {
  const isMember = (catalog: string, oid: string) =>
    `exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;
  const list = (values: readonly string[]) => values.map(literal).join(", ");
  const inLedger = `n.nspname = ${literal(ledgerSchema)}`;
  return `with schemas as (
  select n.oid, n.nspname from pg_namespace n
  where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', '${ENGINE_SCHEMA}')
    and pg_get_userbyid(n.nspowner) not in (${list(PLATFORM_ROLES)})
    and not ${isMember("pg_namespace", "n.oid")}
), objects as (
  select n.nspname, c.relname as name, c.relowner as owner, case c.relkind
    when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
    when 'f' then 'foreign table' when 'c' then 'type' else 'table' end as kind
  from pg_class c join schemas n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    and not (${inLedger} and c.relname in (${list([...LEDGER_RELATIONS, ...LATER_RELATIONS])}))
    and c.oid not in (select b.oid from (${besides}) b)
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
      and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and c.relkind = 'S')
    and not ${isMember("pg_class", "c.oid")}
    and not (c.relkind = 'c' and ${isMember("pg_type", "c.reltype")})
  union all
  select n.nspname, t.typname, t.typowner, case t.typtype when 'e' then 'enum' when 'd' then 'domain' else 'type' end
  from pg_type t join schemas n on n.oid = t.typnamespace
  where t.typtype in ('e', 'd', 'r') and not ${isMember("pg_type", "t.oid")}
  union all
  select n.nspname, p.proname, p.proowner, case p.prokind when 'p' then 'procedure' else 'function' end
  from pg_proc p join schemas n on n.oid = p.pronamespace
  where not (${inLedger} and p.proname in (${list(LEDGER_ROUTINES)}))
    and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
      and d.refclassid = 'pg_type'::regclass and d.deptype = 'i')
    and not ${isMember("pg_proc", "p.oid")}
), counted as (
  select o.nspname, o.name, o.kind, pg_get_userbyid(o.owner) as owner from objects o
  where pg_get_userbyid(o.owner) not in (${list(PLATFORM_ROLES)})
)
select jsonb_build_object(
  'database', current_database(), 'ledgerSchema', ${literal(ledgerSchema)}::text,
  'count', (select count(*) from counted),
  'schemas', (select coalesce(jsonb_agg(distinct c.nspname), '[]') from counted c),
  'ledgers', (select coalesce(jsonb_agg(l.nspname), '[]') from (
    select n.nspname from schemas n where n.nspname <> ${literal(ledgerSchema)} and ${LEDGER_RELATIONS.length} = (
      select count(*) from pg_class c where c.relnamespace = n.oid and c.relname in (${list(LEDGER_RELATIONS)}))) l),
  'owners', (select coalesce(jsonb_agg(distinct c.owner), '[]') from counted c),
  'first', (select coalesce(jsonb_agg(f.label), '[]') from (
    select c.kind || ' ' || quote_ident(c.nspname) || '.' || quote_ident(c.name) as label
    from counted c order by c.kind <> 'table', c.nspname, c.name limit ${SHOWN}) f)
) as tidemark_objects`;
}
