import type postgres from "postgres";
import { describeTarget } from "../base/address.ts";
import { Problem } from "../base/problem.ts";
import { connectTimeoutOf, resolveUrl } from "../connection/driver-options.ts";
import { turnsOf } from "../connection/target-attrs.ts";
import { DatabaseError } from "./database-error.ts";

export interface PoolOptions {
  /** `postgres://user:password@host:port/database`; several hosts are tried in order. */
  readonly url: string;
  /** Most connections. Default 10. */
  readonly max?: number;
  /** A connection that is unused for this long is closed; 0 keeps it. Default 30,000. */
  readonly idleTimeoutMs?: number;
  /** From resolving the name to the accepted login, for each host. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long a query waits for a free connection. Default 30,000. */
  readonly acquireTimeoutMs?: number;
  /** As `pg_stat_activity` shows it. One in the URL wins. Default `tidemark`. */
  readonly applicationName?: string;
  /** As postgres.js takes it; without it the URL's `sslmode` decides. */
  readonly ssl?: postgres.Options<Record<string, never>>["ssl"];
  /** Receives the server's notices, which are otherwise dropped. */
  readonly onNotice?: (notice: postgres.Notice) => void;
}

/** One server to connect to, resolved from the options. */
export interface Target {
  readonly driver: postgres.Options<Record<string, never>>;
  readonly host: string;
  readonly port: number;
  /** The Unix socket's path, if the host is a directory. */
  readonly socketPath: string | undefined;
  readonly connectTimeoutMs: number;
  /** Who requires TLS, for messages; undefined where the connection may do without. */
  readonly tlsAskedBy: string | undefined;
  /** For messages: no password. */
  readonly label: string;
}

/** The servers that the options name, in order. Connects to none. Throws `config`. */
export function resolveTargets(options: PoolOptions): readonly Target[] {
  const { options: own, tls } = resolve(options);
  const { host: hosts, port: ports, target_session_attrs: wanted, ...login } = own;
  const ssl = options.ssl ?? own.ssl;
  const driver: postgres.Options<Record<string, never>> = {
    ...login,
    max: 1,
    fetch_types: false,
    idle_timeout: 0,
    connect_timeout: 0,
    max_lifetime: null,
    onnotice: options.onNotice ?? (() => undefined),
    ...(own.path === undefined && { ssl }),
  };
  const targetsOf = (asked: ReturnType<typeof turnsOf>[number]): readonly Target[] =>
    hosts.map((host, index) => {
      const port = ports[index] ?? 5432;
      return {
        driver: { ...driver, ...(asked !== undefined && { target_session_attrs: asked }) },
        host,
        port,
        socketPath: own.path,
        connectTimeoutMs: options.connectTimeoutMs ?? connectTimeoutOf(options.url) ?? 10_000,
        tlsAskedBy:
          ssl === "prefer" ? undefined : options.ssl === undefined ? tls.askedBy : "the option ssl",
        label:
          own.path === undefined
            ? `postgres://${own.user}@${host}:${port}/${own.database}`
            : describeTarget(options.url),
      };
    });
  // The next turn only if none of them is what the one before asks for.
  return turnsOf(wanted).flatMap(targetsOf);
}

function resolve({ url, applicationName }: PoolOptions) {
  if (url === "") {
    throw configError(
      "The database URL is empty.",
      "Give it as postgres://user:password@host:5432/database.",
    );
  }
  try {
    return resolveUrl(url, applicationName);
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    throw configError(cause.fact, cause.remedy, cause);
  }
}

function configError(fact: string, remedy: string, cause?: unknown): DatabaseError {
  return new DatabaseError({ code: "config", fact, remedy, cause });
}
