import { resolve } from "node:path";
import { runCommand } from "./app/command.ts";
import { type AppConfig, parseAppConfig } from "./app/config.ts";
import { createLog } from "./app/log.ts";
import { type DatabaseAddress, migratorOptions, runApp } from "./app/start.ts";
import { watchSignals } from "./cli/support/signals.ts";
import { loadDotEnv } from "./config.ts";
import { throwAfter } from "./db/base/problem.ts";
import { MigrateError } from "./db/migrate/index.ts";

/** Of the migrator's options in `app/start.ts`: the default. */
const LEDGER_SCHEMA = "tidemark";

/**
 * The application: config, listen, migrate, ready. Ends with the exit code of what stopped it. With
 * arguments it is one of its commands instead (`tidemark-app projections status`).
 */
async function main(args: readonly string[]): Promise<number> {
  try {
    loadDotEnv();
    const config = parseAppConfig(process.env);
    return args.length === 0 ? await serve(config) : await command(config, args);
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

async function serve(config: AppConfig): Promise<number> {
  const { signal, exitCode: signaled } = watchSignals();
  const log = await createLog(config, { pretty: process.stdout.isTTY === true });
  const openDatabase = () => databaseOf(config, (line) => log.info(line));
  const exitCode = await runApp({ config, log, signal, openDatabase });
  // Stopping while it serves is its normal end.
  return exitCode === 0 ? 0 : (signaled() ?? exitCode);
}

function command(config: AppConfig, args: readonly string[]): Promise<number> {
  const { signal } = watchSignals();
  return runCommand({
    args,
    signal,
    openDatabase: () => databaseOf(config, (line) => console.error(line)),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    work: {
      migratorOf: (url) => migratorOptions(config, url),
      shutdownMs: config.shutdownMs,
      openLog: () => createLog(config, { pretty: process.stdout.isTTY === true }),
    },
  });
}

/**
 * The configured database, or an embedded server, started if it is not up, where the application has a role of its
 * own that may change no table, as `tidemark init` makes it elsewhere.
 */
async function databaseOf(
  { databaseUrl, migrationDatabaseUrl }: AppConfig,
  onProgress: (line: string) => void,
): Promise<DatabaseAddress> {
  if (databaseUrl !== undefined) {
    const release = async () => undefined;
    return { url: databaseUrl, migrationUrl: migrationDatabaseUrl ?? databaseUrl, release };
  }
  const { acquireEmbeddedServer } = await import("./db/embedded/index.ts");
  const server = await acquireEmbeddedServer({ dir: resolve(".tidemark"), onProgress });
  const release = () => server.release();
  try {
    const { initDatabase, ownServerSetup } = await import("./db/init/index.ts");
    const setup = ownServerSetup(server.url, LEDGER_SCHEMA);
    await initDatabase(setup);
    return { url: setup.appUrl, migrationUrl: server.url, release };
  } catch (error) {
    return throwAfter(error, release);
  }
}

process.exitCode = await main(process.argv.slice(2));
