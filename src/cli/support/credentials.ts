import { formatUrl, urlProblem } from "../../db/base/address.ts";

/** What `dbCredentials` come to. */
export type Credentials =
  | { readonly kind: "url"; readonly url: string }
  /** Nothing is there, or a variable that it comes from is not set. */
  | { readonly kind: "unset"; readonly why: string }
  | { readonly kind: "problem"; readonly problem: string };

interface GivenConfig {
  readonly dialect?: unknown;
  readonly driver?: unknown;
  readonly dbCredentials?: unknown;
}

// As drizzle-kit connects: `pg` takes any certificate with the first three.
const MODES: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [true, "verify-full"],
  [false, "disable"],
  ["require", "no-verify"],
  ["allow", "no-verify"],
  ["prefer", "prefer"],
  ["verify-full", "verify-full"],
]);

/**
 * The database that a drizzle configuration names: `url`, or `host`, `port`, `user`, `password`,
 * `database` and `ssl`, in each form that drizzle-kit takes.
 */
export function readCredentials({ dialect, driver, dbCredentials }: GivenConfig): Credentials {
  if (dbCredentials === undefined || dbCredentials === null)
    return unset("dbCredentials is not there");
  if (typeof dbCredentials !== "object") return problem("dbCredentials is not an object");
  if (dialect !== undefined && dialect !== "postgresql") {
    return problem(`the dialect is ${String(dialect)}, where Tidemark migrates postgresql`);
  }
  if (driver !== undefined) {
    return problem(
      `the driver ${String(driver)} cannot be used: Tidemark connects to a PostgreSQL server by its URL`,
    );
  }
  const given = dbCredentials as Readonly<Record<string, unknown>>;
  // With both, drizzle-kit takes what is complete first: the host.
  if (isText(given.host) && isText(given.database)) return fromParts(given);
  if (isText(given.url)) {
    const wrong = urlProblem(given.url.trim());
    return wrong === undefined
      ? { kind: "url", url: given.url.trim() }
      : problem(`dbCredentials.url ${wrong}`);
  }
  if (isText(given.host)) return unset("dbCredentials.database is not set");
  return unset(`dbCredentials.${"host" in given ? "host" : "url"} is not set`);
}

function fromParts(given: Readonly<Record<string, unknown>>): Credentials {
  const tls = tlsParameters(given.ssl);
  if (typeof tls === "string") return problem(tls);
  const text = (name: string) => {
    const value = given[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  };
  const url = formatUrl({
    host: text("host"),
    port: text("port"),
    user: text("user"),
    password: text("password"),
    database: text("database"),
    parameters: tls,
  });
  const wrong = urlProblem(url);
  return wrong === undefined ? { kind: "url", url } : problem(`dbCredentials ${wrong}`);
}

/** Options of `tls.connect` that a URL can say. */
const OPTIONS: Readonly<Record<string, string>> = {
  ca: "sslrootcert",
  cert: "sslcert",
  key: "sslkey",
  crl: "sslcrl",
  passphrase: "sslpassword",
  servername: "sslservername",
  minVersion: "ssl_min_protocol_version",
  maxVersion: "ssl_max_protocol_version",
};

/** `ssl` as parameters of a URL, or what is wrong with it. */
function tlsParameters(ssl: unknown): Readonly<Record<string, string>> | string {
  // drizzle-kit with `pg` asks for TLS then, and with postgres.js it does not.
  if (ssl === undefined) return process.env.PGSSLMODE ? {} : { sslmode: "prefer" };
  const mode = MODES.get(ssl);
  if (mode !== undefined) return { sslmode: mode };
  if (typeof ssl !== "object" || ssl === null) {
    return "dbCredentials.ssl is none of true, false, require, allow, prefer, verify-full and an object";
  }
  const {
    rejectUnauthorized = true,
    checkServerIdentity,
    ...options
  } = ssl as Readonly<Record<string, unknown>>;
  // A function of its own usually lets any name pass.
  const checked = checkServerIdentity === undefined ? "verify-full" : "verify-ca";
  const parameters: Record<string, string> = {
    sslmode: rejectUnauthorized === false ? "no-verify" : checked,
  };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const parameter = OPTIONS[name];
    const text = pemText(value);
    if (parameter === undefined || text === undefined) {
      return `dbCredentials.ssl.${name} is not supported (but ${Object.keys(OPTIONS).join(", ")} and rejectUnauthorized are)`;
    }
    parameters[parameter] = text;
  }
  return parameters;
}

/** Authorities may be several, and each a text or its bytes. */
function pemText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (!Array.isArray(value)) return undefined;
  const all = value.map(pemText);
  return all.includes(undefined) ? undefined : all.join("\n");
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function unset(why: string): Credentials {
  return { kind: "unset", why };
}

function problem(text: string): Credentials {
  return { kind: "problem", problem: text };
}
