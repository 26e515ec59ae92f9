import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { type Config, parseUrl, readConfig } from "../../config.ts";
import {
  MigrateError,
  type MigratorOptions,
  optionProblems,
  settingsError,
} from "../../db/migrate/index.ts";
import { type DrizzleConfig, findDrizzleConfig, readDrizzleConfig } from "./drizzle-config.ts";
import type { OutputFlags } from "./output.ts";

/** Options that every command has, as the argument parser gives them: times are seconds, as typed. */
export interface CommonFlags extends OutputFlags {
  readonly url?: string;
  readonly dir?: string;
  readonly config?: string;
  readonly ledgerSchema?: string;
  readonly connectTimeout?: string;
  readonly waitTimeout?: string;
  readonly timeout?: string;
  readonly lockTimeout?: string;
  readonly lockTries?: string;
  readonly lockBudget?: string;
  readonly deadline?: string;
  readonly recordRowValues?: boolean;
  readonly embedded?: boolean;
}

/** Where the database is. */
export type Target =
  | { readonly kind: "url"; readonly url: string }
  /** This folder's development server, which is started or joined. */
  | { readonly kind: "embedded"; readonly dir: string };

export interface Settings {
  readonly target: Target;
  readonly migrator: Omit<MigratorOptions, "url"> & { readonly dir: string };
}

/** Reads `.env` if it exists. The environment wins. */
export function loadDotEnv(): void {
  if (existsSync(".env")) process.loadEnvFile(".env");
}

/**
 * Which database, which folder: options first, then the environment, then the
 * drizzle configuration.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export async function resolveSettings(flags: CommonFlags): Promise<Settings> {
  // With --url, the environment's URLs do not matter, not even their mistakes.
  const { DATABASE_URL: _app, MIGRATION_DATABASE_URL: _direct, ...rest } = process.env;
  const given = flags.url !== undefined;
  const { config, problems: found } = readConfig(given ? rest : process.env);
  const problems = [...found];
  // Most likely an unset variable: never use another database instead.
  if (flags.url?.trim() === "")
    problems.push("--url is empty: set the variable that it comes from");
  const url = given
    ? parseUrl({ "--url": flags.url }, "--url", problems)
    : (config.migrationDatabaseUrl ?? config.databaseUrl);
  const hasUrlProblem = problems.length > 0;
  const patience = parsePatience(flags, problems);

  // Their own errors say more, if nothing else is wrong.
  const errors: MigrateError[] = [];
  const folder = await resolveFolder(flags).catch((error: unknown) => {
    if (!(error instanceof MigrateError)) throw error;
    errors.push(error);
    return undefined;
  });
  const target =
    url === undefined ? embeddedTarget(flags, config) : ({ kind: "url", url } as const);
  if (target instanceof MigrateError && !hasUrlProblem) errors.push(target);
  const migrator = {
    ...folder,
    ...(flags.ledgerSchema !== undefined && { ledgerSchema: flags.ledgerSchema }),
    ...patience,
    ...(flags.recordRowValues && { recordRowValues: true }),
    ...(config.appVersion !== undefined && { appVersion: config.appVersion }),
  };
  problems.push(...optionProblems(migrator));

  const [error] = errors;
  if (error !== undefined && errors.length === 1 && problems.length === 0) throw error;
  problems.push(...errors.map(({ fact }) => fact));
  if (folder === undefined || target instanceof MigrateError || problems.length > 0)
    throw settingsError(problems);
  return { target, migrator: { ...migrator, dir: folder.dir } };
}

const SECONDS = {
  unit: 1000,
  expected: "a number of seconds from 0",
  isValid: (value: number) => Number.isFinite(value) && value >= 0,
};
const COUNT: typeof SECONDS = {
  unit: 1,
  expected: "a whole number from 1",
  isValid: (value) => Number.isSafeInteger(value) && value >= 1,
};

/** The time-outs, and how often to try. What is no such number is added to the problems. */
function parsePatience(flags: CommonFlags, problems: string[]): Partial<MigratorOptions> {
  const number = (name: string, text: string | undefined, kind: typeof SECONDS) => {
    if (text === undefined) return undefined;
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (kind.isValid(value)) return value * kind.unit;
    problems.push(`${name} is ${JSON.stringify(text)}, where ${kind.expected} is expected`);
    return undefined;
  };
  const seconds = (name: string, text: string | undefined) => number(name, text, SECONDS);
  const found = {
    connectTimeoutMs: seconds("--connect-timeout", flags.connectTimeout),
    waitTimeoutMs:
      seconds("--wait-timeout", flags.waitTimeout) ?? seconds("--timeout", flags.timeout),
    lockTimeoutMs: seconds("--lock-timeout", flags.lockTimeout),
    lockTries: number("--lock-tries", flags.lockTries, COUNT),
    lockBudgetMs: seconds("--lock-budget", flags.lockBudget),
    deadlineMs: seconds("--deadline", flags.deadline),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/** The migrations folder, relative to the working folder if that is shorter. */
export async function resolveDir(flags: Pick<CommonFlags, "dir" | "config">): Promise<string> {
  return (await resolveFolder(flags)).dir;
}

/** The migrations folder, and where drizzle's own table is. */
async function resolveFolder(
  flags: Pick<CommonFlags, "dir" | "config">,
): Promise<Pick<DrizzleConfig, "drizzleTable"> & { readonly dir: string }> {
  if (flags.dir !== undefined && flags.config === undefined) {
    return { dir: flags.dir, drizzleTable: {} };
  }
  const cwd = process.cwd();
  const file = flags.config === undefined ? findDrizzleConfig(cwd) : resolve(flags.config);
  const { out, drizzleTable } =
    file === undefined ? { drizzleTable: {} } : await readDrizzleConfig(file);
  return { dir: flags.dir ?? (relative(cwd, resolve(out ?? "drizzle")) || "."), drizzleTable };
}

function embeddedTarget(flags: CommonFlags, { production }: Config): Target | MigrateError {
  if (flags.embedded && !production) {
    return { kind: "embedded", dir: join(process.cwd(), ".tidemark") };
  }
  return new MigrateError({
    code: "config",
    fact: flags.embedded
      ? "No database URL is set, and with NODE_ENV=production no embedded server is started."
      : "No database URL is set (--url, MIGRATION_DATABASE_URL or DATABASE_URL).",
    outcome: "nothing-run",
    remedy:
      "Set DATABASE_URL (or MIGRATION_DATABASE_URL), or give --url postgres://user:password@host:5432/database; " +
      "--embedded uses this folder's own development server.",
  });
}
