import { errorCode } from "../base/problem.ts";
import { EmbeddedServerError } from "./errors.ts";
import {
  CONNECTION_LOST,
  type LockConnection,
  type LockConnectionOptions,
  NO_ANSWER,
  openLockConnection,
} from "./lock-connection.ts";

export type ShareOptions = LockConnectionOptions;

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
  const outcome = await takeShared(options);
  if (outcome.kind !== "taken") {
    return outcome;
  }
  let { connection } = outcome;
  let isLeaving = false;
  let retaking: Promise<void> = Promise.resolve();
  // Someone ended our connection (a test of dropped connections, say) and the server may live on:
  // without the lock the next one to leave would stop it under us.
  const watch = () =>
    connection.onLost(() => {
      if (!isLeaving) {
        retaking = retake();
      }
    });
  const retake = async () => {
    const again = await takeShared(options).catch(() => undefined);
    if (again?.kind === "taken") {
      connection = again.connection;
      watch();
    }
  };
  watch();
  const share: Share = {
    prepareDatabase: (name) => prepareDatabase(connection, name),
    async leave(whenLast) {
      isLeaving = true;
      await retaking;
      await leaveServer(connection, whenLast);
    },
  };
  return { kind: "joined", share };
}

type TakeOutcome =
  | { readonly kind: "taken"; readonly connection: LockConnection }
  | Exclude<JoinOutcome, { kind: "joined" }>;

async function takeShared(options: ShareOptions): Promise<TakeOutcome> {
  const connection = openLockConnection(options);
  try {
    if (await tryLock(connection, "pg_try_advisory_lock_shared", options.connectTimeoutMs)) {
      return { kind: "taken", connection };
    }
    await connection.close();
    return { kind: "unavailable" };
  } catch (cause) {
    await connection.close();
    if (isUnavailable(cause)) {
      return { kind: "unavailable", cause };
    }
    throw refused(options, cause);
  }
}

async function leaveServer(
  connection: LockConnection,
  whenLast: () => Promise<void>,
): Promise<void> {
  try {
    // Unlock first: two that leave at once and both hold it would both find the other there.
    await tryLock(connection, "pg_advisory_unlock_shared");
    if (await tryLock(connection, "pg_try_advisory_lock")) {
      await whenLast();
    }
  } catch (error) {
    // A server that is gone needs no stopping.
    if (!isUnavailable(error)) {
      throw error;
    }
  } finally {
    await connection.close();
  }
}

type LockFunction =
  | "pg_try_advisory_lock_shared"
  | "pg_advisory_unlock_shared"
  | "pg_try_advisory_lock";

async function tryLock(
  connection: LockConnection,
  lockFunction: LockFunction,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<boolean> {
  const query = `select pg_catalog.${lockFunction}(${LOCK}) as taken`;
  const [row] = await connection.ask<{ taken: boolean }>(query, timeoutMs);
  return row?.taken === true;
}

// These answer at once, or the server hangs.
const ANSWER_TIMEOUT_MS = 10_000;

const DUPLICATE_DATABASE = "42P04";
const UNIQUE_VIOLATION = "23505";
const CREATE_TIMEOUT_MS = 60_000;

async function prepareDatabase(connection: LockConnection, database: string): Promise<string> {
  const [row] = await connection.ask<{ version: string; there: boolean }>(
    `select
       pg_catalog.current_setting('server_version') as version,
       exists (select from pg_catalog.pg_database where datname = ${literal(database)}) as there`,
    ANSWER_TIMEOUT_MS,
  );
  if (row?.there === false) {
    await createDatabase(connection, database);
  }
  return row?.version ?? "";
}

async function createDatabase(connection: LockConnection, database: string): Promise<void> {
  try {
    await connection.ask(`create database ${identifier(database)}`, CREATE_TIMEOUT_MS);
  } catch (cause) {
    // Another process that starts was faster.
    if (errorCode(cause) !== DUPLICATE_DATABASE && errorCode(cause) !== UNIQUE_VIOLATION) {
      throw new EmbeddedServerError("database_failed", {
        fact: `The database ${database} cannot be created: ${messageOf(cause)}`,
        cause,
      });
    }
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const UNAVAILABLE: ReadonlySet<string | undefined> = new Set([
  CONNECTION_LOST,
  NO_ANSWER,
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "53300", // too_many_connections
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
]);

function isUnavailable(error: unknown): boolean {
  return UNAVAILABLE.has(errorCode(error));
}

function refused(options: ShareOptions, cause: unknown): EmbeddedServerError {
  return new EmbeddedServerError("connect_failed", {
    fact: `The server on port ${options.port} refuses us: ${messageOf(cause)}`,
    remedy: "If its password was changed or lost and its content may go: npm run db:reset",
    cause,
  });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
