import { LONGEST_TIMER_MS, within } from "../base/backoff.ts";
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

interface Idle {
  readonly session: Session;
  /** In milliseconds, by `performance.now()`. */
  readonly since: number;
}

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
  readonly #idle: Idle[] = [];
  /** One timer for all that are idle: to set and clear one at each query costs more than the query's own work. */
  #expiry: NodeJS.Timeout | undefined;
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
  query<T>(text: string, params: readonly unknown[] = []): Promise<readonly T[]> {
    return this.#run({ text, params }) as Promise<readonly unknown[]> as Promise<readonly T[]>;
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
    const taken = this.#take();
    const session = taken instanceof Promise ? await taken : taken;
    try {
      const result = await session.run(statement);
      refuseTransactionControl(session, result.command);
      return result;
    } finally {
      const ended = this.#giveBack(session);
      if (ended !== undefined) await ended;
    }
  }

  async #withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#take();
    try {
      return await work(session);
    } finally {
      await this.#giveBack(session);
    }
  }

  /** No promise where one is idle: most of a short query's cost on this side is turns of the event loop. */
  #take(): Session | Promise<Session> {
    const admitted = this.#slots.take();
    const next = () => this.#idle.pop()?.session ?? this.#openTaken();
    return admitted === undefined ? next() : admitted.then(next);
  }

  async #openTaken(): Promise<Session> {
    try {
      return await this.#open();
    } catch (error) {
      this.#slots.give();
      throw error;
    }
  }

  #giveBack(session: Session): Promise<void> | undefined {
    const ended = this.#park(session);
    if (ended !== undefined) return ended.finally(() => this.#slots.give());
    this.#slots.give();
    return undefined;
  }

  #open(): Promise<Session> {
    const create = (target: Target) => {
      const session: Session = createSession(target, () => this.#forget(session));
      this.#sessions.add(session);
      return session;
    };
    return openFirst(this.#targets, create, () => this.#closing !== undefined);
  }

  /** Keeps it for the next query; a promise if it is to be ended instead. */
  #park(session: Session): Promise<void> | undefined {
    if (session.lost !== undefined) return undefined;
    if (this.#closing !== undefined) return this.#end(session);
    this.#idle.push({ session, since: performance.now() });
    this.#expireLater();
    return undefined;
  }

  #expireLater(): void {
    const [first] = this.#idle;
    if (first === undefined || this.#expiry !== undefined || this.#idleTimeoutMs === 0) return;
    const leftMs = Math.ceil(first.since + this.#idleTimeoutMs - performance.now());
    this.#expiry = setTimeout(
      () => this.#expire(),
      Math.min(Math.max(leftMs, 0), LONGEST_TIMER_MS),
    );
    this.#expiry.unref();
  }

  #expire(): void {
    this.#expiry = undefined;
    const before = performance.now() - this.#idleTimeoutMs;
    // The first is the one that has been idle for longest: sessions are taken from the end.
    const kept = this.#idle.findIndex(({ since }) => since > before);
    const expired = this.#idle.splice(0, kept === -1 ? this.#idle.length : kept);
    for (const { session } of expired) void this.#end(session);
    this.#expireLater();
  }

  #forget(session: Session): void {
    const index = this.#idle.findIndex((idle) => idle.session === session);
    if (index !== -1) this.#idle.splice(index, 1);
    this.#sessions.delete(session);
  }

  async #end(session: Session): Promise<void> {
    await session.end();
    this.#sessions.delete(session);
  }

  async #shutDown(timeoutMs: number): Promise<void> {
    const returned = this.#slots.close(closedError);
    clearTimeout(this.#expiry);
    const idle = this.#idle.splice(0);
    const ended = Promise.all([returned, ...idle.map(({ session }) => this.#end(session))]);
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
