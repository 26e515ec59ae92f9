import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import createKnex from "knex";

const [, , connection, folder] = process.argv;
const knex = createKnex({ client: "pg", connection, pool: { min: 0, max: 1 } });
await knex.migrate.latest({
  migrationSource: {
    getMigrations: async () =>
      (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort(),
    getMigrationName: (name) => name,
    getMigration: (name) => ({
      up: async (transaction) => transaction.raw(await readFile(join(folder, name), "utf8")),
      down: async () => undefined,
    }),
  },
});
await knex.destroy();
