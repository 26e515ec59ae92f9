import { Problem } from "./problem.ts";

/** A database URL, as the driver takes it. */
export interface DriverUrl {
  /** Without user, password and database, which are among the options. */
  readonly url: string;
  readonly options: {
    readonly user?: string;
    readonly password?: string;
    readonly database?: string;
    /** Of the Unix socket. */
    readonly path?: string;
    /** A Unix socket speaks no TLS. */
    readonly ssl?: false;
  };
}

const EXPECTED =
  "postgres://user:password@host:5432/database (special characters encoded: @ as %40, # as %23)";

// The driver would send these to the server as settings, and the server would refuse them.
const OF_OTHER_TOOLS = [
  "schema",
  "pgbouncer",
  "connection_limit",
  "pool_timeout",
  "channel_binding",
  "uselibpqcompat",
];

// An @ after the host belongs to a password in which a "/" or a "?" is not encoded: what
// stands where the host should be is a part of that password then. So does a "#".
const SHAPE = /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#@]*))?(?:\?([^#@]*))?$/i;
const PLACE = /^(\[[^\]]*\]|[^:[\]]+)(?::(\d+))?$/;
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~-]+)$/i;
const DEFAULT_PORT = "5432";
const MOST_PORT = 65_535;

interface Parts {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly hosts: readonly Host[];
  /** Of the Unix socket, where a directory is given in place of a host. */
  readonly socketPath: string | undefined;
  readonly query: URLSearchParams;
}

interface Host {
  readonly name: string;
  readonly port: string | undefined;
}

/** What is wrong with a database URL, as the rest of a sentence that shows no password; undefined where it is fine. */
export function urlProblem(url: string): string | undefined {
  const [, protocol] = /^([a-z][a-z\d+.-]*):\/\//i.exec(url) ?? [];
  if (protocol !== undefined && !/^postgres(ql)?$/i.test(protocol)) {
    return `starts with ${protocol}:// where postgres:// is expected`;
  }
  return partsOf(url) === undefined ? `is not a URL like ${EXPECTED}` : undefined;
}

/**
 * Makes a user's URL one for the driver: what only other tools know is left out, and
 * `host` in the query, a directory, is a Unix socket's.
 *
 * @throws Problem `config`
 */
export function driverUrl(url: string): DriverUrl {
  const parts = partsOf(url);
  if (parts === undefined) {
    throw new Problem({
      code: "config",
      fact: `The database URL ${urlProblem(url)}.`,
      outcome: "nothing-run",
      remedy: "Correct the URL.",
    });
  }
  const { user, password, database, hosts, socketPath, query } = parts;
  // With a path the driver looks at no host, and not at PGHOST either.
  const server = socketPath === undefined ? listOf(hosts) : "localhost";
  return {
    url: `postgres://${server}/?${query}`,
    options: {
      ...(user !== "" && { user }),
      ...(password !== "" && { password }),
      ...(database !== "" && { database }),
      ...(socketPath !== undefined && { path: socketPath, ssl: false }),
    },
  };
}

/** Where a URL leads, without its password; one that cannot be read is not shown. */
export function describeTarget(url: string): string {
  const parts = partsOf(url);
  if (parts === undefined) return "the database URL";
  const { user, database, hosts, socketPath } = parts;
  const as = user === "" ? "" : ` as ${user}`;
  if (socketPath !== undefined) {
    return `socket ${socketPath}${database === "" ? "" : `, database ${database}`}${as}`;
  }
  return `${listOf(hosts) || "the default host"}${database === "" ? "" : `/${database}`}${as}`;
}

/** The URL of another database of the same server. One that cannot be read stays unreadable. */
export function replaceDatabase(url: string, database: string): string {
  return url.replace(
    SHAPE,
    (_, scheme: string, login: string | undefined, host: string, _old, query?: string) =>
      `${scheme}${login === undefined ? "" : `${login}@`}${host}/${encodeURIComponent(database)}${query === undefined ? "" : `?${query}`}`,
  );
}

function partsOf(url: string): Parts | undefined {
  const found = SHAPE.exec(url);
  if (found === null) return undefined;
  const [, , login = "", authority = "", path = "", search = ""] = found;
  const query = new URLSearchParams(search);
  const place = placeOf(authority, query.get("host"), query.get("port"));
  for (const name of ["host", "port", ...OF_OTHER_TOOLS]) query.delete(name);
  const colon = login.indexOf(":");
  const user = decoded(colon < 0 ? login : login.slice(0, colon));
  const password = decoded(colon < 0 ? "" : login.slice(colon + 1));
  const database = decoded(path);
  if (user === undefined || password === undefined || database === undefined) return undefined;
  return place && { user, password, database, query, ...place };
}

/** The query's host and port win over those before the path, as in libpq. */
function placeOf(
  authority: string,
  queryHost: string | null,
  queryPort: string | null,
): Pick<Parts, "hosts" | "socketPath"> | undefined {
  const given = authority === "" ? [] : authority.split(",").map((one) => PLACE.exec(one));
  if (given.includes(null)) return undefined;
  const names = queryHost ? listed(queryHost) : given.map((place) => decoded(place?.[1] ?? ""));
  const ports = queryPort ? queryPort.split(",") : given.map((place) => place?.[2]);
  const isPort = (port: string | undefined) =>
    port === undefined || (/^\d+$/.test(port) && Number(port) <= MOST_PORT);
  if (!ports.every(isPort)) return undefined;
  const [directory] = names;
  if (names.length === 1 && directory?.startsWith("/")) {
    const socketPath = `${directory.replace(/\/+$/, "")}/.s.PGSQL.${ports[0] ?? DEFAULT_PORT}`;
    return { hosts: [], socketPath };
  }
  const hosts = names.map((name = "", i) => ({
    name,
    port: ports.length === 1 ? ports[0] : ports[i],
  }));
  return hosts.every(({ name }) => HOST.test(name)) ? { hosts, socketPath: undefined } : undefined;
}

/** A directory may have any character in its name. */
function listed(host: string): readonly string[] {
  return host.startsWith("/") ? [host] : host.split(",");
}

function listOf(hosts: readonly Host[]): string {
  return hosts.map(({ name, port }) => (port === undefined ? name : `${name}:${port}`)).join(",");
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
