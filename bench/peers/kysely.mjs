import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Kysely, Migrator, PostgresDialect, sql } from "kysely";
import pg from "pg";

const [, , connectionString, folder] = process.argv;
const db = new Kysely({
  dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString, max: 1 }) }),
});
const provider = {
  getMigrations: async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
    const up = (name) => async (transaction) =>
      sql.raw(await readFile(join(folder, name), "utf8")).execute(transaction);
    return Object.fromEntries(names.map((name) => [name, { up: up(name) }]));
  },
};
const { error } = await new Migrator({ db, provider }).migrateToLatest();
if (error !== undefined) throw error;
await db.destroy();
