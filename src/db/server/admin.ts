import { jittered, pause } from "../base/backoff.ts";
import { isServerError, openSession } from "../connection/session.ts";

/** One connection to a server, for creating and dropping databases and roles. */
export interface Admin {
  readonly url: string;
  readonly role: string;
  /** As `server_version_num`: 180004. */
  readonly serverVersion: number;
  /** The database that it is connected to: advisory locks are within one. */
  readonly database: string;
  /** The server's clock, in seconds since 1970. */
  readonly nowS: () => number;
  /** Sends SQL without parameters. @throws ServerError, or the `unreachable` error of a lost connection */
  readonly ask: <Row extends object>(statement: string) => Promise<readonly Row[]>;
}

export interface AdminTarget {
  readonly url: string;
  /** The error for a server that cannot be connected to, or whose connection is lost. Default: its cause. */
  readonly unreachable?: (cause: unknown) => unknown;
}

// A server that is starting up, and one whose connections are all taken.
const PASSING_STATES: ReadonlySet<string> = new Set(["57P03", "53300"]);
const CONNECT_TIMEOUT_MS = 10_000;
const PAUSE_MS = 150;

/** Connects, works, and disconnects. @throws the `unreachable` error */
export async function withAdmin<T>(
  { url, unreachable = (cause) => cause }: AdminTarget,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const { session, greeting } = await connect(url).catch((cause: unknown) => {
    throw unreachable(cause);
  });
  const connectedMs = performance.now();
  try {
    return await use({
      url,
      ...greeting,
      nowS: () => greeting.nowS + Math.floor((performance.now() - connectedMs) / 1_000),
      serverVersion: session.serverVersion,
      ask: async <Row extends object>(statement: string) => {
        try {
          const { reply } = await session.send("admin", statement);
          return (await reply).rows as readonly Row[];
        } catch (error) {
          throw isServerError(error) ? error : unreachable(error);
        }
      },
    });
  } finally {
    await session.close();
  }
}

// The role's own time-outs are meant for its queries; copying a template takes its time.
const GREETING = `select
  current_user as role,
  pg_catalog.current_database() as database,
  extract(epoch from pg_catalog.clock_timestamp())::integer as "nowS",
  pg_catalog.set_config('application_name', 'tidemark-admin', false),
  pg_catalog.set_config('statement_timeout', '0', false),
  pg_catalog.set_config('lock_timeout', '0', false),
  pg_catalog.set_config('idle_session_timeout', '0', false),
  pg_catalog.set_config('default_transaction_read_only', 'off', false)`;

type Greeting = Pick<Admin, "role" | "database"> & { readonly nowS: number };

async function connect(url: string) {
  const end = performance.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      const { session, first } = await openSession(
        {
          url,
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
          onNotice: () => undefined,
          onFailpoint: undefined,
        },
        GREETING,
      );
      if (!isServerError(first)) return { session, greeting: first.rows[0] as unknown as Greeting };
      await session.close();
      throw first;
    } catch (error) {
      const passes = isServerError(error) && PASSING_STATES.has(error.code);
      if (!passes || performance.now() > end) throw error;
      await pause(jittered(PAUSE_MS));
    }
  }
}
