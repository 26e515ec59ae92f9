import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { inject, onTestFinished } from "vitest";
import { formatUrl } from "../../src/db/base/address.ts";
import { resolveUrl } from "../../src/db/connection/driver-options.ts";
import { type InitOptions, initDatabase } from "../../src/db/init/index.ts";
import { replaceDatabase } from "../../src/db/migrate/index.ts";
import { tidemark } from "./cli.ts";
import { onServer } from "./database.ts";

export interface Prepared extends InitOptions {
  readonly migrationUrl: string;
  readonly appUrl: string;
  readonly init: (changes?: Partial<InitOptions>) => ReturnType<typeof initDatabase>;
  /** A client, closed after the test. */
  readonly as: (url: string) => postgres.Sql;
  /** Of the server's superuser, to the database. */
  readonly superuserUrl: string;
}

/** Names of a database and roles that nobody has, and what `init` is told of them. Dropped after the test. */
export function unprepared({ deployer = false } = {}): Prepared {
  const id = randomBytes(5).toString("hex");
  const adminUrl = inject("serverUrl");
  const database = `Tidemark-init-${id}`;
  const owner = { name: `Owner-${id}`, password: deployer ? undefined : "o'wner pass" };
  const deploying = { name: `deployer_${id}`, password: "d" };
  const app = { name: `app_${id}`, password: "ä pp\\'\"" };
  const { host, port } = resolveUrl(adminUrl).options;
  const urlOf = ({ name, password }: { name: string; password?: string | undefined }) =>
    formatUrl({ host: host[0], port: String(port[0]), user: name, password, database });
  const options = {
    adminUrl,
    database,
    owner,
    deployer: deployer ? deploying : undefined,
    app,
    ledgerSchema: "tidemark",
    migrationUrl: urlOf(deployer ? deploying : owner),
    appUrl: urlOf(app),
  };
  onTestFinished(() =>
    onServer(async (admin) => {
      await admin.ask(`drop database if exists "${database}" with (force)`);
      for (const { name } of [app, deploying, owner])
        await admin.ask(`drop role if exists "${name}"`);
    }),
  );
  return {
    ...options,
    init: (changes = {}) => initDatabase({ ...options, ...changes }),
    as: (url) => {
      const sql = postgres(url, { max: 1, onnotice: () => undefined });
      onTestFinished(() => sql.end({ timeout: 1 }));
      return sql;
    },
    superuserUrl: replaceDatabase(adminUrl, database),
  };
}

export function environmentOf({ adminUrl, migrationUrl, appUrl }: Prepared) {
  return {
    ADMIN_DATABASE_URL: adminUrl,
    MIGRATION_DATABASE_URL: migrationUrl,
    DATABASE_URL: appUrl,
  };
}

/** The command line in this project, whose migrations they are. */
export function commandsOn(env: Readonly<Record<string, string>>) {
  return (...args: readonly string[]) => tidemark(args, { cwd: process.cwd(), env });
}
