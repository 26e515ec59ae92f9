import { join } from "node:path";
import { type Config, parseUrl, readConfig } from "../../config.ts";
import {
  MigrateError,
  type MigratorOptions,
  optionProblems,
  settingsError,
} from "../../db/migrate/index.ts";
import { chooseDatabase, type DatabaseChoice } from "./database-choice.ts";
import type { OutputFlags } from "./output.ts";
import { type ProjectConfig, type ProjectFlags, readProject } from "./project-config.ts";

/** Options that every command has, as the argument parser gives them: times are seconds, as typed. */
export interface CommonFlags extends OutputFlags, ProjectFlags {
  readonly url?: string;
  /** Without a URL there is nothing to do, and that is no error. */
  readonly ifUrl?: boolean;
  readonly ledgerSchema?: string;
  readonly connectTimeout?: string;
  readonly waitTimeout?: string;
  readonly timeout?: string;
  readonly lockTimeout?: string;
  readonly lockTries?: string;
  readonly lockBudget?: string;
  readonly stepTimeout?: string;
  readonly deadline?: string;
  readonly recordRowValues?: boolean;
  readonly embedded?: boolean;
}

/** Where the database is. */
export type Target =
  /** The source is the option, variable or file that names it. */
  | { readonly kind: "url"; readonly url: string; readonly source: string }
  /** This folder's development server, which is started or joined. */
  | { readonly kind: "embedded"; readonly dir: string }
  /** Nothing names one, and `--if-url` is given. */
  | { readonly kind: "none" };

export interface Settings {
  readonly target: Target;
  readonly migrator: Omit<MigratorOptions, "url"> & { readonly dir: string };
  readonly project: ProjectConfig;
  /** What a person should know of, each a sentence. */
  readonly warnings: readonly string[];
}

/**
 * Which database, which folder: options first, then the environment and the drizzle configuration.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export async function resolveSettings(flags: CommonFlags): Promise<Settings> {
  // With --url, the environment's URLs do not matter, not even their mistakes.
  const { DATABASE_URL: _app, MIGRATION_DATABASE_URL: _direct, ...rest } = process.env;
  const isEmpty = flags.url?.trim() === "";
  const given = flags.url !== undefined && !(isEmpty && flags.ifUrl);
  const { config, problems: found } = readConfig(given ? rest : process.env);
  const problems = [...found];
  // Most likely an unset variable: never use another database instead.
  if (isEmpty && !flags.ifUrl) problems.push("--url is empty: set the variable that it comes from");
  const option = given ? parseUrl({ "--url": flags.url }, "--url", problems) : undefined;
  const hasUrlProblem = problems.length > 0;
  const patience = parsePatience(flags, problems);

  // Their own errors say more, if nothing else is wrong.
  const errors: MigrateError[] = [];
  const isNamed = given || config.migrationDatabaseUrl !== undefined;
  const project = await readProject(flags, isNamed ? "folder" : "database").catch(
    (error: unknown) => {
      if (!(error instanceof MigrateError)) throw error;
      errors.push(error);
      return undefined;
    },
  );
  const choice = isEmpty
    ? { found: undefined, reasons: ["--url is empty"], problems: [], warnings: [] }
    : chooseDatabase({
        option,
        migration: config.migrationDatabaseUrl,
        application: config.databaseUrl,
        project,
        isVariablesTaken: !flags.embedded || config.production,
        env: process.env,
      });
  problems.push(...choice.problems);
  const target = targetOf(flags, config, choice);
  if (target instanceof MigrateError && !hasUrlProblem && choice.problems.length === 0)
    errors.push(target);
  const migrator = {
    ...(project !== undefined && migratorSettings(project)),
    ...(flags.ledgerSchema !== undefined && { ledgerSchema: flags.ledgerSchema }),
    ...patience,
    ...(flags.recordRowValues && { recordRowValues: true }),
    ...(config.appVersion !== undefined && { appVersion: config.appVersion }),
  };
  problems.push(...optionProblems(migrator));

  const [error] = errors;
  if (error !== undefined && errors.length === 1 && problems.length === 0) throw error;
  problems.push(...errors.map(({ fact }) => fact));
  if (project === undefined || target instanceof MigrateError || problems.length > 0)
    throw settingsError(problems);
  const warnings = [...project.warnings, ...choice.warnings];
  return { target, migrator: { ...migrator, dir: project.dir }, project, warnings };
}

/** What the files set; `migrations` of drizzle-kit comes after a table of our own key. */
function migratorSettings({ dir, drizzle, settings }: ProjectConfig) {
  const { scratchUrl: _scratch, ignore: _ignore, ...ours } = settings;
  return { dir, drizzleTable: drizzle.drizzleTable, ...ours };
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
    stepTimeoutMs: seconds("--step-timeout", flags.stepTimeout),
    deadlineMs: seconds("--deadline", flags.deadline),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function targetOf(
  flags: CommonFlags,
  { production }: Config,
  { found, reasons }: DatabaseChoice,
): Target | MigrateError {
  if (found !== undefined) return { kind: "url", ...found };
  if (flags.embedded && !production) {
    return { kind: "embedded", dir: join(process.cwd(), ".tidemark") };
  }
  if (flags.ifUrl) return { kind: "none" };
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  return new MigrateError({
    code: "config",
    fact: flags.embedded
      ? `No database URL is set${why}, and with NODE_ENV=production no embedded server is started.`
      : `No database URL is set${why || " (--url, MIGRATION_DATABASE_URL, DATABASE_URL, dbCredentials of the drizzle configuration, PGHOST)"}.`,
    outcome: "nothing-run",
    remedy:
      "Set DATABASE_URL (or MIGRATION_DATABASE_URL), or give --url postgres://user:password@host:5432/database; " +
      "--embedded uses this folder's own development server.",
  });
}
