import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { HOST } from "./port.ts";

export interface LockConnectionOptions {
  readonly port: number;
  readonly password: string;
  readonly connectTimeoutMs: number;
}

/**
 * One connection to the database `postgres`, dead for good once it is lost. postgres.js would
 * reconnect under a lock, and leaves queries of a lost connection unanswered for ever.
 */
export interface LockConnection {
  /** Rejects with CONNECTION_LOST or NO_ANSWER instead of hanging. */
  ask<Row extends object>(query: string, timeoutMs: number): Promise<readonly Row[]>;
  /** Calls when the connection is lost or closed. */
  onLost(call: () => void): void;
  close(): Promise<void>;
}

/** The `code` of the errors that `ask` makes itself. */
export const CONNECTION_LOST = "CONNECTION_LOST";
export const NO_ANSWER = "NO_ANSWER";

export function openLockConnection(options: LockConnectionOptions): LockConnection {
  const lost = new AbortController();
  const sql = postgres({
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
    onclose: () => lost.abort(),
    connection: { application_name: "tidemark-embedded", idle_session_timeout: 0 },
  });
  return {
    onLost(call) {
      lost.signal.addEventListener("abort", call, { once: true });
    },
    ask<Row extends object>(query: string, timeoutMs: number) {
      return new Promise<readonly Row[]>((resolve, reject) => {
        if (lost.signal.aborted) {
          reject(failed(CONNECTION_LOST, options));
          return;
        }
        const timer = setTimeout(() => reject(failed(NO_ANSWER, options)), timeoutMs);
        // A turn later: when the server said why, the query's own error comes first.
        const refuse = () =>
          setImmediate(() => settle(() => reject(failed(CONNECTION_LOST, options))));
        const settle = (answer: () => void) => {
          clearTimeout(timer);
          lost.signal.removeEventListener("abort", refuse);
          answer();
        };
        lost.signal.addEventListener("abort", refuse, { once: true });
        sql.unsafe<Row[]>(query).then(
          (rows) => settle(() => resolve(rows)),
          (error) => settle(() => reject(error)),
        );
      });
    },
    async close() {
      await Promise.race([
        sql.end({ timeout: 0 }),
        sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false }),
      ]);
    },
  };
}

const CLOSE_TIMEOUT_MS = 1_000;

function ignoreNotice(): void {
  // Notices are the server's chat with psql; nobody reads this connection.
}

function failed(code: string, { port }: LockConnectionOptions): Error {
  const what = code === NO_ANSWER ? "does not answer" : "ended the connection";
  return Object.assign(new Error(`the server on port ${port} ${what}`), { code });
}
