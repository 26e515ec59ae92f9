import { sql } from "drizzle-orm";
import { drizzle as nodePostgres } from "drizzle-orm/node-postgres";
import { migrate as drizzleNodePostgres } from "drizzle-orm/node-postgres/migrator";
import { drizzle as pgProxy } from "drizzle-orm/pg-proxy";
import { drizzle as postgresJs } from "drizzle-orm/postgres-js";
import { migrate as drizzlePostgresJs } from "drizzle-orm/postgres-js/migrator";
import pg from "pg";
import postgres from "postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrate } from "../../src/db/drizzle/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_credits": "create table credits (amount integer);",
  "0001_first": "insert into credits values (100);",
});
const config = () => ({ migrationsFolder: folder.dir });

/** The parts of the test database's URL, as drivers take them one by one. */
function parts() {
  const { hostname, port, username, password } = new URL(database.url);
  return { host: hostname, port: Number(port), user: username, password, database: database.name };
}

function pool(settings: pg.PoolConfig): pg.Pool {
  const made = new pg.Pool(settings);
  // The test's database is dropped before it ends.
  made.on("error", () => undefined);
  onTestFinished(async () => {
    await made.end();
  });
  return made;
}

const HANDLES = {
  "postgres.js by a URL": () => {
    const client = postgres(database.url, { max: 1, onnotice: () => undefined });
    return { db: postgresJs(client), end: () => client.end() };
  },
  "postgres.js by its parts, with a password that is asked for": () => {
    const { user, password, ...place } = parts();
    const client = postgres({ ...place, username: user, password: async () => password, max: 1 });
    return { db: postgresJs(client), end: () => client.end() };
  },
  "a URL that drizzle made its own client of": () => {
    const db = postgresJs(database.url);
    return { db, end: () => db.$client.end() };
  },
  "a pool of pg by a URL": () => {
    const made = pool({ connectionString: database.url });
    return { db: nodePostgres(made), end: async () => undefined };
  },
  "a pool of pg by its parts, with a password that is asked for": () => {
    const { password, ...rest } = parts();
    const made = pool({ ...rest, password: async () => password });
    return { db: nodePostgres({ client: made }), end: async () => undefined };
  },
  "a client of pg": () => {
    const client = new pg.Client({ connectionString: database.url });
    return { db: nodePostgres(client), end: async () => undefined };
  },
} as const;

describe("migrate(db, config), called as drizzle's own,", () => {
  test.each(Object.entries(HANDLES))("takes the connection of %s", async (_name, open) => {
    const { db, end } = open();
    try {
      expect(await migrate(db, config())).toMatchObject({ applied: { length: 2 } });
      expect(await database.sql`select amount from credits`).toEqual([{ amount: 100 }]);
    } finally {
      await end();
    }
  });

  test("takes over what drizzle's has applied, in the table of the same names", async () => {
    const client = postgres(database.url, { max: 1, onnotice: () => undefined });
    const db = postgresJs(client);
    const named = { ...config(), migrationsTable: "applied", migrationsSchema: "mine" };
    await drizzlePostgresJs(db, named);
    expect(await migrate(db, named)).toMatchObject({
      ...{ outcome: "current", takenOver: { table: "mine.applied", adopted: { length: 2 } } },
    });
    await folder.write("0002_second", "insert into credits values (20);");
    await folder.list(["0000_credits", "0001_first", "0002_second"]);
    await migrate(db, named);
    await drizzlePostgresJs(db, named);
    expect(await database.sql`select sum(amount)::int as sum from credits`).toEqual([{ sum: 120 }]);
    // The handle is the caller's, and goes on.
    expect(await db.execute(sql`select 1 as one`)).toMatchObject([{ one: 1 }]);
    await client.end();
  });

  test("keeps the search path that the handle's sessions have", async () => {
    await database.sql`create schema app`;
    const url = `${database.url}?options=-c%20search_path%3Dapp`;
    const made = pool({ connectionString: url });
    await migrate(nodePostgres(made), config());
    expect(await database.sql`select amount from app.credits`).toEqual([{ amount: 100 }]);
    await folder.make({ "0002_more": "create table more (id integer);" });
    const client = postgres(database.url, { max: 1, connection: { search_path: "app" } });
    await expect(migrate(postgresJs(client), config())).rejects.toMatchObject({
      code: "missing_file",
    });
    await client.end();
    await drizzleNodePostgres(nodePostgres(made), config());
  });

  test("names the line to write where a handle does not tell where it is connected to", async () => {
    const db = pgProxy(async () => ({ rows: [] }));
    await expect(migrate(db, config())).rejects.toMatchObject({
      code: "config",
      fact: expect.stringMatching(/^This drizzle handle \(PgRemoteDatabase.*\) does not tell/),
      remedy: expect.stringContaining("new DatabaseMigrator({ url: process.env.DATABASE_URL"),
    });
    await expect(migrate({}, config())).rejects.toMatchObject({ code: "config" });
  });
});
