import { connectFailed, isRefusal } from "./connect-error.ts";
import { DatabaseError } from "./database-error.ts";
import { createDrizzleHandle, type DrizzleHandle, type DrizzleSource } from "./drizzle-handle.ts";
import { readOne } from "./rows.ts";
import { createSession, type Result, type Session, type Statement } from "./session.ts";
import { createSlots, type Slots } from "./slots.ts";
import { type PoolOptions, resolveTargets, type Target } from "./target.ts";
import {
  createTransaction,
  refuseTransactionControl,
  runTransaction,
  type Transaction,
  type TransactionOptions,
} from "./transaction.ts";

export { DatabaseError, type DatabaseErrorCode } from "./database-error.ts";
export type { PoolOptions } from "./target.ts";
export type { Transaction, TransactionOptions } from "./transaction.ts";

/**
 * Connections to one database, opened when needed. A query or transaction has its connection for
 * itself, and a connection that died is never used again; nothing is retried.
 *
 * What SQL does wrong rejects with postgres.js's `PostgresError` (SQLSTATE in `code`; drizzle wraps
 * it, in `cause`), all else with `DatabaseError`.
 */
export class DatabasePool {
  /** Typed with the tables of `src/db/schema`. */
  readonly drizzle: DrizzleHandle;

  readonly #targets: readonly Target[];
  readonly #idleTimeoutMs: number;
  readonly #slots: Slots;
  readonly #sessions = new Set<Session>();
  /** The last one used is at the end, and the first to be used again, so that the others expire. */
  readonly #idle = new Map<Session, NodeJS.Timeout | undefined>();
  #closing: Promise<void> | undefined;

  /** Connects to nothing yet. Throws `config`. */
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

  /** Undefined when there is no row. Throws `too_many_rows` when there are several. */
  async queryOne<T>(text: string, params: readonly unknown[] = []): Promise<T | undefined> {
    return readOne<T>(await this.#run({ text, params }));
  }

  /**
   * Proves that a query is answered within the time. A connection that does not answer is dropped:
   * asked again and again, it would hold one after the other until the network gives it up.
   *
   * Rejects with `connect` where no connection was free or made in time, `connection_lost` where none answered.
   */
  ping(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let asked: Session | undefined;
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        const reason = noAnswer(timeoutMs, asked);
        asked?.kill(reason);
        reject(reason);
      }, timeoutMs);
      this.#withSession(async (session) => {
        if (late) return;
        asked = session;
        await session.run({ text: "select 1" });
      })
        .finally(() => clearTimeout(timer))
        .then(resolve, reject);
    });
  }

  /**
   * Commits when `work` resolves and rolls back when it rejects, and then rejects with the same
   * error. When the connection dies on the way, the rest of `work` is refused and nothing is
   * committed; `commit_in_doubt` if it died during COMMIT itself.
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
   * Refuses what comes from now on, waits for what is running, and after `timeoutMs` (default 5,000)
   * drops the connections that are still in use. Calling it again awaits the first call.
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

  async #open(): Promise<Session> {
    let failure: DatabaseError | undefined;
    for (const target of this.#targets) {
      const session: Session = createSession(target, () => this.#forget(session));
      this.#sessions.add(session);
      try {
        await session.connect();
        return session;
      } catch (error) {
        failure = error instanceof DatabaseError ? error : connectFailed(target, error);
        if (this.#closing !== undefined || isRefusal(failure)) break;
      }
    }
    throw failure ?? closedError();
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
    let late: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      late = setTimeout(resolve, timeoutMs);
    });
    const idle = [...this.#idle.keys()];
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    await Promise.race([timeout, Promise.all([returned, ...idle.map((s) => this.#end(s))])]);
    clearTimeout(late);
    for (const session of this.#sessions) session.kill(closedError());
  }
}

function noAnswer(timeoutMs: number, asked: Session | undefined): DatabaseError {
  if (asked === undefined) {
    const message = `No connection was free or made within ${timeoutMs} ms. Raise the pool's \`max\`, or look at what holds its connections.`;
    return new DatabaseError("connect", message);
  }
  const message = `The database did not answer within ${timeoutMs} ms; the connection was dropped. Look at the server and the network.`;
  return new DatabaseError("connection_lost", message);
}

function closedError(): DatabaseError {
  const message = "The database pool was closed. Query before close(), or open another pool.";
  return new DatabaseError("closed", message);
}
