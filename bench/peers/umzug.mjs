// As its documentation shows for SQL files: a storage of the user's own, a transaction for each file.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { Umzug } from "umzug";

const [, , connectionString, folder] = process.argv;
const client = new pg.Client({ connectionString });
await client.connect();
await client.query("create table if not exists umzug (name text primary key)");
const umzug = new Umzug({
  context: client,
  logger: undefined,
  migrations: {
    glob: ["*.sql", { cwd: folder }],
    resolve: ({ name, path }) => ({
      name,
      up: async () => {
        const sql = await readFile(path ?? join(folder, name), "utf8");
        await client.query(`begin;\n${sql};\ncommit`);
      },
    }),
  },
  storage: {
    logMigration: ({ name }) => client.query("insert into umzug values ($1)", [name]),
    unlogMigration: ({ name }) => client.query("delete from umzug where name = $1", [name]),
    executed: async () =>
      (await client.query("select name from umzug order by name")).rows.map(({ name }) => name),
  },
});
await umzug.up();
await client.end();
