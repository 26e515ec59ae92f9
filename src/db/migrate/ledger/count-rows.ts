import { identifier, integer, literal } from "../../base/quote.ts";

/** Counted up to here; beyond it the server's own estimate is near enough. */
export const MOST_COUNTED = 1_000_000;

/** How long one count may take, in milliseconds. */
const COUNT_MS = 5_000;

/** SQLSTATE of our own: what was counted as empty is not any more. */
const REFILLED = "TM005";

/** Column of what a look at a relation found. */
export const RELATION = "tidemark_relation";
export const COUNTED = "tidemark_counted";

/** A relation as a look found it. */
export interface FoundRelation {
  readonly schema: string;
  readonly name: string;
  /** The server's estimate of its rows; -1 where it never looked. */
  readonly estimate: number;
  /** As `pg_class.relkind`. */
  readonly relkind: string;
  /** Of a column that was asked for: whether it is there and stored, not computed. */
  readonly hasColumn: boolean;
  /** Of a sequence: it was used. */
  readonly isUsed: boolean;
  /** The column that is meant, of a look at what goes with something else. */
  readonly column?: string | null;
}

/**
 * Finds a table or a sequence by its name as the role's SQL would; no row where it is not there. Statements of a
 * transaction.
 */
export function findRelation(path: readonly string[], column: string | null): readonly string[] {
  const name = literal(path.map(identifier).join("."));
  return [
    "set local search_path to default",
    `select pg_catalog.set_config('tidemark.relation', coalesce(pg_catalog.to_regclass(${name})::pg_catalog.oid::text, ''), true)`,
    "set local search_path to pg_catalog, pg_temp",
    `select jsonb_build_object(
  'schema', n.nspname, 'name', c.relname, 'relkind', c.relkind,
  'estimate', (select sum(p.reltuples) from pg_class p
    where p.oid = c.oid or p.oid in (select t.relid from pg_partition_tree(c.oid) t where t.isleaf)),
  'hasColumn', exists (select from pg_attribute a
    where a.attrelid = c.oid and a.attname = ${literal(column)} and not a.attisdropped and a.attgenerated = ''),
  'isUsed', c.relkind = 'S' and coalesce((select s.last_value is not null from pg_sequences s
    where s.schemaname = n.nspname and s.sequencename = c.relname), true)
) as ${RELATION}
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = nullif(current_setting('tidemark.relation'), '')::oid`,
  ];
}

/**
 * Fails where a table that was empty, or a column, has something by now: a statement, for just before what drops it.
 * It takes the lock that the drop takes, so that nothing comes in between.
 */
export function refuseNewRows({ schema, name }: FoundRelation, column: string | undefined): string {
  const table = `${identifier(schema)}.${identifier(name)}`;
  const where = column === undefined ? "" : ` where t.${identifier(column)} is not null`;
  const what = column === undefined ? table : `${table}.${identifier(column)}`;
  return `do ${literal(`declare secure text := pg_catalog.current_setting('row_security');
begin
  begin
    lock table ${table} in access exclusive mode;
  exception when insufficient_privilege then null;
  end;
  perform pg_catalog.set_config('row_security', 'off', true);
  if exists (select from ${table} t${where}) then
    raise exception using errcode = ${literal(REFILLED)}, message = ${literal(`${what} was empty when this rollback counted what it loses, and is not any more`)},
      hint = 'Nothing of it is lost. Run \`tidemark rollback\` again: it counts anew.';
  end if;
  perform pg_catalog.set_config('row_security', secure, true);
end`)}`;
}

/** Counts rows, those that have a value in a column where one is given, up to one more than the bound. */
export function countRows(
  { schema, name }: FoundRelation,
  column: string | undefined,
): readonly string[] {
  const where = column === undefined ? "" : ` where t.${identifier(column)} is not null`;
  return [
    `set local statement_timeout to ${integer(COUNT_MS)}`,
    // A policy must not hide rows that go all the same.
    "set local row_security to off",
    `select count(*) as ${COUNTED} from (
  select from ${identifier(schema)}.${identifier(name)} t${where} limit ${integer(MOST_COUNTED + 1)}) counted`,
  ];
}
