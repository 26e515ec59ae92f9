import { Problem } from "../../db/base/problem.ts";
import { addressOf } from "../../db/connection/login.ts";
import { environmentUrl } from "../../db/connection/pg-environment.ts";
import { describeTarget } from "../../db/migrate/index.ts";
import { readCredentials } from "./credentials.ts";
import type { ProjectConfig } from "./project-config.ts";

/** Where a database URL may come from, in the order in which it is looked for. */
export interface GivenUrls {
  /** `--url`. */
  readonly option: string | undefined;
  /** `MIGRATION_DATABASE_URL`. */
  readonly migration: string | undefined;
  /** `DATABASE_URL`. */
  readonly application: string | undefined;
  readonly project: ProjectConfig | undefined;
  /** Whether `PG*` may name the database: not where an embedded server would do. */
  readonly isVariablesTaken: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface DatabaseChoice {
  /** The database, and who named it. */
  readonly found: { readonly url: string; readonly source: string } | undefined;
  /** Why there is none, beside that nothing names one. */
  readonly reasons: readonly string[];
  readonly problems: readonly string[];
  /** What a person should know of, each a sentence. */
  readonly warnings: readonly string[];
}

/**
 * Chooses the database: `--url`, `MIGRATION_DATABASE_URL`, the configuration's `dbCredentials`,
 * `DATABASE_URL`, then `PG*`.
 *
 * `dbCredentials` win over `DATABASE_URL`: `drizzle-kit migrate` uses them, so a project that
 * switches stays on its database. Where the two lead to different places, a warning names both.
 */
export function chooseDatabase(given: GivenUrls): DatabaseChoice {
  const { option, migration } = given;
  if (option !== undefined) return found(option, "--url");
  if (migration !== undefined) return found(migration, "MIGRATION_DATABASE_URL");
  const { project, application } = given;
  const ofConfig = `dbCredentials of ${project?.file ?? "drizzle.config.ts"}`;
  const { unread } = project?.drizzle ?? {};
  const credentials = readCredentials(project?.drizzle ?? {});
  if (application !== undefined) {
    if (credentials.kind === "url") {
      if (credentials.url === application) return found(application, "DATABASE_URL");
      // It may ask for TLS where DATABASE_URL does not.
      if (isSamePlace(credentials.url, application, given.env))
        return found(credentials.url, ofConfig);
      return found(credentials.url, ofConfig, [
        `${ofConfig} lead to ${describeTarget(credentials.url)}, and DATABASE_URL to ${describeTarget(application)}. ` +
          "The configuration's is used, as by drizzle-kit; MIGRATION_DATABASE_URL or --url choose another.",
      ]);
    }
    if (credentials.kind === "unset" && project?.drizzle.dbCredentials !== undefined) {
      // Most likely an unset variable: never use another database instead.
      return none(
        [],
        [
          `${ofConfig} say nothing (${credentials.why}): DATABASE_URL, which leads to ${describeTarget(application)}, is not used in their place; ` +
            "set the variable that they read, or give --url",
        ],
      );
    }
    const why = unread ?? (credentials.kind === "problem" ? credentials.problem : undefined);
    const warning = `${ofConfig} cannot be used (${why}): DATABASE_URL is used, ${describeTarget(application)}.`;
    return found(application, "DATABASE_URL", why === undefined ? [] : [warning]);
  }
  if (unread !== undefined) return none([], [`${ofConfig} cannot be read: ${unread}`]);
  if (credentials.kind === "url") return found(credentials.url, ofConfig);
  if (credentials.kind === "problem") return none([], [`${project?.file}: ${credentials.problem}`]);
  const hasCredentials = project?.drizzle.dbCredentials !== undefined;
  // Most likely an unset variable: never use another database instead.
  if (hasCredentials) return none([`${credentials.why} in ${project?.file}`], []);
  return given.isVariablesTaken ? ofVariables(given.env) : none([], []);
}

function ofVariables(env: GivenUrls["env"]): DatabaseChoice {
  try {
    const variables = environmentUrl(env);
    return variables === undefined
      ? none([], [])
      : found(variables.url, variables.names.join(", "));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return none([], [error.fact.replace(/\.$/, "")]);
  }
}

/** The same server, database and user, however it is written. */
function isSamePlace(one: string, other: string, env: GivenUrls["env"]): boolean {
  const place = (url: string) => {
    const { hosts, socketPath, database, user } = addressOf(url, env);
    const servers = hosts.map(({ name, port = "5432" }) => `${name.toLowerCase()}:${port}`);
    return JSON.stringify([servers, socketPath, database, user]);
  };
  return place(one) === place(other);
}

function found(url: string, source: string, warnings: readonly string[] = []): DatabaseChoice {
  return { found: { url, source }, reasons: [], problems: [], warnings };
}

function none(reasons: readonly string[], problems: readonly string[]): DatabaseChoice {
  return { found: undefined, reasons, problems, warnings: [] };
}
