import { Problem } from "./problem.ts";
import { parameterProblem, readParameters, type UrlParameters } from "./url-parameters.ts";
import { type Host, type Keywords, partsOf, URL_SHAPE } from "./url-parts.ts";

export type { Host, Keywords } from "./url-parts.ts";

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

const EXPECTED =
  "postgres://user:password@host:5432/database (special characters encoded: @ as %40, # as %23)";

const DEFAULT_HOST = "the default host";

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
 * @param service fills in what the URL does not say
 * @throws Problem `config`
 */
export function readAddress(url: string, service: Keywords = {}): Address {
  const parts = partsOf(url, service);
  const problem = urlProblem(url);
  if (parts === undefined || problem !== undefined) {
    throw new Problem({
      code: "config",
      fact: `The database URL ${problem ?? "names a service whose host, hostaddr or port cannot be read"}.`,
      outcome: "nothing-run",
      remedy: problem === undefined ? "Correct the service." : "Correct the URL.",
    });
  }
  const { query, ...address } = parts;
  return { ...address, parameters: readParameters(query) };
}

/** Where a URL leads, without its password; one that cannot be read is not shown. */
export function describeTarget(url: string): string {
  const parts = partsOf(url);
  if (parts === undefined) return "the database URL";
  const { user, database, hosts, socketPath, query } = parts;
  const service = query.get("service");
  const as = user === "" ? "" : ` as ${user}`;
  if (socketPath !== undefined) {
    return `socket ${socketPath}${database === "" ? "" : `, database ${database}`}${as}`;
  }
  return `${listOf(hosts) || (service ? `service ${service}` : DEFAULT_HOST)}${database === "" ? "" : `/${database}`}${as}`;
}

/** The URL of another database of the same server. One that cannot be read stays unreadable. */
export function replaceDatabase(url: string, database: string): string {
  return url.replace(
    URL_SHAPE,
    (_, scheme: string, login: string | undefined, host: string, _old, query?: string) =>
      `${scheme}${login === undefined ? "" : `${login}@`}${host}/${encodeURIComponent(database)}${queryWithout(query, ["dbname"])}`,
  );
}

/** The URL of another user of the same database. One that cannot be read stays unreadable. */
export function replaceLogin(url: string, user: string, password: string): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return url.replace(
    URL_SHAPE,
    (_, scheme: string, _login: string | undefined, host: string, path = "", query?: string) =>
      `${scheme}${login}${host}/${path}${queryWithout(query, ["user", "password"])}`,
  );
}

function queryWithout(query: string | undefined, names: readonly string[]): string {
  if (query === undefined) return "";
  const kept = query.split("&").filter((pair) => !names.includes(pair.split("=", 1)[0] ?? ""));
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

function listOf(hosts: readonly Host[]): string {
  return hosts
    .map(({ name, port }) => `${name || DEFAULT_HOST}${port === undefined ? "" : `:${port}`}`)
    .join(",");
}
