import { userInfo } from "node:os";
import type { ConnectionOptions } from "node:tls";
import { type Address, readAddress } from "../base/address.ts";
import { Problem } from "../base/problem.ts";
import { connectTimeout } from "../base/url-parameters.ts";
import { type FoundPassword, lookUpPassword } from "./password-file.ts";
import { type Tls, tlsOf } from "./tls.ts";

/** What the driver is given for a database URL: nothing is left for it to find in the environment. */
export interface DriverOptions {
  readonly host: string[];
  readonly port: number[];
  /** Of a Unix socket. */
  readonly path?: string;
  readonly user: string;
  readonly password?: string;
  readonly database: string;
  readonly ssl: false | "prefer" | ConnectionOptions;
  readonly sslnegotiation: "direct" | null;
  /** Whether statements may stay prepared in the session. */
  readonly prepare: boolean;
  readonly target_session_attrs?: "read-write";
  /** Settings of the session. */
  readonly connection: Record<string, string>;
}

/** A database URL, with what the environment and the password file add. */
export interface Resolved {
  readonly options: DriverOptions;
  readonly tls: Tls;
  /** There is a pooler before the server. */
  readonly isPooled: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORT = "5432";

/**
 * Resolves a database URL as libpq does: what it does not say comes from `PGHOST`, `PGPORT`,
 * `PGUSER`, `PGDATABASE`, `PGPASSWORD`, the password file, `PGSSLMODE` and its kind, `PGOPTIONS` and
 * `PGAPPNAME`.
 *
 * @throws Problem `config`
 */
export function resolveUrl(
  url: string,
  applicationName = "tidemark",
  env: Environment = process.env,
): Resolved {
  const address = readAddress(url);
  const { parameters } = address;
  const login = loginOf(address, env);
  const { user, database, servers } = login;
  const password = passwordOf(address, login, env).password;
  const names = servers.map(({ name }) => name);
  const tls = tlsOf(parameters.tls, names, env);
  const { targetSessionAttrs } = parameters;
  const options = {
    // With a path the driver looks at no host.
    host: login.path === undefined ? names : ["localhost"],
    port: servers.map(({ port }) => portOf(port)),
    ...(login.path !== undefined && { path: login.path }),
    user,
    ...(password !== undefined && { password }),
    database,
    // A Unix socket speaks no TLS.
    ssl: login.path === undefined ? tls.ssl : false,
    sslnegotiation: login.path === undefined ? tls.negotiation : null,
    prepare: parameters.isPreparing,
    // The driver's type has one of the six that it knows.
    ...(targetSessionAttrs !== undefined && {
      target_session_attrs: targetSessionAttrs as "read-write",
    }),
    connection: settingsOf(parameters.settings, applicationName, env),
  } as const;
  return { options, tls, isPooled: parameters.isPooled };
}

/** An empty one in the URL keeps the environment's out. */
function settingsOf(
  given: Readonly<Record<string, string>>,
  applicationName: string,
  env: Environment,
): Record<string, string> {
  const all = {
    application_name: env.PGAPPNAME || applicationName,
    options: env.PGOPTIONS ?? "",
    ...given,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

/** The time to connect that the URL, or else `PGCONNECT_TIMEOUT`, gives, in milliseconds. */
export function connectTimeoutOf(url: string, env: Environment = process.env): number | undefined {
  return readAddress(url).parameters.connectTimeoutMs ?? connectTimeout(env.PGCONNECT_TIMEOUT);
}

/** What is unusual about a URL, each as a sentence for people. */
export interface UrlWarning {
  readonly kind: "url-parameter" | "password-file";
  readonly message: string;
}

/** Parameters that nobody knows, and a password file that cannot be used. */
export function urlWarnings(url: string, env: Environment = process.env): readonly UrlWarning[] {
  const address = readAddress(url);
  const unknown = address.parameters.unknown.map((name) => ({
    kind: "url-parameter" as const,
    message:
      `The database URL has the parameter ${name}, which Tidemark does not know: it is left out. ` +
      "Settings of the server go into options=-c%20name%3Dvalue.",
  }));
  const { warning } = passwordOf(address, loginOf(address, env), env);
  return warning === undefined
    ? unknown
    : [
        ...unknown,
        { kind: "password-file", message: `The connection has no password: ${warning}.` },
      ];
}

interface LoginOfUrl {
  readonly user: string;
  readonly database: string;
  readonly servers: readonly { readonly name: string; readonly port: string }[];
  readonly path: string | undefined;
}

function loginOf({ user, database, hosts, socketPath }: Address, env: Environment): LoginOfUrl {
  const as = user || env.PGUSER || env.PGUSERNAME || osUser();
  const login = { user: as, database: database || env.PGDATABASE || as };
  if (socketPath !== undefined) {
    const port = socketPath.slice(socketPath.lastIndexOf(".") + 1);
    const name = socketPath.slice(0, socketPath.lastIndexOf("/"));
    return { ...login, servers: [{ name, port }], path: socketPath };
  }
  const servers = (hosts.length === 0 ? [{ name: "", port: undefined }] : hosts).flatMap(
    ({ name, port }) => {
      const ports = port === undefined ? (env.PGPORT || DEFAULT_PORT).split(",") : [port];
      const names = name === "" ? (env.PGHOST || "localhost").split(",") : [unbracketed(name)];
      return names.map((one, i) => ({ name: one, port: ports[i] ?? ports[0] ?? DEFAULT_PORT }));
    },
  );
  const [{ name, port } = { name: "", port: "" }] = servers;
  const path = name.startsWith("/") ? `${name.replace(/\/+$/, "")}/.s.PGSQL.${port}` : undefined;
  return { ...login, servers, path };
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** libpq's order: the URL, `PGPASSWORD`, the password file. */
function passwordOf(
  { password, parameters }: Address,
  { servers, user, database, path }: LoginOfUrl,
  env: Environment,
): FoundPassword {
  const given = password || env.PGPASSWORD;
  if (given) return { password: given };
  // For a Unix socket either its directory or `localhost` stands in the file.
  const local = path === undefined ? [] : servers.map(({ port }) => ({ name: "localhost", port }));
  const login = { hosts: [...servers, ...local], user, database };
  return lookUpPassword(login, parameters.passfile, env);
}

/** Those of the URL are right; those of the environment come as they are. */
function portOf(port: string): number {
  const found = Number(port);
  if (/^\d+$/.test(port) && found <= MOST_PORT) return found;
  throw new Problem({
    code: "config",
    fact: `PGPORT is ${JSON.stringify(port)}, where a number up to ${MOST_PORT} is expected.`,
    outcome: "nothing-run",
    remedy: "Correct it, or unset it.",
  });
}

const MOST_PORT = 65_535;

function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return process.env.USER ?? process.env.LOGNAME ?? "postgres";
  }
}
