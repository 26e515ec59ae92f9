import { literal } from "../base/quote.ts";

/**
 * SQL that drops what a Drizzle schema can make, in all schemas but PostgreSQL's and the ledger's. It
 * leaves schemas, functions, extensions (with what they own), domains and roles.
 */
export function clearDrizzleObjects(ledgerSchema: string): string {
  const ledger = literal(ledgerSchema);
  return `
do $clear$
declare
  what record;
begin
  for what in
    select 1 as rank, format('drop %s if exists %I.%I cascade',
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view'
          when 'S' then 'sequence' when 'f' then 'foreign table' else 'table' end,
        n.nspname, c.relname) as statement
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and not c.relispartition
        and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', ${ledger}, 'tidemark_scratch')
        and not exists (select from pg_depend d where d.objid = c.oid
          and d.classid = 'pg_class'::regclass and d.objsubid = 0 and d.deptype in ('e', 'i'))
    union all
    select 2, format('drop type if exists %I.%I cascade', n.nspname, t.typname)
      from pg_type t join pg_namespace n on n.oid = t.typnamespace
      where t.typtype = 'e' and n.nspname !~ '^pg_'
        and n.nspname not in ('information_schema', ${ledger}, 'tidemark_scratch')
        and not exists (select from pg_depend d where d.objid = t.oid
          and d.classid = 'pg_type'::regclass and d.deptype = 'e')
    order by rank
  loop
    execute what.statement;
  end loop;
end
$clear$;`;
}
