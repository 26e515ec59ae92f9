import type { DatabasePool } from "../../src/db/pool/index.ts";

// The two schemas of the app, as the catalog has them. Not the ledger's, which is the engine's.
const APP_SCHEMAS = ["eventstore", "projections"];

export interface CatalogColumn {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly identity: string;
}

export function readColumns(pool: DatabasePool): Promise<readonly CatalogColumn[]> {
  return pool.query<CatalogColumn>(
    `select
       n.nspname || '.' || c.relname as "table",
       a.attname as name,
       format_type(a.atttypid, a.atttypmod) as type,
       a.attnotnull as "notNull",
       a.atthasdef as "hasDefault",
       a.attidentity::text as identity
     from pg_catalog.pg_attribute a
     join pg_catalog.pg_class c on c.oid = a.attrelid
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any($1) and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
     order by 1, a.attnum`,
    [APP_SCHEMAS],
  );
}

export interface CatalogConstraint {
  readonly kind: string;
  readonly table: string;
  readonly name: string;
  readonly validated: boolean;
}

export function readConstraints(pool: DatabasePool): Promise<readonly CatalogConstraint[]> {
  return pool.query<CatalogConstraint>(
    // PostgreSQL 18 lists NOT NULL here too, under names of its own: the columns' test has those.
    `select
       case o.contype
         when 'p' then 'primary key' when 'u' then 'unique'
         when 'c' then 'check' when 'f' then 'foreign key'
         else o.contype::text
       end as kind,
       n.nspname || '.' || c.relname as "table",
       o.conname as name,
       o.convalidated as validated
     from pg_catalog.pg_constraint o
     join pg_catalog.pg_class c on c.oid = o.conrelid
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any($1) and o.contype <> 'n'`,
    [APP_SCHEMAS],
  );
}

export interface CatalogIndex {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
  readonly usable: boolean;
  readonly method: string;
  readonly partial: boolean;
}

export function readIndexes(pool: DatabasePool): Promise<readonly CatalogIndex[]> {
  return pool.query<CatalogIndex>(
    `select
       c.relname as name,
       n.nspname || '.' || t.relname as "table",
       array(
         select coalesce(a.attname::text, '(expression)')
         from unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
         left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
         order by k.place
       ) as columns,
       i.indisunique as "unique",
       i.indisvalid and i.indisready and i.indislive as usable,
       m.amname as method,
       i.indpred is not null as partial
     from pg_catalog.pg_index i
     join pg_catalog.pg_class c on c.oid = i.indexrelid
     join pg_catalog.pg_class t on t.oid = i.indrelid
     join pg_catalog.pg_namespace n on n.oid = t.relnamespace
     join pg_catalog.pg_am m on m.oid = c.relam
     where n.nspname = any($1)`,
    [APP_SCHEMAS],
  );
}

export interface CatalogForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly parent: string;
  readonly parentColumns: readonly string[];
  readonly onDelete: string;
  readonly indexed: boolean;
}

export function readForeignKeys(pool: DatabasePool): Promise<readonly CatalogForeignKey[]> {
  const columnNames = (relation: string, numbers: string) =>
    `array(
       select a.attname::text
       from unnest(${numbers}) with ordinality as k (attnum, place)
       join pg_catalog.pg_attribute a on a.attrelid = ${relation} and a.attnum = k.attnum
       order by k.place
     )`;
  return pool.query<CatalogForeignKey>(
    `select
       o.conname as name,
       ${columnNames("o.conrelid", "o.conkey")} as columns,
       o.confrelid::regclass::text as parent,
       ${columnNames("o.confrelid", "o.confkey")} as "parentColumns",
       case o.confdeltype
         when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default'
         when 'r' then 'restrict' else 'no action'
       end as "onDelete",
       exists (
         select from pg_catalog.pg_index i
         where i.indrelid = o.conrelid and i.indisvalid and i.indpred is null
           and (i.indkey::int2[])[0:cardinality(o.conkey) - 1] = o.conkey
       ) as indexed
     from pg_catalog.pg_constraint o
     join pg_catalog.pg_class c on c.oid = o.conrelid
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any($1) and o.contype = 'f'`,
    [APP_SCHEMAS],
  );
}
