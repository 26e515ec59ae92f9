import {
  DatabaseMigrator,
  type MigrateOptions,
  type MigrateReport,
} from "../../src/db/migrate/index.ts";

/** A migrator for tests that fill their database first: it starts there all the same. */
export class FilledDatabaseMigrator extends DatabaseMigrator {
  override migrate(options: MigrateOptions = {}): Promise<MigrateReport> {
    return super.migrate({ allowExisting: true, ...options });
  }
}
