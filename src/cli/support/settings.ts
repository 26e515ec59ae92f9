import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { type Config, parseConfig } from "../../config.ts";
import { MigrateError, type MigratorOptions } from "../../db/migrate/index.ts";
import { findDrizzleConfig, readOut } from "./drizzle-config.ts";

/** Options that every command has, as the argument parser gives them. */
export interface CommonFlags {
  readonly url?: string;
  readonly dir?: string;
  readonly config?: string;
  readonly ledgerSchema?: string;
  readonly connectTimeout?: number;
  readonly embedded?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** False with `--no-color`. */
  readonly color: boolean;
}

/** Where the database is. */
export type Target =
  | { readonly kind: "url"; readonly url: string }
  /** The development server of this folder, to be started or joined. */
  | { readonly kind: "embedded"; readonly dir: string };

export interface Settings {
  readonly target: Target;
  readonly migrator: Omit<MigratorOptions, "url">;
}

/** Reads `.env` where there is one. What is set in the environment wins. */
export function loadDotEnv(): void {
  if (existsSync(".env")) process.loadEnvFile(".env");
}

/**
 * Which database, which folder: options first, then the environment, then the
 * drizzle configuration.
 *
 * @throws MigrateError `config`
 */
export async function resolveSettings(flags: CommonFlags): Promise<Settings> {
  // A URL that is given makes those of the environment irrelevant, mistakes and all.
  const { DATABASE_URL: _app, MIGRATION_DATABASE_URL: _direct, ...rest } = process.env;
  const config = parseConfig(flags.url === undefined ? process.env : rest);
  const url = flags.url ?? config.migrationDatabaseUrl ?? config.databaseUrl;
  return {
    target: url === undefined ? embeddedTarget(flags, config) : { kind: "url", url },
    migrator: {
      dir: await resolveDir(flags),
      ...(flags.ledgerSchema !== undefined && { ledgerSchema: flags.ledgerSchema }),
      ...(flags.connectTimeout !== undefined && {
        connectTimeoutMs: flags.connectTimeout * 1000,
      }),
      ...(config.appVersion !== undefined && { appVersion: config.appVersion }),
    },
  };
}

/** The migrations folder, relative to here where that is shorter. */
export async function resolveDir(flags: Pick<CommonFlags, "dir" | "config">): Promise<string> {
  if (flags.dir !== undefined) return flags.dir;
  const cwd = process.cwd();
  const file = flags.config === undefined ? findDrizzleConfig(cwd) : resolve(flags.config);
  const out = file === undefined ? undefined : await readOut(file);
  return relative(cwd, resolve(out ?? "drizzle")) || ".";
}

function embeddedTarget(flags: CommonFlags, { production }: Config): Target {
  if (flags.embedded && !production) {
    return { kind: "embedded", dir: join(process.cwd(), ".tidemark") };
  }
  throw new MigrateError({
    code: "config",
    fact: flags.embedded
      ? "No database URL is set, and no embedded server is started where NODE_ENV is production."
      : "No database URL is set.",
    remedy:
      "Nothing was run. Set DATABASE_URL (or MIGRATION_DATABASE_URL), or give --url postgres://user:password@host:5432/database; " +
      "--embedded uses a development server of this folder's own.",
  });
}
