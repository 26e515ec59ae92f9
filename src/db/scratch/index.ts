import { replaceDatabase } from "../migrate/index.ts";
import { replaceUser } from "./address.ts";
import { withEmbedded } from "./embedded.ts";
import { type ServerConnection, withServerConnection } from "./server.ts";

export { applyFile } from "./apply-file.ts";

export interface ScratchOptions {
  /**
   * A database of a server to work on, `postgres://user:password@host:5432/postgres`, as a role that
   * may create databases. Default: a PostgreSQL of this process's own, thrown away at the end.
   */
  readonly url?: string | undefined;
  /** Folder for that server, e.g. `.tidemark`. */
  readonly dir: string;
  /** Takes a line of progress for people. */
  readonly onProgress?: (line: string) => void;
}

/** A database that nobody needs afterwards. */
export interface ScratchDatabase {
  readonly name: string;
  readonly url: string;
}

export interface ActingRole {
  readonly name: string;
  /** Of `ALTER ROLE … SET`, as `pg_roles.rolconfig` has them. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A server on which databases come and go. */
export interface ScratchServer {
  /** Of the server: `18`. */
  readonly majorVersion: number;
  /** Nobody else uses it: roles can be made on it. */
  readonly isOwn: boolean;
  /** As whom the URLs connect, and whom what they make belongs to. */
  readonly role: string;
  /**
   * An empty one, or a copy of one to which nobody is connected. The name is used where the server
   * is our own; otherwise, and without one, it is new.
   */
  readonly createDatabase: (copyOf?: ScratchDatabase, name?: string) => Promise<ScratchDatabase>;
  /** Drops it now: what is left is dropped at the end. */
  readonly dropDatabase: (database: ScratchDatabase) => Promise<void>;
  /** Makes the roles that are not there, where the server is our own; otherwise does nothing. */
  readonly lendRoles: (names: readonly string[]) => Promise<void>;
  /** Drops those of the roles that are there. */
  readonly dropRoles: (names: readonly string[]) => Promise<void>;
  /**
   * The same database as that role, which is made a superuser that may log in, where the server is
   * our own; otherwise the database as it is.
   */
  readonly actAs: (role: ActingRole, database: ScratchDatabase) => Promise<ScratchDatabase>;
  /** Names of all roles but the predefined ones. */
  readonly listRoles: () => Promise<readonly string[]>;
}

/**
 * Works on a server whose databases nobody needs afterwards: an embedded PostgreSQL, made for it
 * and deleted, or databases of its own on another, dropped at the end. What a killed process left
 * of either is cleared away by a later one.
 *
 * @throws MigrateError `config`, `connect`; EmbeddedServerError
 */
export async function withScratchServer<T>(
  options: ScratchOptions,
  use: (server: ScratchServer) => Promise<T>,
): Promise<T> {
  const { url } = options;
  if (url !== undefined) {
    return withServerConnection(url, (connection) => serve(connection, url, false, use));
  }
  return withEmbedded(options, (own) =>
    withServerConnection(own, (connection) => serve(connection, own, true, use)),
  );
}

async function serve<T>(
  connection: ServerConnection,
  url: string,
  isOwn: boolean,
  use: (server: ScratchServer) => Promise<T>,
): Promise<T> {
  const made = new Set<string>();
  const dropDatabase = async ({ name }: Pick<ScratchDatabase, "name">) => {
    await connection.dropDatabase(name);
    made.delete(name);
  };
  if (!isOwn) await connection.dropLeftBehind();
  try {
    return await use({
      majorVersion: connection.majorVersion,
      isOwn,
      role: connection.role,
      createDatabase: async (copyOf, wanted) => {
        const name = (isOwn ? wanted : undefined) ?? connection.newName();
        // Nobody has put anything into it, and initdb has made it already.
        if (!(isOwn && name === "postgres")) {
          made.add(name);
          await connection.createDatabase(name, copyOf?.name);
        }
        return { name, url: replaceDatabase(url, name) };
      },
      actAs: async (role, database) => {
        if (!isOwn) return database;
        const { password } = new URL(url);
        await connection.empower(role, decodeURIComponent(password));
        return { ...database, url: replaceUser(database.url, role.name) };
      },
      dropDatabase,
      lendRoles: async (names) => {
        if (isOwn) await connection.createRoles(names);
      },
      dropRoles: connection.dropRoles,
      listRoles: connection.listRoles,
    });
  } finally {
    // Our own server goes with all that is on it.
    if (!isOwn) for (const name of made) await dropDatabase({ name });
  }
}
