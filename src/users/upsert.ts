import { getTableColumns, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { DrizzleHandle } from "../db/pool/index.ts";

/**
 * Inserts rows, or replaces those that have the same key, in one statement. The rows are one
 * parameter, as JSON: a thousand rows of a dozen parameters each take several times as long.
 */
export async function upsert<Table extends PgTable>(
  tx: DrizzleHandle,
  table: Table,
  key: readonly (keyof Table["$inferSelect"] & string)[],
  rows: readonly Table["$inferSelect"][],
): Promise<void> {
  if (rows.length === 0) return;
  const columns = Object.entries(getTableColumns(table));
  const values = rows.map((row: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(columns.map(([field, { name }]) => [name, row[field]])),
  );
  const isKey = ([field]: readonly [string, unknown]) => key.some((one) => one === field);
  const namesOf = (of: typeof columns) => of.map(([, { name }]) => sql.identifier(name));
  const list = (of: typeof columns) => sql.join(namesOf(of), sql`, `);
  const changes = namesOf(columns.filter((column) => !isKey(column))).map(
    (name) => sql`${name} = excluded.${name}`,
  );
  await tx.execute(sql`insert into ${table} (${list(columns)})
    select ${list(columns)} from jsonb_populate_recordset(null::${table}, ${JSON.stringify(values)}::jsonb)
    on conflict (${list(columns.filter(isKey))}) do update set ${sql.join(changes, sql`, `)}`);
}
