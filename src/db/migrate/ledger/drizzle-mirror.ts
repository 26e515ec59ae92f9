import { identifier, integer, literal } from "../../base/quote.ts";
import type { DrizzleMirror, DrizzleTableName } from "../adopt-types.ts";
import { drizzleHash } from "../history/drizzle-hash.ts";
import type { Migration } from "../types.ts";

/**
 * Writes a migration's row into drizzle's table, as drizzle would, so that drizzle's migrator goes on
 * after it. Nothing where the table is gone. Its columns are looked up each time: drizzle 1.x adds
 * the names, and would run again what has none.
 */
export function mirrorMigration(
  mirror: DrizzleMirror | null,
  migration: Migration,
): readonly string[] {
  if (mirror === null) return [];
  const table = tableOf(mirror);
  const when = migration.when === undefined ? NOW_MS : integer(migration.when);
  const row = `${literal(drizzleHash(migration))}, ${when}`;
  const insert = `insert into ${table} (hash, created_at) values (${row})`;
  const named = `insert into ${table} (hash, created_at, name) values (${row}, ${literal(migration.tag)})`;
  return [
    `do ${literal(`declare
  target regclass := to_regclass(${literal(table)});
begin
  if target is null then
    return;
  end if;
  if exists (select from pg_attribute a where a.attrelid = target and a.attname = 'name' and not a.attisdropped) then
    execute ${literal(named)};
  else
    execute ${literal(insert)};
  end if;
end`)}`,
  ];
}

const NOW_MS = "(extract(epoch from clock_timestamp()) * 1000)::bigint";

/** SQLSTATE of our own: drizzle's table is not as it was when it was read. */
export const TABLE_CHANGED = "TM003";

/**
 * Keeps drizzle's migrator out until the transaction ends, and raises where it has written to its
 * table since the rows up to `last` were read.
 */
export function lockDrizzleTable(name: DrizzleTableName, last: number): readonly string[] {
  const table = tableOf(name);
  return [
    `lock table ${table} in share row exclusive mode`,
    `do ${literal(`begin
  if exists (select from ${table} t where (to_jsonb(t) ->> 'id')::bigint > ${integer(last)}) then
    raise exception 'drizzle''s migrator is at work' using errcode = ${literal(TABLE_CHANGED)};
  end if;
end`)}`,
  ];
}

/** Notes which table is kept true from here on; null ends it. */
export function setMirror(schema: string, mirror: DrizzleMirror | null): string {
  const value = mirror === null ? "null" : `${literal(JSON.stringify(mirror))}::jsonb`;
  return `update ${identifier(schema)}.runner set drizzle_table = ${value} where id = 1`;
}

function tableOf({ schema, table }: DrizzleTableName): string {
  return `${identifier(schema)}.${identifier(table)}`;
}
