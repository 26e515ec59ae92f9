import { userInfo } from "node:os";
import { type Address, readAddress } from "../base/address.ts";
import { type FoundPassword, lookUpPassword } from "./password-file.ts";
import { type Environment, readService } from "./service-file.ts";

const DEFAULT_PORT = "5432";

/** The URL's, with what its service, or `PGSERVICE`, adds. */
export function addressOf(url: string, env: Environment): Address {
  const own = readAddress(url);
  const { service: asked, tls } = own.parameters;
  const name = asked ?? env.PGSERVICE;
  if (!name) return own;
  const service = readService(name, asked === undefined ? "PGSERVICE" : "the database URL", env);
  const isSilent = Object.keys(tls).length === 0 && !env.PGSSLMODE;
  const hasTls = Object.keys(service).some((key) => key.startsWith("ssl"));
  // libpq's default where nobody has asked for anything else.
  return readAddress(url, { ...(isSilent && !hasTls && { sslmode: "prefer" }), ...service });
}

/** Who logs in, and at which servers. */
export interface LoginOfUrl {
  readonly user: string;
  readonly database: string;
  readonly servers: readonly {
    readonly name: string;
    readonly port: string;
    readonly address?: string;
  }[];
  readonly path: string | undefined;
}

export function loginOf(
  { user, database, hosts, socketPath }: Address,
  env: Environment,
): LoginOfUrl {
  const as = user || env.PGUSER || env.PGUSERNAME || osUser();
  const login = { user: as, database: database || env.PGDATABASE || as };
  if (socketPath !== undefined) {
    const port = socketPath.slice(socketPath.lastIndexOf(".") + 1);
    const name = socketPath.slice(0, socketPath.lastIndexOf("/"));
    return { ...login, servers: [{ name, port }], path: socketPath };
  }
  const servers = (hosts.length === 0 ? [{ name: "", port: undefined }] : hosts).flatMap(
    ({ name, port, address }) => {
      const ports = port === undefined ? (env.PGPORT || DEFAULT_PORT).split(",") : [port];
      const given = env.PGHOST || env.PGHOSTADDR || "localhost";
      const names = name === "" ? given.split(",") : [unbracketed(name)];
      const addresses = name === "" ? (env.PGHOSTADDR || undefined)?.split(",") : [address];
      return names.map((one, i) => {
        const to = addresses?.[i];
        const server = { name: one, port: ports[i] ?? ports[0] ?? DEFAULT_PORT };
        return to === undefined || to === one ? server : { ...server, address: to };
      });
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
export function passwordOf(
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

function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return process.env.USER ?? process.env.LOGNAME ?? "postgres";
  }
}
