import postgres from "postgres";
import { describeTarget, driverUrl, urlProblem } from "../base/address.ts";
import { messageOf } from "../base/problem.ts";
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
  readonly url: string;
  readonly driver: postgres.Options<Record<string, never>>;
  readonly host: string;
  readonly port: number;
  /** The Unix socket's path, if the host is a directory. */
  readonly socketPath: string | undefined;
  readonly connectTimeoutMs: number;
  /** For messages: no password. */
  readonly label: string;
}

/** The servers that the options name, in order. Connects to none. Throws `config`. */
export function resolveTargets(options: PoolOptions): readonly Target[] {
  const { url, options: own } = readUrl(options.url);
  const driver: postgres.Options<Record<string, never>> = {
    max: 1,
    fetch_types: false,
    idle_timeout: 0,
    connect_timeout: 0,
    max_lifetime: null,
    connection: { application_name: options.applicationName ?? "tidemark" },
    onnotice: options.onNotice ?? (() => undefined),
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    ...own,
  };
  const parsed = parse(url, driver);
  return parsed.host.map((host, index) => {
    const port = parsed.port[index] ?? 5432;
    return {
      url,
      driver,
      host,
      port,
      socketPath: parsed.path || undefined,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      label: parsed.path
        ? describeTarget(options.url)
        : `postgres://${parsed.user}@${host}:${port}/${parsed.database}`,
    };
  });
}

function readUrl(url: string) {
  const problem = url === "" ? "is empty" : urlProblem(url);
  if (problem === undefined) return driverUrl(url);
  throw configError(
    `The database URL ${problem}.`,
    url === "" ? "Give it as postgres://user:password@host:port/database." : "Correct it.",
  );
}

function parse(url: string, driver: postgres.Options<Record<string, never>>) {
  try {
    return postgres(url, driver).options;
  } catch (cause) {
    const fact = `The database URL cannot be used: ${messageOf(cause)}.`;
    throw configError(fact, "Correct it.", cause);
  }
}

function configError(fact: string, remedy: string, cause?: unknown): DatabaseError {
  return new DatabaseError({ code: "config", fact, remedy, cause });
}
