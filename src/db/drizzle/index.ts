import { DatabaseMigrator, type MigrateReport, type MigratorOptions } from "../migrate/index.ts";
import { urlOfHandle } from "./handle-url.ts";

export { MigrateError, type MigrateReport } from "../migrate/index.ts";

/** As drizzle's own `MigrationConfig`, with whatever else a `DatabaseMigrator` takes. */
export interface MigrationConfig
  extends Omit<
    MigratorOptions,
    "url" | "dir" | "history" | "before" | "repeatables" | "drizzleTable"
  > {
  /** drizzle-kit's output folder. */
  readonly migrationsFolder: string;
  /** Name of drizzle's own table, which is taken over. Default `__drizzle_migrations`. */
  readonly migrationsTable?: string;
  /** Its schema. Default `drizzle`. */
  readonly migrationsSchema?: string;
}

/**
 * Called as the `migrate` of `drizzle-orm/postgres-js/migrator` and `drizzle-orm/node-postgres/migrator`:
 * applies what is pending, locked and recorded, and takes over what drizzle's migrator has applied. Connects
 * by itself, with the settings of the handle, which is left as it is.
 *
 * @param db a drizzle database over postgres.js, or `pg`'s Pool or Client
 * @throws MigrateError also `config`, for a handle that does not tell where it is connected to
 */
export async function migrate(db: object, config: MigrationConfig): Promise<MigrateReport> {
  const { migrationsFolder, migrationsTable, migrationsSchema, ...options } = config;
  const url = await urlOfHandle(db);
  const drizzleTable = {
    ...(migrationsTable !== undefined && { table: migrationsTable }),
    ...(migrationsSchema !== undefined && { schema: migrationsSchema }),
  };
  return new DatabaseMigrator({ ...options, url, dir: migrationsFolder, drizzleTable }).migrate();
}
