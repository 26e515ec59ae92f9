import { Problem } from "./problem.ts";
import { parameterProblem, readParameters, type UrlParameters } from "./url-parameters.ts";

/** A database URL, taken apart. What is empty was not given. */
export interface Address {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly hosts: readonly Host[];
  /** Of the Unix socket, where a directory is given in place of a host. */
  readonly socketPath: string | undefined;
  readonly parameters: UrlParameters;
}

export interface Host {
  /** Empty where only its port is given. */
  readonly name: string;
  readonly port: string | undefined;
}

const EXPECTED =
  "postgres://user:password@host:5432/database (special characters encoded: @ as %40, # as %23)";

// An @ after the host belongs to a password in which a "/" or a "?" is not encoded: what
// stands where the host should be is a part of that password then. So does a "#".
const SHAPE = /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#@]*))?(?:\?([^#@]*))?$/i;
const PLACE = /^(\[[^\]]*\]|[^:[\]]+)(?::(\d+))?$/;
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~-]+)$/i;
const DEFAULT_HOST = "the default host";
const DEFAULT_PORT = "5432";
const MOST_PORT = 65_535;

/** What is wrong with a database URL, as the rest of a sentence that shows no password; undefined where it is fine. */
export function urlProblem(url: string): string | undefined {
  const [, protocol] = /^([a-z][a-z\d+.-]*):\/\//i.exec(url) ?? [];
  if (protocol !== undefined && !/^postgres(ql)?$/i.test(protocol)) {
    return `starts with ${protocol}:// where postgres:// is expected`;
  }
  const parts = partsOf(url);
  return parts === undefined ? `is not a URL like ${EXPECTED}` : parameterProblem(parts.query);
}

/**
 * Takes a user's URL apart. In the query, `host`, `port`, `user`, `password` and `dbname` win over
 * what stands before it, as in libpq, and a `host` that is a directory is a Unix socket's.
 *
 * @throws Problem `config`
 */
export function readAddress(url: string): Address {
  const parts = partsOf(url);
  const problem = urlProblem(url);
  if (parts === undefined || problem !== undefined) {
    throw new Problem({
      code: "config",
      fact: `The database URL ${problem}.`,
      outcome: "nothing-run",
      remedy: "Correct the URL.",
    });
  }
  const { query, ...address } = parts;
  return { ...address, parameters: readParameters(query) };
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
  return `${listOf(hosts) || DEFAULT_HOST}${database === "" ? "" : `/${database}`}${as}`;
}

/** The URL of another database of the same server. One that cannot be read stays unreadable. */
export function replaceDatabase(url: string, database: string): string {
  return url.replace(
    SHAPE,
    (_, scheme: string, login: string | undefined, host: string, _old, query?: string) =>
      `${scheme}${login === undefined ? "" : `${login}@`}${host}/${encodeURIComponent(database)}${queryWithoutDatabase(query)}`,
  );
}

function queryWithoutDatabase(query: string | undefined): string {
  if (query === undefined) return "";
  const kept = query.split("&").filter((pair) => !pair.startsWith("dbname="));
  return kept.length === 0 ? "" : `?${kept.join("&")}`;
}

/** Makes a URL of its parts. Several hosts and ports are separated by commas, as in `PGHOST`. */
export function formatUrl(parts: {
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: string | undefined;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}): string {
  const { host = "", port, user, password, database = "", parameters = {} } = parts;
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}`;
  const login = user === undefined ? "" : `${encodeURIComponent(user)}${secret}@`;
  const query = new URLSearchParams();
  if (user === undefined && password !== undefined) query.set("password", password);
  const isPlace = host === "" || host.startsWith("/");
  if (isPlace && host !== "") query.set("host", host);
  if (isPlace && port !== undefined) query.set("port", port);
  const ports = port?.split(",") ?? [];
  const hosts = host.split(",").map((name, i) => {
    const at = ports[i] ?? ports[0];
    return `${name.includes(":") ? `[${name}]` : name}${at === undefined ? "" : `:${at}`}`;
  });
  for (const [name, value] of Object.entries(parameters)) query.set(name, value);
  const search = query.size === 0 ? "" : `?${query}`;
  return `postgres://${login}${isPlace ? "" : hosts.join(",")}/${encodeURIComponent(database)}${search}`;
}

function partsOf(url: string) {
  const found = SHAPE.exec(url);
  if (found === null) return undefined;
  const [, , login = "", authority = "", path = "", search = ""] = found;
  const query = new URLSearchParams(search);
  const place = placeOf(authority, query.get("host"), query.get("port"));
  const colon = login.indexOf(":");
  const user = query.get("user") || decoded(colon < 0 ? login : login.slice(0, colon));
  const password = query.get("password") || decoded(colon < 0 ? "" : login.slice(colon + 1));
  const database = query.get("dbname") || decoded(path);
  for (const name of ["host", "port", "user", "password", "dbname"]) query.delete(name);
  if (user === undefined || password === undefined || database === undefined) return undefined;
  return place && { user, password, database, query, ...place };
}

/** The query's host and port win over those before the path, as in libpq. */
function placeOf(
  authority: string,
  queryHost: string | null,
  queryPort: string | null,
): Pick<Address, "hosts" | "socketPath"> | undefined {
  const given = authority === "" ? [] : authority.split(",").map((one) => PLACE.exec(one));
  if (given.includes(null)) return undefined;
  const names = queryHost
    ? [...listed(queryHost)]
    : given.map((place) => decoded(place?.[1] ?? ""));
  const ports = queryPort ? queryPort.split(",") : given.map((place) => place?.[2]);
  if (names.length === 0 && queryPort) names.push("");
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
  return hosts.every(({ name }) => name === "" || HOST.test(name))
    ? { hosts, socketPath: undefined }
    : undefined;
}

/** A directory may have any character in its name. */
function listed(host: string): readonly string[] {
  return host.startsWith("/") ? [host] : host.split(",");
}

function listOf(hosts: readonly Host[]): string {
  return hosts
    .map(({ name, port }) => `${name || DEFAULT_HOST}${port === undefined ? "" : `:${port}`}`)
    .join(",");
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
