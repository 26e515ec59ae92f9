import { z } from "zod";
import { Problem } from "../db/base/problem.ts";
import { environmentUrl } from "../db/connection/pg-environment.ts";
import { MigrateError, urlProblem } from "../db/migrate/index.ts";
import { isLoopback } from "./hosts.ts";

const url = z.string().refine((text) => urlProblem(text) === undefined, {
  error: ({ input }) => urlProblem(String(input)),
});

const anySeconds = z.coerce
  .number("is not a number of seconds")
  .min(0, "is not a number of seconds from 0")
  .max(86_400, "is more than a day (86400)");

const flag = z
  .enum(["true", "false"], "is neither true nor false")
  .default("false")
  .transform((value) => value === "true");

const inMs = (value: number) => value * 1000;

/** Milliseconds of a number of seconds as text. */
const seconds = (fallback: number) => anySeconds.default(fallback).transform(inMs);

const port = z.coerce
  .number("is not a port")
  .int("is not a port")
  .min(0, "is not a port from 0 to 65535")
  .max(65_535, "is not a port from 0 to 65535");

const schema = z.object({
  DATABASE_URL: url.optional(),
  MIGRATION_DATABASE_URL: url.optional(),
  NODE_ENV: z.string().optional(),
  APP_VERSION: z.string().optional(),
  HOST: z.string().optional(),
  PORT: port.default(3000),
  MANAGEMENT_HOST: z.string().optional(),
  MANAGEMENT_PORT: port.optional(),
  MAX_CONNECTIONS: z.coerce
    .number("is not a number of connections")
    .int("is not a number of connections")
    .min(1, "is not a number of connections from 1")
    .default(1000),
  MIGRATE_ON_BOOT: z.enum(["run", "wait", "check"], "is not one of run, wait, check").optional(),
  MIGRATE_TIMEOUT_SECONDS: seconds(600),
  MIGRATE_DEADLINE_SECONDS: anySeconds.transform(inMs).optional(),
  MIGRATE_ALLOW_EXISTING: flag,
  MIGRATE_RECORD_ROW_VALUES: flag,
  CONNECT_TIMEOUT_SECONDS: seconds(30),
  SHUTDOWN_SECONDS: seconds(5),
  FAILURE_LINGER_SECONDS: seconds(2),
  APP_INSTANCE: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "is not 1 to 64 letters, digits, - and _")
    .default("demo"),
  API_TOKEN: z.string().min(16, "is shorter than 16 characters").optional(),
  LOG_LEVEL: z
    .enum(
      ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
      "is not one of fatal, error, warn, info, debug, trace, silent",
    )
    .default("info"),
});

const LOOPBACK = "127.0.0.1";
const MANAGEMENT_STEP = 10_000;

/** Names of the variables that the application reads. */
export const APP_VARIABLES: readonly string[] = schema.keyof().options;

/** What to do with pending migrations before the application is ready. */
export type MigrateOnBoot = "run" | "wait" | "check";

/** Where errors with their SQL, rows, users and hosts are shown. */
export interface ManagementAddress {
  readonly host: string;
  readonly port: number;
  /** Why the public port is not used: another was asked for, or details must not be public. */
  readonly because: "given" | "production" | "open-host";
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The application's configuration. */
export type AppConfig = Readonly<ReturnType<typeof configOf>>;

/**
 * Reads the application's configuration. Empty variables count as absent.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export function parseAppConfig(env: Environment): AppConfig {
  const given = Object.entries(env).filter(([, value]) => value?.trim());
  const result = schema.safeParse(Object.fromEntries(given));
  const problems = result.success
    ? []
    : result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
  const fallback = variablesUrl(env, problems);
  const found = result.data;
  if (found?.MANAGEMENT_PORT && found.MANAGEMENT_PORT === found.PORT) {
    problems.push("MANAGEMENT_PORT is the same as PORT: the details need a port of their own");
  }
  if (found === undefined || problems.length > 0) {
    throw new MigrateError({
      code: "config",
      fact: `The environment cannot be used:${problems.map((problem) => `\n  ${problem}`).join("")}`,
      outcome: "nothing-started",
      remedy: "Correct these variables (or the file .env) and start again.",
    });
  }
  return configOf(found, fallback);
}

/** In production `PG*` name the database where no URL does; in development the embedded server is used. */
function variablesUrl(
  { NODE_ENV, DATABASE_URL, MIGRATION_DATABASE_URL, ...env }: Environment,
  problems: string[],
): string | undefined {
  if (NODE_ENV !== "production" || DATABASE_URL || MIGRATION_DATABASE_URL) return undefined;
  try {
    const { url } = environmentUrl(env) ?? {};
    if (url === undefined) {
      problems.push("DATABASE_URL is not set, and in production no embedded server is started");
    }
    return url;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problems.push(error.fact);
    return undefined;
  }
}

function configOf(found: z.infer<typeof schema>, fallback: string | undefined) {
  const databaseUrl = found.DATABASE_URL ?? found.MIGRATION_DATABASE_URL ?? fallback;
  const mode = found.MIGRATE_ON_BOOT;
  return {
    /** Undefined: an embedded development server. */
    databaseUrl,
    /** For migrations: bypasses a pooler, if there is one. */
    migrationDatabaseUrl: found.MIGRATION_DATABASE_URL ?? found.DATABASE_URL ?? fallback,
    appVersion: found.APP_VERSION,
    ...addresses(found),
    /** Limit for public connections. */
    maxConnections: found.MAX_CONNECTIONS,
    migrateOnBoot: mode ?? (databaseUrl === undefined ? "wait" : "run"),
    /** The embedded server's owner migrates before the application waits, as a job does elsewhere. */
    ownerMigrates: mode === undefined && databaseUrl === undefined,
    /** Bound on waiting for other runners. */
    migrateTimeoutMs: found.MIGRATE_TIMEOUT_SECONDS,
    /** Bound on the whole run of migrations; undefined for none. */
    migrateDeadlineMs: found.MIGRATE_DEADLINE_SECONDS,
    /** Start migrations on a database that is not empty, though its ledger has none. */
    migrateAllowExisting: found.MIGRATE_ALLOW_EXISTING,
    /** Keep row values of violated constraints in errors and in the ledger. */
    migrateRecordRowValues: found.MIGRATE_RECORD_ROW_VALUES,
    /** Bound on waiting for a database that is not up yet. */
    connectTimeoutMs: found.CONNECT_TIMEOUT_SECONDS,
    /** Bound on requests that are still running when the process is told to stop. */
    shutdownMs: found.SHUTDOWN_SECONDS,
    /** How long a failure is shown at `/readyz` before the process ends. */
    failureLingerMs: found.FAILURE_LINGER_SECONDS,
    /** The instance of requests that name none. */
    instance: found.APP_INSTANCE,
    /** Opens users and organisations to the public port; undefined: they are only where the details are. */
    apiToken: found.API_TOKEN,
    /** Check events against their schemas when they are read, too: in development. */
    checkReads: found.NODE_ENV !== "production",
    logLevel: found.LOG_LEVEL,
  };
}

/**
 * In development the details share the port if only this machine can reach it.
 * Otherwise they have their own, which only this machine can reach unless configured.
 */
function addresses(found: z.infer<typeof schema>) {
  const { HOST, PORT, MANAGEMENT_HOST, MANAGEMENT_PORT, NODE_ENV } = found;
  const production = NODE_ENV === "production";
  const host = HOST ?? (production ? "0.0.0.0" : LOOPBACK);
  const address = {
    host: MANAGEMENT_HOST ?? LOOPBACK,
    port: MANAGEMENT_PORT ?? defaultManagementPort(PORT),
  };
  const because: ManagementAddress["because"] | undefined =
    MANAGEMENT_HOST !== undefined || MANAGEMENT_PORT !== undefined
      ? "given"
      : production
        ? "production"
        : isLoopback(host)
          ? undefined
          : "open-host";
  const management: ManagementAddress | undefined = because && { ...address, because };
  return {
    /** Where the public port listens. */
    host,
    port: PORT,
    /** Where the details are; undefined means on the same port. */
    management,
  };
}

/** A different one for each instance on a machine. */
function defaultManagementPort(port: number): number {
  if (port === 0) return 0;
  return port + MANAGEMENT_STEP <= 65_535 ? port + MANAGEMENT_STEP : port - MANAGEMENT_STEP;
}
