import { within } from "../base/backoff.ts";
import { DatabaseError } from "./database-error.ts";
import { createDrizzleHandle, type DrizzleHandle, type DrizzleSource } from "./drizzle-handle.ts";
import { openFirst } from "./open-session.ts";
import { createSession, type Result, type Session, type Statement } from "./session.ts";
import { createSlots, type Slots } from "./slots.ts";
import { type PoolOptions, resolveTargets, type Target } from "./target.ts";
import {
  createTransaction,
  readOne,
  refuseTransactionControl,
  runTransaction,
  type Transaction,
  type TransactionOptions,
} from "./transaction.ts";

export { DatabaseError, type DatabaseErrorCode } from "./database-error.ts";
export type { DrizzleHandle } from "./drizzle-handle.ts";
export type { PoolOptions } from "./target.ts";
export type { Transaction, TransactionOptions } from "./transaction.ts";

/**
 * Connections to one database, opened when needed. A query or transaction has its connection to
 * itself, and a lost connection is never used again; nothing is retried.
 *
 * An error in the SQL rejects with postgres.js's `PostgresError` (SQLSTATE in `code`; drizzle wraps
 * it, in `cause`), everything else with `DatabaseError`.
 */
export class DatabasePool {
  /** Typed with the tables of `src/db/schema`. */
  readonly drizzle: DrizzleHandle;

  readonly #targets: readonly Target[];
  readonly #idleTimeoutMs: number;
  readonly #slots: Slots;
  readonly #sessions = new Set<Session>();
  /** The last one used is at the end, and is used again first, so that the others expire. */
  readonly #idle = new Map<Session, NodeJS.Timeout | undefined>();
  #closing: Promise<void> | undefined;

  /** Does not connect yet. Throws `config`. */
  constructor(options: PoolOptions) {
    const { max = 10, idleTimeoutMs = 30_000, acquireTimeoutMs = 30_000 } = options;
    this.#targets = resolveTargets(options);
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#slots = createSlots(max, acquireTimeoutMs);
    const source: DrizzleSource = {
      run: (statement) => this.#run(statement),
      atomically: (work) => this.#withSession((session) => runTransaction(session, work)),
    };
    this.drizzle = createDrizzleHandle(source);
  }

  /** One statement, with `$1` … for the parameters, in a transaction of its own. */
  async query<T>(text: string, params: readonly unknown[] = []): Promise<readonly T[]> {
    return [...(await this.#run({ text, params }))] as unknown as readonly T[];
  }

  /** Undefined if there is no row. Throws `too_many_rows` if there are several. */
  async queryOne<T>(text: string, params: readonly unknown[] = []): Promise<T | undefined> {
    return readOne<T>(await this.#run({ text, params }));
  }

  /**
   * Proves that a query is answered in time. A connection that does not answer is dropped: repeated
   * pings would occupy one after the other until the network gives them up.
   *
   * Rejects with `connect` if no connection was free or made in time, `connection_lost` if it did not answer.
   */
  async ping(timeoutMs: number): Promise<void> {
    let asked: Session | undefined;
    let isLate = false;
    const asking = this.#withSession(async (session) => {
      if (isLate) return;
      asked = session;
      await session.run({ text: "select 1" });
    });
    await within(timeoutMs, asking, () => {
      isLate = true;
      const reason = noAnswer(timeoutMs, asked);
      asked?.kill(reason);
      return reason;
    });
  }

  /**
   * Commits if `work` resolves; rolls back if it rejects, and rejects with the same error. If the
   * connection is lost on the way, the rest of `work` is refused and nothing is committed;
   * `commit_in_doubt` if it was lost during COMMIT itself.
   */
  transaction<T>(
    work: (transaction: Transaction) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return this.#withSession((session) =>
      runTransaction(session, (source) => work(createTransaction(source)), options),
    );
  }

  /**
   * Refuses new queries, waits for the running ones, and after `timeoutMs` (default 5,000) drops the
   * connections that are still in use. Calling it again awaits the first call.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#shutDown(options.timeoutMs ?? 5_000);
    return this.#closing;
  }

  async #run(statement: Statement): Promise<Result> {
    return this.#withSession(async (session) => {
      const result = await session.run(statement);
      refuseTransactionControl(session, result.command);
      return result;
    });
  }

  async #withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
    await this.#slots.take();
    try {
      const session = this.#takeIdle() ?? (await this.#open());
      try {
        return await work(session);
      } finally {
        await this.#park(session);
      }
    } finally {
      this.#slots.give();
    }
  }

  #takeIdle(): Session | undefined {
    const session = [...this.#idle.keys()].at(-1);
    if (session === undefined) return undefined;
    clearTimeout(this.#idle.get(session));
    this.#idle.delete(session);
    return session;
  }

  #open(): Promise<Session> {
    const create = (target: Target) => {
      const session: Session = createSession(target, () => this.#forget(session));
      this.#sessions.add(session);
      return session;
    };
    return openFirst(this.#targets, create, () => this.#closing !== undefined);
  }

  async #park(session: Session): Promise<void> {
    if (session.lost !== undefined) return;
    if (this.#closing !== undefined) return this.#end(session);
    const expire = () => {
      this.#idle.delete(session);
      void this.#end(session);
    };
    const timer = this.#idleTimeoutMs === 0 ? undefined : setTimeout(expire, this.#idleTimeoutMs);
    timer?.unref();
    this.#idle.set(session, timer);
  }

  #forget(session: Session): void {
    clearTimeout(this.#idle.get(session));
    this.#idle.delete(session);
    this.#sessions.delete(session);
  }

  async #end(session: Session): Promise<void> {
    await session.end();
    this.#sessions.delete(session);
  }

  async #shutDown(timeoutMs: number): Promise<void> {
    const returned = this.#slots.close(closedError);
    const idle = [...this.#idle.keys()];
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    const ended = Promise.all([returned, ...idle.map((session) => this.#end(session))]);
    // Those that have not ended by then are dropped.
    await within(timeoutMs, ended, closedError).catch(() => undefined);
    for (const session of this.#sessions) session.kill(closedError());
  }
}

function noAnswer(timeoutMs: number, asked: Session | undefined): DatabaseError {
  if (asked === undefined) {
    return new DatabaseError({
      code: "connect",
      fact: `No connection was free or made within ${timeoutMs} ms.`,
      remedy: "Raise the pool's `max`, or find out what holds its connections.",
    });
  }
  return new DatabaseError({
    code: "connection_lost",
    fact: `The database did not answer within ${timeoutMs} ms; the connection was dropped.`,
    remedy: "Check the server and the network.",
  });
}

function closedError(): DatabaseError {
  return new DatabaseError({
    code: "closed",
    fact: "The database pool was closed.",
    remedy: "Query before close(), or open another pool.",
  });
}
