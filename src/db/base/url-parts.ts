import { isIP } from "node:net";

export interface Host {
  /** Empty where only its port is given. */
  readonly name: string;
  readonly port: string | undefined;
  /** Its `hostaddr`, where the name is not to be looked up. */
  readonly address?: string;
}

/** Settings by libpq's names, as a service file has them. */
export type Keywords = Readonly<Record<string, string>>;

// An @ after the host belongs to a password in which a "/" or a "?" is not encoded: what
// stands where the host should be is a part of that password then. So does a "#".
export const URL_SHAPE =
  /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#@]*))?(?:\?([^#@]*))?$/i;
const PLACE = /^(\[[^\]]*\]|[^:[\]]+)(?::(\d+))?$/;
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~-]+)$/i;
const DEFAULT_PORT = "5432";
const MOST_PORT = 65_535;

/** A URL's parts, with what a service fills in; undefined where it cannot be read. */
export function partsOf(url: string, service: Keywords = {}) {
  const found = URL_SHAPE.exec(url);
  if (found === null) return undefined;
  const [, , login = "", authority = "", path = "", search = ""] = found;
  const own = new URLSearchParams(search);
  const query = new URLSearchParams(search);
  const isPlaced = authority !== "" || query.get("host") || query.get("hostaddr");
  for (const [name, value] of Object.entries(service)) {
    // An address belongs to its host.
    const isGiven = name === "host" || name === "hostaddr" ? isPlaced : query.has(name);
    if (!isGiven && !OF_AUTHORITY[name]?.test(authority)) query.set(name, value);
  }
  const place = placeOf(authority, query);
  const colon = login.indexOf(":");
  const user = own.get("user") || decoded(colon < 0 ? login : login.slice(0, colon));
  const password = own.get("password") || decoded(colon < 0 ? "" : login.slice(colon + 1));
  const database = own.get("dbname") || decoded(path);
  for (const name of TAKEN_OUT) query.delete(name);
  if (user === undefined || password === undefined || database === undefined) return undefined;
  return (
    place && {
      user: user || (service.user ?? ""),
      password: password || (service.password ?? ""),
      database: database || (service.dbname ?? ""),
      query,
      ...place,
    }
  );
}

const TAKEN_OUT = ["host", "hostaddr", "port", "user", "password", "dbname"];
/** Where these match what stands before the path, it says so itself. */
const OF_AUTHORITY: Readonly<Record<string, RegExp>> = { port: /:\d+(,|$)/ };

/** The query's host and port win over those before the path, as in libpq. */
function placeOf(
  authority: string,
  query: URLSearchParams,
): { hosts: readonly Host[]; socketPath: string | undefined } | undefined {
  const [queryHost, queryAddress, queryPort] = [
    query.get("host"),
    query.get("hostaddr"),
    query.get("port"),
  ];
  const given = authority === "" ? [] : authority.split(",").map((one) => PLACE.exec(one));
  if (given.includes(null)) return undefined;
  const named = queryHost
    ? [...listed(queryHost)]
    : given.map((place) => decoded(place?.[1] ?? ""));
  const addresses = queryAddress ? queryAddress.split(",") : [];
  const names = named.length === 0 ? [...addresses] : named;
  const ports = queryPort ? queryPort.split(",") : given.map((place) => place?.[2]);
  if (names.length === 0 && queryPort) names.push("");
  if (addresses.length > 0 && addresses.length !== names.length) return undefined;
  if (!addresses.every((address) => isIP(address))) return undefined;
  const isPort = (port: string | undefined) =>
    port === undefined || (/^\d+$/.test(port) && Number(port) <= MOST_PORT);
  if (!ports.every(isPort)) return undefined;
  const [directory] = names;
  if (names.length === 1 && directory?.startsWith("/") && addresses.length === 0) {
    const socketPath = `${directory.replace(/\/+$/, "")}/.s.PGSQL.${ports[0] ?? DEFAULT_PORT}`;
    return { hosts: [], socketPath };
  }
  const hosts = names.map((name = "", i) => ({
    name,
    port: ports.length === 1 ? ports[0] : ports[i],
    ...(addresses[i] !== undefined && addresses[i] !== name && { address: addresses[i] }),
  }));
  return hosts.every(({ name }) => name === "" || HOST.test(name) || isIP(name) !== 0)
    ? { hosts, socketPath: undefined }
    : undefined;
}

/** A directory may have any character in its name. */
function listed(host: string): readonly string[] {
  return host.startsWith("/") ? [host] : host.split(",");
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
