import { describeTarget, replaceDatabase, replaceLogin } from "../base/address.ts";
import { messageOf, Problem } from "../base/problem.ts";
import { resolveUrl } from "../connection/driver-options.ts";
import { serverWords } from "../connection/server-words.ts";
import { isServerError } from "../connection/session.ts";
import { type DrizzleTableName, MigrateError } from "../migrate/index.ts";
import { type Admin, withAdmin } from "../server/admin.ts";
import { createDatabase, dropDatabase, dropLeftBehind } from "../server/databases.ts";
import { newScratchName } from "../server/marks.ts";
import { withEmbedded } from "./own-server.ts";
import { type ActingRole, createRoles, dropRoles, empower, listRoles } from "./server-roles.ts";

export { applyFile } from "./apply-file.ts";
export type { ActingRole } from "./server-roles.ts";

export interface ScratchOptions {
  /**
   * A database of the server to work on, `postgres://user:password@host:5432/postgres`, as a role
   * that may create databases. Default: a PostgreSQL of this process's own, deleted at the end.
   */
  readonly url?: string | undefined;
  /** Folder of that server, e.g. `.tidemark`. */
  readonly dir: string;
  /** As the settings have it: a history that runs here finds its schema, as drizzle makes it. */
  readonly drizzleTable?: Partial<DrizzleTableName> | undefined;
  /** Takes a line of progress for people. */
  readonly onProgress?: (line: string) => void;
}

/** A throw-away database. */
export interface ScratchDatabase {
  readonly name: string;
  readonly url: string;
}

/** A server on which databases are created and dropped. */
export interface ScratchServer {
  /** Of PostgreSQL: `18`. */
  readonly majorVersion: number;
  /** Nobody else uses it: roles can be created on it. */
  readonly isOwn: boolean;
  /** Of the options. */
  readonly drizzleTable: Partial<DrizzleTableName>;
  /** The role that the URLs connect as, and that owns what is made over them. */
  readonly role: string;
  /**
   * An empty one, or a copy of one that nobody is connected to. The name is used if the server is
   * our own; otherwise, and without one, a new name is made.
   */
  readonly createDatabase: (copyOf?: ScratchDatabase, name?: string) => Promise<ScratchDatabase>;
  /** Drops it now; the others are dropped at the end. */
  readonly dropDatabase: (database: ScratchDatabase) => Promise<void>;
  /** Creates the missing roles if the server is our own; otherwise does nothing. */
  readonly lendRoles: (names: readonly string[]) => Promise<void>;
  /** Drops those of the roles that exist. */
  readonly dropRoles: (names: readonly string[]) => Promise<void>;
  /**
   * The same database as that role, which becomes a superuser that may log in, if the server is our
   * own; otherwise the database as it is.
   */
  readonly actAs: (role: ActingRole, database: ScratchDatabase) => Promise<ScratchDatabase>;
  /** Names of all roles but the predefined ones. */
  readonly listRoles: () => Promise<readonly string[]>;
}

/**
 * Works on a server with throw-away databases: an embedded PostgreSQL, made for this call and
 * deleted, or databases of its own on another server, dropped at the end. A later call removes the
 * remains of a killed process.
 *
 * @throws MigrateError `config`, `connect`; EmbeddedServerError
 */
export async function withScratchServer<T>(
  options: ScratchOptions,
  use: (server: ScratchServer) => Promise<T>,
): Promise<T> {
  const work = (url: string, isOwn: boolean) =>
    withAdmin({ url, unreachable: (cause) => unreachable(url, cause) }, (admin) =>
      serve(admin, isOwn, options.drizzleTable ?? {}, use),
    );
  const { url } = options;
  return url === undefined ? withEmbedded(options, (own) => work(own, true)) : work(url, false);
}

async function serve<T>(
  admin: Admin,
  isOwn: boolean,
  drizzleTable: Partial<DrizzleTableName>,
  use: (server: ScratchServer) => Promise<T>,
): Promise<T> {
  const { url } = admin;
  const made = new Set<string>();
  const drop = async ({ name }: Pick<ScratchDatabase, "name">) => {
    await told(url, dropDatabase(admin, name));
    made.delete(name);
  };
  if (!isOwn) await told(url, dropLeftBehind(admin, ["scratch"]));
  try {
    return await use({
      majorVersion: Math.trunc(admin.serverVersion / 10_000),
      isOwn,
      drizzleTable,
      role: admin.role,
      createDatabase: async (copyOf, wanted) => {
        const name = (isOwn ? wanted : undefined) ?? newScratchName(admin.nowS());
        // `postgres` is empty, and initdb has made it already.
        if (!(isOwn && name === "postgres")) {
          made.add(name);
          await told(url, createDatabase(admin, name, copyOf?.name));
        }
        return { name, url: replaceDatabase(url, name) };
      },
      actAs: async (role, database) => {
        if (!isOwn) return database;
        const { password = "" } = resolveUrl(database.url).options;
        await told(url, empower(admin, role, password));
        return { ...database, url: replaceLogin(database.url, role.name, password) };
      },
      dropDatabase: drop,
      lendRoles: async (names) => {
        if (isOwn) await told(url, createRoles(admin, names));
      },
      dropRoles: (names) => told(url, dropRoles(admin, names)),
      listRoles: () => told(url, listRoles(admin)),
    });
  } finally {
    // Our own server goes with everything on it.
    if (!isOwn) for (const name of made) await drop({ name });
  }
}

function unreachable(url: string, cause: unknown): MigrateError {
  const isConfig = cause instanceof Problem && cause.code === "config";
  const reason = isConfig ? cause.fact : `${describeTarget(url)}: ${messageOf(cause)}.`;
  return new MigrateError({
    code: isConfig ? "config" : "connect",
    fact: `The scratch server cannot be used: ${reason}`,
    remedy: "Correct --scratch-url, or leave it out: an embedded PostgreSQL is used then.",
    cause,
  });
}

/** The work's result; the server's refusal becomes an error for people. */
async function told<T>(url: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!isServerError(cause)) throw cause;
    throw new MigrateError({
      code: "connect",
      fact: `The scratch server ${describeTarget(url)} refused: ${serverWords(cause)}`,
      remedy:
        cause.code === "42501"
          ? "Name a role in --scratch-url that may create databases (`alter role … createdb`)."
          : "Look at the server's log, or leave --scratch-url out: an embedded PostgreSQL is used then.",
      cause,
    });
  }
}
