import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseAppConfig } from "./app/config.ts";
import { createLog } from "./app/log.ts";
import { type DatabaseAddress, runApp } from "./app/start.ts";
import { watchSignals } from "./cli/support/signals.ts";
import { MigrateError } from "./db/migrate/index.ts";

/** The application: config, listen, migrate, ready. Ends with the exit code of what stopped it. */
async function main(): Promise<number> {
  const { signal, exitCode: signaled } = watchSignals();
  try {
    if (existsSync(".env")) process.loadEnvFile(".env");
    const config = parseAppConfig(process.env);
    const log = await createLog(config, { pretty: process.stdout.isTTY === true });
    const openDatabase = async (): Promise<DatabaseAddress> => {
      const { databaseUrl, migrationDatabaseUrl } = config;
      if (databaseUrl !== undefined) {
        const release = async () => undefined;
        return { url: databaseUrl, migrationUrl: migrationDatabaseUrl ?? databaseUrl, release };
      }
      const { acquireEmbeddedServer } = await import("./db/embedded/index.ts");
      const server = await acquireEmbeddedServer({
        dir: resolve(".tidemark"),
        onProgress: (line) => log.info(line),
      });
      return { url: server.url, migrationUrl: server.url, release: () => server.release() };
    };
    const exitCode = await runApp({ config, log, signal, openDatabase });
    // Stopping while it serves is its normal end.
    return exitCode === 0 ? 0 : (signaled() ?? exitCode);
  } catch (error) {
    if (error instanceof MigrateError) {
      console.error(`error (${error.code}) ${error.message}`);
      return error.exitCode;
    }
    // Anything else is a defect.
    if (!(error instanceof Error && error.name === "EmbeddedServerError")) throw error;
    console.error(`error ${error.message}`);
    return 1;
  }
}

process.exitCode = await main();
