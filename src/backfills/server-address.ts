import pg from "pg";
import { resolveUrl } from "../db/connection/driver-options.ts";

/** How `pg` reaches a server. */
export type ServerAddress = Omit<pg.PoolConfig, "connectionString"> & {
  /** Whether statements may stay prepared in the session. */
  readonly prepares: boolean;
};

const APPLICATION = "tidemark-jobs";

/**
 * The first server of a database URL that answers and can be written, as all else of Tidemark reads the URL: `pg`
 * takes one host, and reads `sslmode` in its own way.
 *
 * @throws the driver's error of the last server
 */
export async function findServer(url: string, connectTimeoutMs: number): Promise<ServerAddress> {
  let last: unknown;
  for (const { prepares, ...config } of addressesOf(url, connectTimeoutMs)) {
    const client = new pg.Client(config);
    client.on("error", () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ standby: boolean }>(
        "select pg_catalog.pg_is_in_recovery() as standby",
      );
      if (rows[0]?.standby === false) return { ...config, prepares };
      last = new Error("the server is a standby");
    } catch (error) {
      last = error;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  throw last;
}

function addressesOf(url: string, connectTimeoutMs: number): readonly ServerAddress[] {
  const { options, isPooled } = resolveUrl(url, APPLICATION);
  const { host: hosts, port: ports, path, user, password, database, ssl, connection } = options;
  // With "prefer" first with TLS, unchecked, then without.
  const ways = ssl === "prefer" ? [{ rejectUnauthorized: false }, false] : [ssl];
  return hosts.flatMap((host, i) =>
    ways.map((way) => ({
      host: path?.replace(/\/\.s\.PGSQL\.\d+$/, "") ?? host,
      port: Number(path?.split(".").at(-1) ?? ports[i]),
      user,
      // Without one `pg` would look for it in the environment, which has been done.
      password: password ?? "",
      database,
      ssl: way,
      application_name: connection.application_name ?? APPLICATION,
      ...(connection.options !== undefined && { options: connection.options }),
      connectionTimeoutMillis: connectTimeoutMs,
      prepares: options.prepare && !isPooled,
    })),
  );
}
