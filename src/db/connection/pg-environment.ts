import { formatUrl } from "../base/address.ts";
import { type Environment, readService } from "./service-file.ts";

/** A database that the `PG*` variables name. */
export interface EnvironmentUrl {
  /** Without the password of PGPASSWORD and the password file, which are looked up at the connection. */
  readonly url: string;
  /** The variables that say where it is. */
  readonly names: readonly string[];
}

// Where one of these is set, somebody has named a database; a user or a port alone names none.
const PLACES = ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE"];

/**
 * The URL of `PG*`, as libpq reads them: a service comes before the single variables. Undefined where none of them
 * names a place.
 *
 * @throws Problem `config` for a service that cannot be read
 */
export function environmentUrl(env: Environment): EnvironmentUrl | undefined {
  const names = PLACES.filter((name) => env[name]);
  if (names.length === 0) return undefined;
  const service = env.PGSERVICE ? readService(env.PGSERVICE, "PGSERVICE", env) : {};
  const { host, hostaddr, port, user, password, dbname, ...parameters } = service;
  // libpq's default where nobody has asked for anything else.
  const mode = env.PGSSLMODE ? {} : { sslmode: "prefer" };
  const isPlaced = host !== undefined || hostaddr !== undefined;
  const name = isPlaced ? host : env.PGHOST || undefined;
  const address = isPlaced ? hostaddr : env.PGHOSTADDR || undefined;
  const url = formatUrl({
    host: name ?? address ?? "localhost",
    port: port ?? (env.PGPORT || undefined),
    user: user ?? (env.PGUSER || undefined),
    password,
    database: dbname ?? (env.PGDATABASE || undefined),
    parameters: {
      ...(name !== undefined && address !== undefined && { hostaddr: address }),
      ...mode,
      ...parameters,
    },
  });
  return { url, names };
}
