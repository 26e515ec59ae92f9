import { readFileSync, statSync } from "node:fs";
import { parseEnv } from "node:util";
import { withoutBom } from "./db/base/files.ts";
import { errorCode, messageOf } from "./db/base/problem.ts";
import { settingsError, urlProblem } from "./db/migrate/index.ts";

const DOT_ENV = ".env";

/**
 * Reads `.env` of the working folder if it is there. The environment wins.
 *
 * @throws MigrateError `config` where it cannot be read
 */
export function loadDotEnv(): void {
  for (const [name, value] of Object.entries(parseEnv(readDotEnv()))) {
    if (value !== undefined) process.env[name] ??= value;
  }
}

function readDotEnv(): string {
  try {
    // A pipe would be read for ever. Docker makes a folder of a mount whose file is not there.
    const kind = statSync(DOT_ENV);
    if (kind.isFile()) return withoutBom(readFileSync(DOT_ENV, "utf8"));
    throw settingsError([
      `${DOT_ENV} is ${kind.isDirectory() ? "a folder" : "a pipe or a device"}, not a file`,
    ]);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    if (errorCode(error) === undefined || errorCode(error) === "config") throw error;
    throw settingsError([`${DOT_ENV} cannot be read: ${messageOf(error)}`]);
  }
}

/** The configuration from the environment. */
export type Config = Readonly<ReturnType<typeof readConfig>["config"]>;

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration from environment variables. An empty variable counts as
 * not set.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export function parseConfig(env: Environment): Config {
  const { config, problems } = readConfig(env);
  if (problems.length > 0) throw settingsError(problems);
  return config;
}

/** The same, adding to a list of problems. */
export function readConfig(env: Environment) {
  const problems: string[] = [];
  const config = {
    /** The application's database. */
    databaseUrl: parseUrl(env, "DATABASE_URL", problems),
    /** A direct connection as the owner, if the application's goes through a pooler. */
    migrationDatabaseUrl: parseUrl(env, "MIGRATION_DATABASE_URL", problems),
    /** `NODE_ENV` is `production`: no embedded server is started there. */
    production: env.NODE_ENV === "production",
    /** Stands in each event of the migration log. */
    appVersion: env.APP_VERSION || undefined,
  };
  return { config, problems };
}

/**
 * The configured server for tests. Never the application's: you must
 * have said that tests may create databases there.
 *
 * @throws MigrateError `config`
 */
export function testDatabaseUrl(env: Environment = process.env): string | undefined {
  const problems: string[] = [];
  const url = parseUrl(env, "TEST_DATABASE_URL", problems);
  if (problems.length > 0) throw settingsError(problems);
  return url;
}

/** A PostgreSQL URL; undefined if empty, or if it is not one, which is added to the problems. */
export function parseUrl(env: Environment, name: string, problems: string[]): string | undefined {
  const value = env[name]?.trim();
  if (!value) return undefined;
  const problem = urlProblem(value);
  if (problem === undefined) return value;
  // The value is not shown: it holds a password.
  problems.push(`${name} ${problem}`);
  return undefined;
}
