import type { ConnectionOptions } from "node:tls";
import type { Address } from "../base/address.ts";
import { Problem } from "../base/problem.ts";
import {
  connectTimeout,
  isTarget,
  type TargetSessionAttrs,
  targetProblem,
} from "../base/url-parameters.ts";
import { addressOf, type LoginOfUrl, loginOf, passwordOf } from "./login.ts";
import type { Environment } from "./service-file.ts";
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
  readonly target_session_attrs?: TargetSessionAttrs;
  /** Seconds until the first keepalive of TCP. */
  readonly keep_alive?: number;
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

export type { Environment } from "./service-file.ts";

/**
 * Resolves a database URL as libpq does: what it does not say comes from the service of `service` or `PGSERVICE`, then
 * from `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`, the password file, `PGSSLMODE` and its kind,
 * `PGTARGETSESSIONATTRS`, `PGOPTIONS`, `PGAPPNAME`, `PGTZ`, `PGDATESTYLE` and `PGGEQO`.
 *
 * @throws Problem `config`
 */
export function resolveUrl(
  url: string,
  applicationName = "tidemark",
  env: Environment = process.env,
): Resolved {
  const address = addressOf(url, env);
  const { parameters } = address;
  const login = loginOf(address, env);
  const { user, database, servers } = login;
  const password = passwordOf(address, login, env).password;
  const names = servers.map(({ name }) => name);
  const tls = tlsOf(namedTls(parameters.tls, servers), names, env);
  const { keepAliveS } = parameters;
  const targetSessionAttrs = targetOf(parameters.targetSessionAttrs, env);
  const options = {
    // With a path the driver looks at no host.
    host: login.path === undefined ? servers.map((it) => it.address ?? it.name) : ["localhost"],
    port: servers.map(({ port }) => portOf(port)),
    ...(login.path !== undefined && { path: login.path }),
    user,
    ...(password !== undefined && { password }),
    database,
    // A Unix socket speaks no TLS.
    ssl: login.path === undefined ? tls.ssl : false,
    sslnegotiation: login.path === undefined ? tls.negotiation : null,
    prepare: parameters.isPreparing,
    ...(targetSessionAttrs !== undefined && {
      target_session_attrs: targetSessionAttrs,
    }),
    ...(keepAliveS !== undefined && { keep_alive: keepAliveS }),
    connection: settingsOf(parameters.settings, applicationName, env),
  } as const;
  return { options, tls, isPooled: parameters.isPooled };
}

/** A certificate is for the name of a host, also where its address is given. */
function namedTls(
  tls: Address["parameters"]["tls"],
  servers: LoginOfUrl["servers"],
): Address["parameters"]["tls"] {
  const [first] = servers;
  if (first?.address === undefined) return tls;
  if (servers.length === 1) return { sslservername: first.name, ...tls };
  throw new Problem({
    code: "config",
    fact: "The database URL has several hosts, and an address (hostaddr) for each.",
    outcome: "nothing-run",
    remedy: "Give either their names or their addresses.",
  });
}

function targetOf(given: string | undefined, env: Environment): TargetSessionAttrs | undefined {
  const target = given ?? env.PGTARGETSESSIONATTRS;
  if (!target) return undefined;
  if (isTarget(target)) return target === "any" ? undefined : target;
  throw new Problem({
    code: "config",
    fact: `PGTARGETSESSIONATTRS is ${targetProblem(target)}.`,
    outcome: "nothing-run",
    remedy: "Correct it.",
  });
}

/** An empty one in the URL keeps the environment's out. */
function settingsOf(
  given: Readonly<Record<string, string>>,
  applicationName: string,
  env: Environment,
): Record<string, string> {
  const ofSession = given.options !== "";
  const all = {
    application_name: env.PGAPPNAME || applicationName,
    options: env.PGOPTIONS ?? "",
    ...(ofSession && {
      TimeZone: env.PGTZ ?? "",
      DateStyle: env.PGDATESTYLE ?? "",
      geqo: env.PGGEQO ?? "",
    }),
    ...given,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

/** The time to connect that the URL, or else `PGCONNECT_TIMEOUT`, gives, in milliseconds. */
export function connectTimeoutOf(url: string, env: Environment = process.env): number | undefined {
  return addressOf(url, env).parameters.connectTimeoutMs ?? connectTimeout(env.PGCONNECT_TIMEOUT);
}

/** What is unusual about a URL, each as a sentence for people. */
export interface UrlWarning {
  readonly kind: "url-parameter" | "password-file";
  readonly message: string;
}

/** Parameters that nobody knows, and a password file that cannot be used. */
export function urlWarnings(url: string, env: Environment = process.env): readonly UrlWarning[] {
  const address = addressOf(url, env);
  const unchecked = UNCHECKED.filter((name) => env[name]).map((name) => ({
    kind: "url-parameter" as const,
    message: `${name} is set, which Tidemark does not support: the connection is made without that check.`,
  }));
  const unknown = address.parameters.unknown.map((name) => ({
    kind: "url-parameter" as const,
    message:
      `The database URL has the parameter ${name}, which Tidemark does not know: it is left out. ` +
      "Settings of the server go into options=-c%20name%3Dvalue.",
  }));
  const { warning } = passwordOf(address, loginOf(address, env), env);
  const message = `The connection has no password: ${warning}.`;
  return [
    ...unchecked,
    ...unknown,
    ...(warning === undefined ? [] : [{ kind: "password-file" as const, message }]),
  ];
}

const UNCHECKED = ["PGREQUIREAUTH", "PGREQUIREPEER", "PGSSLCRLDIR"];

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
