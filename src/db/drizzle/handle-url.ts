import { formatUrl } from "../base/address.ts";
import { MigrateError } from "../migrate/index.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The database URL that a drizzle handle was made with: of postgres.js, and of `pg`'s Pool and Client.
 *
 * @throws MigrateError `config` for a handle that does not tell, with the line to write instead
 */
export async function urlOfHandle(handle: unknown): Promise<string> {
  const client = clientOf(handle);
  const settings = client && (postgresJs(client) ?? nodePostgres(client));
  if (settings === undefined) throw unreadable(handle, client);
  const password =
    typeof settings.password === "function" ? await settings.password() : settings.password;
  return settings.url(text(password));
}

interface HandleSettings {
  /** Some ask a function for it, such as a cloud's token. */
  readonly password: unknown;
  readonly url: (password: string | undefined) => string;
}

/** The driver's own object in a handle; drizzle up to 0.33 kept it in the session. */
function clientOf(handle: unknown): Fields | undefined {
  const { $client, session } = fieldsOf(handle);
  const client = $client ?? fieldsOf(session).client;
  return isFields(client) ? client : undefined;
}

function postgresJs({ options }: Fields): HandleSettings | undefined {
  const { host, port, path, pass, user, database, ssl, connection, target_session_attrs, socket } =
    fieldsOf(options);
  // A socket of the caller's own leads where no URL does.
  if (!Array.isArray(host) || !Array.isArray(port) || socket) return undefined;
  const parameters = {
    ...tlsParameters(ssl),
    ...sessionParameters(fieldsOf(connection)),
    ...(typeof target_session_attrs === "string" && { target_session_attrs }),
  };
  const folder = typeof path === "string" ? /^(.*)\/\.s\.PGSQL\.(\d+)$/.exec(path) : null;
  if (typeof path === "string" && path !== "" && folder === null) return undefined;
  const place = { host: folder?.[1] ?? host.join(","), port: folder?.[2] ?? port.join(",") };
  const address = { ...place, user: text(user) };
  return {
    password: pass,
    url: (password) => formatUrl({ ...address, password, database: text(database), parameters }),
  };
}

function nodePostgres(client: Fields): HandleSettings | undefined {
  const { connectionParameters, options } = client;
  // A client has all of it resolved; a pool what it was given.
  const given = isFields(connectionParameters)
    ? {
        ...connectionParameters,
        ssl: client.ssl ?? connectionParameters.ssl,
        password: client.password,
      }
    : "totalCount" in client
      ? fieldsOf(options)
      : undefined;
  if (given === undefined || given.stream !== undefined) return undefined;
  const { connectionString, host, port, user, database, ssl, password } = given;
  const more = {
    ...(typeof given.options === "string" && given.options !== "" && { options: given.options }),
    ...(typeof given.application_name === "string" && { application_name: given.application_name }),
  };
  if (typeof connectionString === "string" && connectionString !== "") {
    if (!/^postgres(ql)?:\/\//i.test(connectionString)) return undefined;
    return {
      password: undefined,
      url: () => withParameters(connectionString, { ...tlsParameters(ssl), ...more }),
    };
  }
  const parameters = { ...tlsParameters(ssl), ...more };
  const address = {
    host: text(host),
    port: text(port),
    user: text(user),
    database: text(database),
  };
  return { password, url: (secret) => formatUrl({ ...address, password: secret, parameters }) };
}

/**
 * `pg`'s own reading of a connection string wins over what stands beside it. Its `require` checks the
 * certificate, as `verify-full`; only `no-verify`, and `uselibpqcompat`, do not.
 */
function withParameters(
  connectionString: string,
  beside: Readonly<Record<string, string>>,
): string {
  const [place = "", search = ""] = connectionString.split("?", 2);
  const query = new URLSearchParams(search);
  const mode = query.get("sslmode");
  if (query.get("uselibpqcompat") !== "true") {
    if (mode === "no-verify") query.set("sslmode", "require");
    else if (mode !== null && CHECKED_BY_PG.has(mode)) query.set("sslmode", "verify-full");
  }
  // pg leaves out what it does not know, and a search path is one of it.
  query.delete("search_path");
  const hasTls = mode !== null || query.has("ssl") || query.has("sslrootcert");
  for (const [name, value] of Object.entries(beside)) {
    if (query.has(name) || (hasTls && name.startsWith("ssl"))) continue;
    query.set(name, value);
  }
  return query.size === 0 ? place : `${place}?${query}`;
}

const CHECKED_BY_PG: ReadonlySet<string> = new Set(["prefer", "require", "verify-ca"]);

/** A driver's `ssl` as the URL's parameters; certificates as PEM texts. */
function tlsParameters(ssl: unknown): Readonly<Record<string, string>> {
  if (ssl === undefined || ssl === null || ssl === false) return {};
  if (ssl === true) return { sslmode: "verify-full" };
  if (ssl === "true" || ssl === "1") return { sslmode: "verify-full" };
  if (ssl === "false" || ssl === "0" || ssl === "") return {};
  if (typeof ssl === "string") return { sslmode: ssl === "allow" ? "prefer" : ssl };
  const { rejectUnauthorized, ca, cert, key, passphrase, servername, checkServerIdentity } =
    fieldsOf(ssl);
  // A check of names of the caller's own cannot be carried over; the authority's can.
  const checked =
    checkServerIdentity === undefined || ca === undefined ? "verify-full" : "verify-ca";
  const parameters = {
    sslmode: rejectUnauthorized === false ? "require" : checked,
    // libpq checks against an authority that it is given, whatever the mode.
    ...(rejectUnauthorized !== false && pem("sslrootcert", ca)),
    ...pem("sslcert", cert),
    ...pem("sslkey", key),
    ...(typeof passphrase === "string" && { sslpassword: passphrase }),
    ...(typeof servername === "string" && { sslservername: servername }),
  };
  return parameters;
}

function pem(name: string, value: unknown): Readonly<Record<string, string>> {
  const parts = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return parts.length === 0 ? {} : { [name]: parts.map(String).join("\n") };
}

/** Settings of the session, as postgres.js takes them, for the server's own `options`. */
function sessionParameters(connection: Fields): Readonly<Record<string, string>> {
  // What only other drivers understand is no setting of the server.
  const { application_name: application, options, channel_binding: _, ...settings } = connection;
  const flags = Object.entries(settings).map(
    ([name, value]) => `-c ${name}=${String(value).replaceAll(/([\\ ])/g, "\\$1")}`,
  );
  const all = [...(typeof options === "string" && options !== "" ? [options] : []), ...flags];
  return {
    // postgres.js names itself where nobody does.
    ...(typeof application === "string" &&
      application !== "postgres.js" && { application_name: application }),
    ...(all.length > 0 && { options: all.join(" ") }),
  };
}

function unreadable(handle: unknown, client: Fields | undefined): MigrateError {
  const name = (value: unknown) => fieldsOf(value).constructor?.name ?? typeof value;
  const of = client === undefined ? "" : ` over ${name(client)}`;
  return new MigrateError({
    code: "config",
    fact: `This drizzle handle (${name(handle)}${of}) does not tell which database it is connected to: only those of postgres.js and of pg's Pool and Client do.`,
    outcome: "nothing-run",
    remedy:
      'Give the URL: await new DatabaseMigrator({ url: process.env.DATABASE_URL, dir: "./drizzle" }).migrate(), with ' +
      'DatabaseMigrator of "tidemark". PGlite, which runs in the process, has no URL: keep drizzle\'s own migrator for it.',
  });
}

const isFields = (value: unknown): value is Fields =>
  (typeof value === "object" && value !== null) || typeof value === "function";

const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});

function text(value: unknown): string | undefined {
  return value === undefined || value === null || value === "" ? undefined : String(value);
}
