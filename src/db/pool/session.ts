import { Stream } from "node:stream";
import postgres from "postgres";
import { errorCode } from "../base/problem.ts";
import { lossOfConnection, TlsRefused } from "../connection/loss.ts";
import { createSockets } from "../connection/sockets.ts";
import { connectFailed, connectTimedOut } from "./connect-error.ts";
import { DatabaseError } from "./database-error.ts";
import type { Target } from "./target.ts";
import { wireTypes } from "./wire-types.ts";

export interface Statement {
  readonly text: string;
  readonly params?: readonly unknown[];
  /** `drizzle`: rows as arrays, dates as text. `plain`: rows as objects, dates parsed. */
  readonly shape?: "plain" | "drizzle" | "drizzle-objects";
}

export type Result = postgres.RowList<postgres.Row[]>;

/**
 * One connection, opened once: after its loss every further statement is refused. Statements run
 * one after the other, in the order of the calls.
 *
 * Not the engine's session, which speaks the simple protocol: the pool's queries have parameters and
 * typed values, drizzle chooses the shape of their rows, and a statement that holds several must fail.
 */
export interface Session {
  /** Opens the connection. Call it once, before anything else. Throws `connect`. */
  connect(): Promise<void>;
  /** Rejects with `PostgresError` when the server objects, else with `DatabaseError`. */
  run(statement: Statement): Promise<Result>;
  /** The reason why the session can no longer be used. */
  readonly lost: DatabaseError | undefined;
  /** The work's result, or the reason of the loss as soon as the connection is lost. The work goes on. */
  untilLost<T>(work: Promise<T>): Promise<T>;
  /** Ends the session in good order. No statement may be running. */
  end(): Promise<void>;
  /** Drops the connection at once: a running statement rejects with `reason`. */
  kill(reason: DatabaseError): void;
}

// Never the simple protocol: it would accept several statements, and hide a COMMIT among them.
const PREPARED = { prepare: true, simple: false } as postgres.UnsafeQueryOptions;
const UNPREPARED = { prepare: false, simple: false } as postgres.UnsafeQueryOptions;

// A server that is gone does not answer: the socket must not wait for it.
const GOODBYE_SECONDS = 1;

/**
 * postgres.js reconnects by itself, even in an open transaction, whose later statements then run one
 * by one in autocommit on the new connection. So each client here has one connection and gets one
 * socket: a second one is refused, whichever path inside the driver asks for it.
 */
export function createSession(target: Target, onLost: () => void): Session {
  const loss = lossOfConnection<DatabaseError>();
  const sockets = createSockets(target.connectTimeoutMs);
  let isOpened = false;
  /** Rejects what is waited for now. */
  let interrupt: ((reason: DatabaseError) => void) | undefined;
  /** Of the calls: those that run or wait, and the last of them. */
  let unanswered = 0;
  let last: Promise<Result>;
  let datesAsText = false;
  // Behind a pooler the next statement may be another backend's, which knows nothing of what was prepared.
  let isDirect = false;

  const client = postgres({
    ...target.driver,
    host: target.host,
    port: target.port,
    types: wireTypes(() => datesAsText),
    socket: () => {
      if (isOpened) throw connectionLost(target, undefined);
      isOpened = true;
      const { host, port, socketPath = false } = target;
      return sockets.open({ host: [host], port: [port], path: socketPath });
    },
    onclose: () => lose(connectionLost(target, undefined)),
  } as postgres.Options<Record<string, postgres.PostgresType>>);

  function lose(reason: DatabaseError): void {
    sockets.destroy();
    if (loss.reason() !== undefined) return;
    loss.reject(reason);
    interrupt?.(reason);
    onLost();
  }

  /** Type 0 lets the server say what an array is; the driver would guess from its first item. */
  function typed(value: unknown): unknown {
    return Array.isArray(value) ? client.typed(value as never, 0) : value;
  }

  /** Hands it to the driver, which sends it when it is awaited. */
  function query(statement: Statement) {
    const dead = loss.reason();
    if (dead !== undefined) throw dead;
    const { text, shape = "plain" } = statement;
    const params = checkParameters(statement);
    datesAsText = shape !== "plain";
    const pending = client.unsafe(
      text,
      (params.some(Array.isArray) ? params.map(typed) : params) as never[],
      isDirect ? PREPARED : UNPREPARED,
    );
    return shape === "drizzle" ? pending.values() : pending;
  }

  /** As `loss.race`, for the one statement that runs: fewer promises, at each query. */
  function orLost(pending: PromiseLike<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      interrupt = reject;
      pending.then(resolve, reject);
    });
  }

  async function send(statement: Statement): Promise<Result> {
    try {
      const pending = query(statement);
      try {
        const result = await orLost(pending);
        if (!Array.isArray(result)) throw refuseCopy(result);
        return result as unknown as Result;
      } catch (error) {
        if (error instanceof postgres.PostgresError || error === loss.reason()) throw error;
        // The driver's protocol state is unknown after an error that the server did not send.
        const reason = error instanceof DatabaseError ? error : connectionLost(target, error);
        lose(reason);
        throw isNetworkError(error) ? reason : error;
      }
    } finally {
      unanswered -= 1;
    }
  }

  function run(statement: Statement): Promise<Result> {
    const isNext = unanswered === 0;
    unanswered += 1;
    const next = () => send(statement);
    last = isNext ? next() : last.then(next, next);
    return last;
  }

  async function connect(): Promise<void> {
    const late = setTimeout(() => lose(connectTimedOut(target)), target.connectTimeoutMs);
    try {
      const first = await run({ text: "select pg_catalog.pg_backend_pid() as pid" });
      const { state } = first as { readonly state?: { readonly pid?: number } };
      isDirect = state?.pid === first[0]?.pid;
    } catch (error) {
      const { tlsAskedBy } = target;
      if (tlsAskedBy !== undefined && sockets.refusedTls()) {
        const refused = connectFailed(target, new TlsRefused(tlsAskedBy, error));
        lose(refused);
        throw refused;
      }
      const ours = error instanceof DatabaseError;
      if (ours && error.code !== "connection_lost") throw error;
      const failure = connectFailed(target, ours ? error.cause : error);
      lose(failure);
      throw failure;
    } finally {
      clearTimeout(late);
    }
  }

  async function end(): Promise<void> {
    loss.reject(
      new DatabaseError({
        code: "closed",
        fact: `The connection to ${target.label} was closed.`,
        remedy: "Open another one.",
      }),
    );
    await client.end({ timeout: GOODBYE_SECONDS });
    sockets.destroy();
  }

  return {
    connect,
    run,
    end,
    untilLost: (work) => loss.race(work),
    kill: lose,
    get lost() {
      return loss.reason();
    },
  };
}

function checkParameters({ params = [] }: Statement): readonly unknown[] {
  const index = params.indexOf(undefined);
  if (index === -1) return params;
  throw new DatabaseError({
    code: "parameter",
    fact: `Parameter $${index + 1} is undefined.`,
    remedy: "Pass null for SQL's NULL.",
  });
}

function refuseCopy(stream: unknown): DatabaseError {
  // The driver returns a stream, and destroys it with an error when the connection is dropped.
  if (stream instanceof Stream) stream.on("error", () => undefined);
  return new DatabaseError({
    code: "unsupported",
    fact: "COPY to or from the client cannot run as a query.",
    remedy: "Use INSERT or SELECT.",
  });
}

function connectionLost(target: Target, cause: unknown): DatabaseError {
  return new DatabaseError({
    code: "connection_lost",
    fact: `The connection to ${target.label} was lost. Nothing of an open transaction was committed; a statement outside one may have taken effect.`,
    remedy: "See the server's log for the reason, then try again.",
    cause,
  });
}

/** Rather than a value of the caller's that cannot be written. */
function isNetworkError(error: unknown): boolean {
  return /^(E[A-Z]+$|CONNECTION_|ERR_(STREAM|SOCKET|SSL|TLS)_)/.test(errorCode(error) ?? "");
}
