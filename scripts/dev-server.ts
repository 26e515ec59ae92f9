import { join } from "node:path";
import { loadDotEnv, parseConfig } from "../src/config.ts";
import { messageOf } from "../src/db/base/problem.ts";
import { EMBEDDED_TEST_SERVER } from "../src/db/testing/find-server.ts";

/** The checkout. */
export const PROJECT = join(import.meta.dirname, "..");

/** Where the development server keeps its data: ignored by git, kept between runs. */
export const DEV_DIR = join(PROJECT, ".tidemark");

/** Where the server for tests keeps its own. */
export const TEST_DIR = join(PROJECT, EMBEDDED_TEST_SERVER.dir);

/** The configured database; undefined for the embedded server. */
export function configuredUrl(): string | undefined {
  loadDotEnv();
  const config = parseConfig(process.env);
  return config.migrationDatabaseUrl ?? config.databaseUrl;
}

/** Runs a script; errors are printed as sentences, not stacks. */
export async function script(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}
