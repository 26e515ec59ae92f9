import postgres from "postgres";
import { messageOf } from "../errors.ts";
import { giveUpAfter, giveUpAfterAbort, type Loss, lossOfConnection, SessionLost } from "./loss.ts";

/** A row of a reply, by column name. */
export type Row = Readonly<Record<string, unknown>>;

/** What the server answered to one message. */
export interface Reply {
  /** Rows of all its statements, in order. */
  readonly rows: readonly Row[];
  /** Command tag of its last statement: `COMMIT`, or `ROLLBACK` where it did not commit. */
  readonly command: string;
}

/** The server's own error: the session lives on. */
export type ServerError = postgres.PostgresError;

export function isServerError(error: unknown): error is ServerError {
  return error instanceof postgres.PostgresError && typeof error.severity === "string";
}

/** A place in a run where a test may stop, kill or freeze the process. */
export interface Failpoint {
  readonly phase: "before" | "sent" | "after";
  /** Name of the message. */
  readonly message: string;
}

/** Called at every failpoint, awaited. Given by tests; the shipped code has none. */
export type OnFailpoint = (point: Failpoint) => void | Promise<void>;

export interface SessionOptions {
  readonly url: string;
  /** Bound on the connection, up to where the server takes a query. */
  readonly connectTimeoutMs: number;
  /** Bound on the answer to the first query. Default: none. */
  readonly answerTimeoutMs?: number;
  readonly onNotice: (severity: string, message: string) => void;
  readonly onFailpoint: OnFailpoint | undefined;
  /** Once it comes, the server has `graceMs` to answer; then the session is given up. */
  readonly signal?: AbortSignal | undefined;
  /** Default 5,000. */
  readonly graceMs?: number;
}

const SHORTEST_CONNECT_MS = 1_000;
const CLOSE_S = 1;

const NO_ACTIVE_TRANSACTION = "25P01";

/** A message on its way. */
export interface Sent {
  readonly reply: Promise<Reply>;
  /**
   * Asks the server to cancel it, by a connection of its own, if it is what the server
   * works on now. Resolves when that is asked; never rejects.
   */
  readonly cancel: () => Promise<void>;
}

/**
 * One connection, one server session, dead for good once it is lost.
 *
 * The driver reconnects behind its user's back, and then runs the statements that
 * were to follow in autocommit on another session. So nothing is sent after a loss,
 * and every reply races it.
 */
export interface Session {
  /** Backend pid as the handshake gave it; behind a pooler not the server's. */
  readonly handshakePid: () => number;
  /** As `server_version_num`: 180004. */
  readonly serverVersion: number;
  /**
   * Sends one message of the simple protocol.
   *
   * @throws ServerError (rejects the reply), SessionLost
   */
  readonly send: (name: string, text: string, onRow?: (row: Row) => void) => Promise<Sent>;
  /** Ends the session. Never throws. */
  readonly close: () => Promise<void>;
}

type Client = ReturnType<typeof postgres>;

/**
 * Connects, and runs the first query, which must change nothing.
 *
 * @throws ServerError where the server refuses (password, database, no slots left),
 * the driver's error where there is no server, TypeError where the URL is none.
 */
export async function openSession(
  options: SessionOptions,
  firstQuery: string,
): Promise<{ readonly session: Session; readonly first: Reply | ServerError }> {
  const lost = lossOfConnection();
  // Who waits for nothing still has a server that answers.
  const connectTimeoutMs = Math.max(options.connectTimeoutMs, SHORTEST_CONNECT_MS);
  const client = postgres(options.url, {
    max: 1,
    prepare: false,
    fetch_types: false,
    max_lifetime: null,
    idle_timeout: 0,
    connect_timeout: Math.ceil(connectTimeoutMs / 1000),
    connection: { application_name: "tidemark", standard_conforming_strings: "on" },
    onnotice: ({ code, severity, message }) => {
      // Our own rollback, to be on the safe side, where no transaction was open.
      if (code !== NO_ACTIVE_TRANSACTION) options.onNotice(severity ?? "NOTICE", message ?? "");
    },
    onclose: () => lost.reject(new SessionLost("the connection to the server was lost")),
  });
  const stopWatching = giveUpAfterAbort(options.signal, lost, options.graceMs);
  try {
    const link = new Link(client, lost, options.onFailpoint);
    const first = await link.first(firstQuery, { ...options, connectTimeoutMs });
    const session = await link.reserve();
    const close = () => {
      stopWatching();
      return session.close();
    };
    return { session: { ...session, close }, first };
  } catch (error) {
    stopWatching();
    await closeClient(client, 0);
    throw error;
  }
}

/** The state of one connection. */
class Link {
  #client: Client;
  #lost: Loss;
  #onFailpoint: OnFailpoint | undefined;
  #handshakePid = 0;
  #dead: SessionLost | undefined;

  constructor(client: Client, lost: Loss, onFailpoint: OnFailpoint | undefined) {
    this.#client = client;
    this.#lost = lost;
    this.#onFailpoint = onFailpoint;
    lost.promise.catch((reason: SessionLost) => {
      this.#dead ??= reason;
    });
  }

  /** The pool's first query makes it connect: `reserve()` alone would wait for ever. */
  async first(
    text: string,
    bounds: Pick<SessionOptions, "connectTimeoutMs" | "answerTimeoutMs">,
  ): Promise<Reply | ServerError> {
    await this.#hook("before", "look");
    const query = this.#client.unsafe(text);
    // The driver connects again and again, without a bound of its own, to a load balancer that
    // accepts a connection and ends it because nobody is behind it.
    const isSent = () => (query as { readonly active?: boolean }).active === true;
    const stopWatching = [
      giveUpAfter(bounds.connectTimeoutMs, this.#lost, isSent),
      giveUpAfter(bounds.answerTimeoutMs ?? Number.POSITIVE_INFINITY, this.#lost, () => false),
    ];
    try {
      const result = await Promise.race([query, this.#lost.promise]);
      await this.#hook("after", "look");
      return this.#replyOf(result, []);
    } catch (error) {
      if (isServerError(error) && !isFatal(error)) return error;
      throw error;
    } finally {
      for (const stop of stopWatching) stop();
    }
  }

  async reserve(): Promise<Session> {
    const reserved = await Promise.race([this.#client.reserve(), this.#lost.promise]);
    return {
      handshakePid: () => this.#handshakePid,
      serverVersion: versionNumber(String(this.#client.parameters.server_version ?? "")),
      send: (name, text, onRow) => this.#send(reserved, name, text, onRow),
      close: async () => {
        const wasDead = this.#dead !== undefined;
        if (!wasDead) reserved.release();
        this.#dead ??= new SessionLost("the session was closed");
        // Of a dead one the driver would wait for what never comes.
        await closeClient(this.#client, wasDead ? 0 : CLOSE_S);
      },
    };
  }

  async #send(
    reserved: postgres.ReservedSql,
    name: string,
    text: string,
    onRow: ((row: Row) => void) | undefined,
  ): Promise<Sent> {
    await this.#hook("before", name);
    if (this.#dead !== undefined) throw this.#dead;
    const rows: Row[] = [];
    const query = reserved.unsafe(text);
    // A statement of the user's may return any number of rows: ours are few.
    const running = query.forEach((row: Row) => {
      if (onRow === undefined) rows.push(row);
      else onRow(row);
    });
    const reply = Promise.race([running, this.#lost.promise]).then(
      async (result) => {
        await this.#hook("after", name);
        return this.#replyOf(result, rows);
      },
      (error: unknown) => {
        throw this.#settle(error);
      },
    );
    reply.catch(() => undefined);
    if (this.#onFailpoint !== undefined) {
      // The driver writes at the end of the turn.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#hook("sent", name);
    }
    return { reply, cancel: () => cancelActive(query) };
  }

  /** An error without a severity is the driver's: what it does next cannot be trusted. */
  #settle(error: unknown): unknown {
    if (isServerError(error) && !isFatal(error)) return error;
    this.#dead ??=
      error instanceof SessionLost ? error : new SessionLost(messageOf(error), { cause: error });
    this.#lost.reject(this.#dead);
    return this.#dead;
  }

  #replyOf(result: unknown, streamed: readonly Row[]): Reply {
    const results = (isListOfResults(result) ? result : [result]) as readonly DriverResult[];
    const last = results.at(-1);
    this.#handshakePid = last?.state?.pid ?? this.#handshakePid;
    return {
      rows: [...streamed, ...results.flatMap((one) => (one === undefined ? [] : [...one]))],
      command: last?.command ?? "",
    };
  }

  async #hook(phase: Failpoint["phase"], message: string): Promise<void> {
    await this.#onFailpoint?.({ phase, message });
  }
}

interface DriverResult extends Iterable<Row> {
  readonly command?: string;
  readonly state?: { readonly pid?: number };
}

function isListOfResults(result: unknown): result is readonly DriverResult[] {
  return Array.isArray(result) && !("command" in result);
}

/**
 * The driver's own `cancel()` drops the request's promise, whose rejection nobody could
 * catch, and marks a message that waits behind another so that its reply is lost.
 */
async function cancelActive(query: object): Promise<void> {
  const { active, canceller } = query as {
    readonly active?: boolean;
    readonly canceller?: ((query: object) => Promise<unknown>) | null;
  };
  if (active !== true || !canceller) return;
  try {
    await canceller(query);
  } catch {
    // The server cannot be reached for it: the session's own loss tells that.
  }
}

function isFatal(error: ServerError): boolean {
  return error.severity === "FATAL" || error.severity === "PANIC";
}

/** "15.18 (Debian 15.18-0)" → 150018, as `server_version_num` has it. */
function versionNumber(text: string): number {
  const [, major = "0", minor = "0"] = /^(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  return Number(major) * 10_000 + Number(minor);
}

async function closeClient(client: Client, timeoutSeconds: number): Promise<void> {
  try {
    await client.end({ timeout: timeoutSeconds });
  } catch {
    // Nothing is left to close.
  }
}
