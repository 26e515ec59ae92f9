import postgres from "postgres";
import { expect } from "vitest";
import { compareCatalogs, describeDifference, readCatalog } from "../../src/db/catalog/index.ts";

/** Everything in a database that a dump would show. */
export async function contentsOf(url: string, leaveOut: readonly string[]) {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', n.nspname, c.relname) as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and n.nspname <> all (${leaveOut as string[]})
      order by 1`;
    const rows: Record<string, readonly string[]> = {};
    for (const { name } of tables) {
      const found = await sql.unsafe(`select t::text as row from ${name} t order by 1`);
      rows[name] = found.map(({ row }) => String(row));
    }
    return { catalog: await readCatalog({ url, leaveOut }), rows };
  } finally {
    await sql.end();
  }
}

type Contents = Awaited<ReturnType<typeof contentsOf>>;

/** Asserts that two databases hold the same. */
export function expectSameContents(found: Contents, expected: Contents): void {
  const { differences } = compareCatalogs(expected.catalog, found.catalog);
  expect(differences.map(describeDifference)).toEqual([]);
  expect(found.rows).toEqual(expected.rows);
}
