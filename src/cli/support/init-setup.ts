import { resolveUrl } from "../../db/connection/driver-options.ts";
import { addressOf } from "../../db/connection/login.ts";
import type { Setup } from "../../db/init/index.ts";
import { replaceDatabase, settingsError, urlProblem } from "../../db/migrate/index.ts";

export interface InitFlags {
  /** Of the role that migrates: else `MIGRATION_DATABASE_URL`. */
  readonly url?: string | undefined;
  /** Of who makes roles and databases: else `ADMIN_DATABASE_URL`. */
  readonly adminUrl?: string | undefined;
  readonly database?: string | undefined;
  readonly owner?: string | undefined;
  readonly appRole?: string | undefined;
  readonly ledgerSchema: string;
}

export interface FoundSetup {
  readonly setup: Setup;
  readonly adminUrl: string | undefined;
  readonly migrationUrl: string | undefined;
  readonly appUrl: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Which roles and which database: those that the URLs of the migrations and of the application log in with, so that
 * what is made is what they use. Options name what no URL does.
 *
 * @throws MigrateError `config`, with every mistake in one message
 */
export function setupOf(flags: InitFlags, env: Environment): FoundSetup {
  const problems: string[] = [];
  const urlOf = (name: string, text: string | undefined) => {
    if (!text?.trim()) return undefined;
    const problem = urlProblem(text.trim());
    if (problem === undefined) return text.trim();
    problems.push(`${name} ${problem}`);
    return undefined;
  };
  const migrationUrl = flags.url
    ? urlOf("--url", flags.url)
    : urlOf("MIGRATION_DATABASE_URL", env.MIGRATION_DATABASE_URL);
  const appUrl = urlOf("DATABASE_URL", env.DATABASE_URL);
  const adminUrl = flags.adminUrl
    ? urlOf("--admin-url", flags.adminUrl)
    : urlOf("ADMIN_DATABASE_URL", env.ADMIN_DATABASE_URL);
  const migrating = loginOf(migrationUrl);
  const serving = loginOf(appUrl);
  const owner = flags.owner ?? migrating?.name;
  const app = flags.appRole ?? serving?.name;
  const database = flags.database ?? migrating?.database ?? serving?.database;
  const missing = (what: string) => problems.push(`nothing names ${what}`);
  if (problems.length === 0) {
    if (!owner) missing("the role that migrates (MIGRATION_DATABASE_URL, --owner)");
    if (!app) missing("the application's role (DATABASE_URL, --app-role)");
    if (!database) missing("the database (MIGRATION_DATABASE_URL, --database)");
    const others = [migrating, serving].flatMap((login) => login?.database ?? []);
    if (flags.database === undefined && new Set(others).size > 1) {
      problems.push(
        `MIGRATION_DATABASE_URL and DATABASE_URL name two databases, ${others.join(" and ")}`,
      );
    }
  }
  if (problems.length > 0 || !owner || !app || !database) throw settingsError(problems);
  const isOwn = migrating === undefined || migrating.name === owner;
  const inDatabase = (url: string | undefined) => url && replaceDatabase(url, database);
  return {
    setup: {
      database,
      owner: { name: owner, password: isOwn ? migrating?.password : undefined },
      deployer: isOwn ? undefined : migrating,
      app: { name: app, password: serving?.name === app ? serving.password : undefined },
      ledgerSchema: flags.ledgerSchema,
    },
    adminUrl,
    migrationUrl: inDatabase(migrationUrl),
    appUrl: serving?.name === app ? inDatabase(appUrl) : undefined,
  };
}

/** Nothing names a server. */
export function isUnnamed(
  { url, adminUrl }: Pick<InitFlags, "url" | "adminUrl">,
  { ADMIN_DATABASE_URL, MIGRATION_DATABASE_URL, DATABASE_URL }: Environment,
): boolean {
  return [url, adminUrl, ADMIN_DATABASE_URL, MIGRATION_DATABASE_URL, DATABASE_URL].every(
    (text) => !text?.trim(),
  );
}

/** Who logs in, and where. A URL without a user is nobody's: libpq would take the name on this machine. */
function loginOf(url: string | undefined) {
  if (url === undefined || !addressOf(url, process.env).user) return undefined;
  const { user, password, database } = resolveUrl(url).options;
  return { name: user, password, database };
}
