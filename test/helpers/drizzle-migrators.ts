import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";

/** drizzle's own migrators, of 0.x and of 1.x. */
export type DrizzleVersion = "0.x" | "1.x";

export interface DrizzleRun {
  readonly url: string;
  readonly dir: string;
  readonly table?: { readonly schema: string; readonly table: string };
}

/** Applies a folder with drizzle's own migrator. */
export async function migrateWithDrizzle(version: DrizzleVersion, run: DrizzleRun): Promise<void> {
  const client = postgres(run.url, { max: 1, onnotice: () => undefined });
  const config = {
    migrationsFolder: run.dir,
    ...(run.table && { migrationsSchema: run.table.schema, migrationsTable: run.table.table }),
  };
  try {
    if (version === "0.x") await migrate(drizzle(client), config);
    else await migrateWith1x(client, config);
  } finally {
    await client.end();
  }
}

async function migrateWith1x(client: postgres.Sql, config: { migrationsFolder: string }) {
  const installed = createRequire(new URL("../drizzle-1/package.json", import.meta.url));
  const load = (path: string) => import(pathToFileURL(installed.resolve(path)).href);
  const orm = (await load("drizzle-orm/postgres-js")) as {
    drizzle: (options: { client: postgres.Sql }) => object;
  };
  const migrator = (await load("drizzle-orm/postgres-js/migrator")) as {
    migrate: (db: object, config: object) => Promise<unknown>;
  };
  await migrator.migrate(orm.drizzle({ client }), config);
}
