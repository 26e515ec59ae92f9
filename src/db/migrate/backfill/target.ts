import { literal } from "../../base/quote.ts";
import { transact } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import type { BackfillDefinition } from "../code/backfill-definition.ts";
import { MigrateError } from "../errors.ts";
import type { Session } from "../run-types.ts";
import { columnsSet } from "../sql/backfill-sql.ts";
import type { KeyColumn, Target } from "./keys.ts";

interface FoundColumn extends KeyColumn {
  readonly notNull: boolean;
}

interface FoundKey {
  readonly columns: readonly string[];
  readonly isPrimary: boolean;
}

interface FoundTable {
  readonly oid: string;
  readonly database: string;
  readonly name: string;
  readonly kind: string;
  readonly rows: number | null;
  readonly columns: readonly FoundColumn[];
  /** Unique, valid, without a condition or an expression. */
  readonly keys: readonly FoundKey[];
}

const FOUND = "tidemark_table";

/**
 * Reads the table that is to be filled, and which of its keys leads through it.
 *
 * @throws MigrateError `config` where there is no such table, no key that names each of its rows, or a `set` that changes it;
 * ServerError, SessionLost
 */
export async function readTarget(
  session: Session,
  { table, key, set }: Pick<BackfillDefinition, "table" | "key" | "set">,
): Promise<Target> {
  const found = await find(session, table);
  if (found === undefined) {
    throw unusable(`There is no table ${table}.`, "Name the table as in SQL, with its schema.");
  }
  if (found.kind !== "r" && found.kind !== "p") {
    throw unusable(`${table} is not a table.`, "Name the table that holds the rows.");
  }
  const columns = keyOf(found, key === undefined || typeof key === "object" ? key : [key]);
  const names = new Set(columns.map(({ name }) => name));
  const moved = (set === undefined ? [] : await columnsSet(set)).filter((name) => names.has(name));
  if (moved.length > 0) {
    throw unusable(
      `\`set\` changes ${moved.join(", ")}, by which the backfill goes through ${found.name}: it would meet its own rows again.`,
      "Go by another unique key (`key`), or change this column in a migration's SQL.",
    );
  }
  return {
    name: found.name,
    oid: Number(found.oid),
    database: found.database,
    key: columns.map(({ name, type }) => ({ name, type })),
    rows: found.rows,
  };
}

function keyOf(
  { name, columns, keys }: FoundTable,
  asked: readonly string[] | undefined,
): readonly FoundColumn[] {
  const named = new Map(columns.map((column) => [column.name, column]));
  const usable = keys.filter((key) => key.columns.every((column) => named.get(column)?.notNull));
  const choices = usable.map((key) => `  key: ${JSON.stringify(key.columns)}`).join("\n");
  if (asked === undefined) {
    const primary = usable.find(({ isPrimary }) => isPrimary);
    if (primary !== undefined) return primary.columns.flatMap((column) => named.get(column) ?? []);
    throw unusable(
      `${name} has no primary key, by which a backfill goes through it.`,
      choices === ""
        ? "Add a primary key, or a unique index over columns that are NOT NULL, in a migration before this one."
        : `Name one of its other unique keys:\n${choices}`,
    );
  }
  const missing = asked.filter((column) => !named.has(column));
  if (missing.length > 0) {
    throw unusable(
      `${name} has no column ${missing.join(", ")}.`,
      `Its columns: ${columns.map((column) => column.name).join(", ")}.`,
    );
  }
  if (!usable.some((key) => key.columns.join("\0") === asked.join("\0"))) {
    throw unusable(
      `(${asked.join(", ")}) is not a key of ${name}: a backfill needs a valid unique index over exactly these columns, in this order and with their own collations, all of them NOT NULL.`,
      choices === ""
        ? "Create such an index in a migration before this one."
        : `Its keys:\n${choices}`,
    );
  }
  return asked.flatMap((column) => named.get(column) ?? []);
}

async function find(session: Session, table: string): Promise<FoundTable | undefined> {
  // As the role names it: with the search path of its own.
  const statements = ["set local search_path to default", query(table)];
  try {
    const { rows } = await transact(session, "backfill", statements, "rollback");
    const found = rows.find((row) => FOUND in row)?.[FOUND];
    return found === null || found === undefined ? undefined : (found as FoundTable);
  } catch (error) {
    if (!isServerError(error) || !error.code.startsWith("42")) throw error;
    throw unusable(`${table} is not the name of a table: ${error.message}.`, "Name it as in SQL.");
  }
}

function query(table: string): string {
  return `select (
  select pg_catalog.jsonb_build_object(
    'oid', c.oid::pg_catalog.text,
    'database', pg_catalog.current_database(),
    'name', pg_catalog.format('%I.%I', n.nspname, c.relname),
    'kind', c.relkind,
    'rows', (
      select case when pg_catalog.bool_and(p.reltuples >= 0) then pg_catalog.sum(p.reltuples)::pg_catalog.int8 end
      from pg_catalog.pg_class p
      where p.relkind = 'r' and (p.oid = c.oid or p.oid in (
        select tree.relid from pg_catalog.pg_partition_tree(c.oid) tree where tree.isleaf))
    ),
    'columns', (
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull and not exists (
          -- From PostgreSQL 18 on it may be NOT VALID.
          select from pg_catalog.pg_constraint n
          where n.conrelid = a.attrelid and n.contype = 'n' and n.conkey = array[a.attnum] and not n.convalidated)
        ) order by a.attnum)
      from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    'keys', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'isPrimary', i.indisprimary,
        'columns', (
          select pg_catalog.jsonb_agg(a.attname order by k.place)
          from pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality k(attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
          where k.place <= i.indnkeyatts
        )) order by i.indisprimary desc, i.indexrelid)
      from pg_catalog.pg_index i
      where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate
        and i.indpred is null and i.indexprs is null
        -- One that tells apart what the column does not, or the other way round, does not lead through it.
        and not exists (
          select from rows from (
            pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indcollation::pg_catalog.oid[]),
            pg_catalog.unnest(i.indclass::pg_catalog.oid[])
          ) with ordinality k(attnum, collation_oid, opclass, place)
          join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
          join pg_catalog.pg_opclass o on o.oid = k.opclass
          where k.place <= i.indnkeyatts and (k.collation_oid <> a.attcollation or not o.opcdefault))
    ), '[]')
  )
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = pg_catalog.to_regclass(${literal(table)})
) as ${FOUND}`;
}

function unusable(fact: string, remedy: string): MigrateError {
  return new MigrateError({ code: "config", fact, remedy });
}
