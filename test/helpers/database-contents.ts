import { execFile } from "node:child_process";
import { promisify } from "node:util";
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
      where c.relkind in ('r', 'm') and c.relispopulated and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and n.nspname <> all (${leaveOut as string[]})
      order by 1`;
    const rows: Record<string, readonly string[]> = {};
    for (const { name } of tables) {
      const found = await sql.unsafe(`select t::text as row from ${name} t order by 1`);
      rows[name] = found.map(({ row }) => String(row));
    }
    return {
      catalog: await readCatalog({ url, leaveOut }),
      rows,
      dump: await dumpOf(url, leaveOut),
    };
  } finally {
    await sql.end();
  }
}

/** What `pg_dump` says, where `PG_DUMP` names one of the server's version. */
async function dumpOf(url: string, leaveOut: readonly string[]): Promise<string | undefined> {
  const { PG_DUMP: program } = process.env;
  if (program === undefined) return undefined;
  const excluded = leaveOut.map((schema) => `--exclude-schema=${schema}`);
  const { stdout } = await promisify(execFile)(program, ["--inserts", ...excluded, url], {
    maxBuffer: 64 * 1024 * 1024,
  });
  // A key of each dump's own.
  return stdout.replaceAll(/^\\(un)?restrict .*$/gm, "");
}

type Contents = Awaited<ReturnType<typeof contentsOf>>;

/** Asserts that two databases hold the same. */
export function expectSameContents(found: Contents, expected: Contents): void {
  const { differences } = compareCatalogs(expected.catalog, found.catalog);
  expect(differences.map(describeDifference)).toEqual([]);
  expect(found.rows).toEqual(expected.rows);
  expect(found.dump).toBe(expected.dump);
}
