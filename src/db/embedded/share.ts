import postgres, { type Sql } from "postgres";
import { EmbeddedServerError, errorCode } from "./errors.ts";
import { HOST } from "./port.ts";

export interface ShareOptions {
  readonly port: number;
  readonly password: string;
  readonly connectTimeoutMs: number;
}

/** A process's part in a running server: a connection that holds the shared lock. */
export interface Share {
  /** Creates the database unless it is there; the answer is the server's version, "18.4". */
  prepareDatabase(name: string): Promise<string>;
  /**
   * Gives the part up. When nobody else has one, `whenLast` runs under the exclusive lock, which
   * keeps newcomers out until the server is gone.
   */
  leave(whenLast: () => Promise<void>): Promise<void>;
}

export type JoinOutcome =
  | { readonly kind: "joined"; readonly share: Share }
  /** It comes up, goes down, or has no connection left: look again. */
  | { readonly kind: "unavailable"; readonly cause?: unknown };

// "tide" in ASCII. The lock lives in the database `postgres`, which is nobody's to drop.
const LOCK = 0x74696465;

/** Takes a part in the server, unless the last one is just leaving it. */
export async function joinServer(options: ShareOptions): Promise<JoinOutcome> {
  let holding = false;
  const retake = async () => {
    // Someone ended our connection (a test of dropped connections, say) and the server may live on:
    // without the lock the next one to leave would stop it under us. Asking reconnects.
    if (holding) {
      holding = false;
      holding = await tryShared(sql).catch(() => false);
    }
  };
  const sql = connect(options, () => void retake());
  try {
    if (!(await tryShared(sql))) {
      await sql.end({ timeout: 0 });
      return { kind: "unavailable" };
    }
  } catch (cause) {
    await sql.end({ timeout: 0 });
    if (isUnavailable(cause)) {
      return { kind: "unavailable", cause };
    }
    throw refused(options, cause);
  }
  holding = true;
  return {
    kind: "joined",
    share: {
      prepareDatabase: (name) => prepareDatabase(sql, name),
      leave: (whenLast) => {
        holding = false;
        return leaveServer(sql, whenLast);
      },
    },
  };
}

function connect(options: ShareOptions, onclose: () => void): Sql {
  return postgres({
    host: HOST,
    port: options.port,
    database: "postgres",
    username: "postgres",
    password: options.password,
    ssl: false,
    max: 1,
    // Named, all of them: what is left out is taken from PG* variables.
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: Math.max(1, options.connectTimeoutMs / 1000),
    fetch_types: false,
    prepare: false,
    onnotice: ignoreNotice,
    onclose,
    connection: { application_name: "tidemark-embedded", idle_session_timeout: 0 },
  });
}

function ignoreNotice(): void {
  // Notices are the server's chat with psql; nobody reads this connection.
}

async function leaveServer(sql: Sql, whenLast: () => Promise<void>): Promise<void> {
  try {
    // Unlock first: two that leave at once and both hold it would both find the other there.
    await sql`select pg_catalog.pg_advisory_unlock_shared(${LOCK})`;
    if (await tryExclusive(sql)) {
      await whenLast();
    }
  } catch (error) {
    falseWhenGone(error);
  } finally {
    await sql.end({ timeout: 0 });
  }
}

async function tryShared(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ taken: boolean }[]>`
    select pg_catalog.pg_try_advisory_lock_shared(${LOCK}) as taken`;
  return row?.taken === true;
}

async function tryExclusive(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ taken: boolean }[]>`
    select pg_catalog.pg_try_advisory_lock(${LOCK}) as taken`;
  return row?.taken === true;
}

const DUPLICATE_DATABASE = "42P04";
const UNIQUE_VIOLATION = "23505";

async function prepareDatabase(sql: Sql, database: string): Promise<string> {
  const [row] = await sql<{ version: string; there: boolean }[]>`
    select
      pg_catalog.current_setting('server_version') as version,
      exists (select from pg_catalog.pg_database where datname = ${database}) as there`;
  if (row?.there === false) {
    try {
      await sql.unsafe(`create database "${database.replaceAll('"', '""')}"`);
    } catch (error) {
      // Another process that starts was faster.
      if (errorCode(error) !== DUPLICATE_DATABASE && errorCode(error) !== UNIQUE_VIOLATION) {
        throw notCreated(database, error);
      }
    }
  }
  return row?.version ?? "";
}

const UNAVAILABLE: ReadonlySet<string | undefined> = new Set([
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "53300", // too_many_connections
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
]);

function isUnavailable(error: unknown): boolean {
  return UNAVAILABLE.has(errorCode(error));
}

const INVALID_PASSWORD = "28P01";

/** For what is done on leaving: a server that is gone, or a stranger on its port, needs nothing. */
function falseWhenGone(error: unknown): false {
  if (isUnavailable(error) || errorCode(error) === INVALID_PASSWORD) {
    return false;
  }
  throw error;
}

function notCreated(database: string, cause: unknown): EmbeddedServerError {
  return new EmbeddedServerError("database_failed", {
    fact: `The database ${database} cannot be created: ${cause instanceof Error ? cause.message : cause}`,
    cause,
  });
}

function refused(options: ShareOptions, cause: unknown): EmbeddedServerError {
  return new EmbeddedServerError("connect_failed", {
    fact: `The server on port ${options.port} refuses us: ${cause instanceof Error ? cause.message : cause}`,
    remedy: "If its password was changed or lost and its content may go: npm run db:reset",
    cause,
  });
}
