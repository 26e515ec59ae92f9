import { replaceDatabase } from "./scratch/address.ts";
import { withEmbedded } from "./scratch/embedded.ts";
import { type ServerConnection, withServerConnection } from "./scratch/server.ts";

export { type AppliedFile, applyFile } from "./scratch/apply-file.ts";
export { rolesNamedIn } from "./scratch/roles.ts";

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

/** A server on which databases come and go. */
export interface ScratchServer {
  /** Of the server: `18`. */
  readonly majorVersion: number;
  /** Whom the objects belong to that are made on it. */
  readonly role: string;
  /** Nobody else uses it: roles can be made on it. */
  readonly isOwn: boolean;
  /** An empty one, or a copy of one to which nobody is connected. */
  readonly createDatabase: (copyOf?: ScratchDatabase) => Promise<ScratchDatabase>;
  /** Drops it now: what is left is dropped at the end. */
  readonly dropDatabase: (database: ScratchDatabase) => Promise<void>;
  /** Makes the roles that are not there, where the server is our own; otherwise does nothing. */
  readonly lendRoles: (names: readonly string[]) => Promise<void>;
  /** Drops those of the roles that are there. */
  readonly dropRoles: (names: readonly string[]) => Promise<void>;
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
      role: connection.role,
      isOwn,
      createDatabase: async (copyOf) => {
        const name = connection.newName();
        made.add(name);
        await connection.createDatabase(name, copyOf?.name);
        return { name, url: replaceDatabase(url, name) };
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
