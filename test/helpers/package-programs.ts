/** Programs of the package's users. Each migrates the database of `DATABASE_URL` and prints `applied`. */

const WORK = `
const history = [{ tag: "0000_notes", sql: "create table notes (id integer)" }];
const migrator = new DatabaseMigrator({ url: process.env.DATABASE_URL, history });
async function main() {
  if (typeof migrate !== "function" || typeof createTestDatabase !== "function") throw new Error("no functions");
  const { outcome } = await migrator.migrate();
  console.log(outcome);
}
`;
/** Prints an error as its users would. */
const REPORT = `(error) => {
  console.log(error instanceof MigrateError, error.code, error.message);
  process.exit(1);
}`;

export const ESM_PROGRAM = `
import { DatabaseMigrator, MigrateError } from "tidemark";
import { migrate } from "tidemark/drizzle";
import { createTestDatabase } from "tidemark/testing";
${WORK}
main().catch(${REPORT});
`;

export const CJS_PROGRAM = `
const { DatabaseMigrator, MigrateError } = require("tidemark");
const { migrate } = require("tidemark/drizzle");
const { createTestDatabase } = require("tidemark/testing");
${WORK}
main().catch(${REPORT});
`;

/** To be compiled only. */
export const TYPED_PROGRAM = `
import { DatabaseMigrator, MigrateError, type MigrateReport, type TidemarkSettings } from "tidemark";
import { migrate } from "tidemark/drizzle";
import { createTestDatabase } from "tidemark/testing";
export const report: Promise<MigrateReport> = new DatabaseMigrator({ url: "", dir: "drizzle" }).migrate();
export const database: Promise<{ readonly url: string }> = createTestDatabase();
export const replaced = migrate({}, { migrationsFolder: "drizzle" });
export const settings: TidemarkSettings = { lockTimeoutMs: 1 };
report.catch((error: unknown) => {
  if (error instanceof MigrateError) process.exit(error.exitCode satisfies number);
});
// @ts-expect-error there is no such option: the types are those of the package, and not any
new DatabaseMigrator({ url: "", folder: "drizzle" });
`;
