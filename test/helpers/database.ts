import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { beforeEach, inject } from "vitest";
import { type Admin, withAdmin } from "../../src/db/server/admin.ts";
import { dropDatabase, createDatabase as makeDatabase } from "../../src/db/server/databases.ts";
import { createTestDatabase } from "../../src/db/testing/index.ts";
import { expectFoldToMatch } from "./ledger.ts";

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** A pool on the database, closed by `drop`. */
  readonly sql: postgres.Sql;
  /** Asserts that the state table is the fold of the events, closes the pool, drops the database. */
  readonly drop: () => Promise<void>;
}

/** A database of the test's own: empty, or with the project's migrations applied. */
export async function createDatabase(
  options: { readonly template?: "empty" | "migrated" } = {},
): Promise<TestDatabase> {
  const { url, name, drop } =
    options.template === "migrated"
      ? await createTestDatabase({ url: inject("serverUrl") })
      : await createEmptyDatabase();
  const sql = postgres(url, { max: 4, onnotice: () => undefined });
  return {
    url,
    name,
    sql,
    drop: async () => {
      await expectEachFoldToMatch(sql, url);
      await sql.end({ timeout: 2 });
      await drop();
    },
  };
}

/** A database for each test of the file, dropped after it. To be called once, outside of tests. */
export function useDatabase(options?: Parameters<typeof createDatabase>[0]): TestDatabase {
  let current: TestDatabase | undefined;
  const now = () => {
    if (current === undefined) throw new Error("no test is running: it has no database");
    return current;
  };
  beforeEach(async () => {
    const made = await createDatabase(options);
    current = made;
    return () => made.drop();
  });
  return {
    get url() {
      return now().url;
    },
    get name() {
      return now().name;
    },
    get sql() {
      return now().sql;
    },
    drop: () => now().drop(),
  };
}

async function createEmptyDatabase() {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const server = { url: inject("serverUrl") };
  await withAdmin(server, (admin) => makeDatabase(admin, name));
  const drop = () => withAdmin(server, (admin) => dropDatabase(admin, name));
  return { url: urlOfDatabase(name), name, drop };
}

/** Whatever a test did: each ledger's state table is the fold of its events. */
async function expectEachFoldToMatch(sql: postgres.Sql, url: string): Promise<void> {
  const ledgers = await sql<{ schema: string }[]>`
    select n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relname = 'migration_events'`;
  for (const { schema } of ledgers) await expectFoldToMatch(url, schema);
}

/** URL of a database of the test server, as its superuser or as a role. */
export function urlOfDatabase(
  name: string,
  role?: { readonly user: string; readonly password: string },
): string {
  const url = new URL(inject("serverUrl"));
  url.pathname = `/${name}`;
  if (role !== undefined) {
    url.username = role.user;
    url.password = role.password;
  }
  return url.href;
}

/** Runs something as the server's superuser, outside the test's database. */
export function onServer<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
  return withAdmin({ url: inject("serverUrl") }, use);
}
