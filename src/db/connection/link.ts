import type { ReservedSql, Sql } from "postgres";
import { messageOf } from "../base/problem.ts";
import type { Canceller } from "./cancel.ts";
import { giveUpAfter, type Loss, SessionLost } from "./loss.ts";
import {
  type Column,
  type Failpoint,
  isServerError,
  type OnFailpoint,
  type Reply,
  type Row,
  type SendOptions,
  type Sent,
  type ServerError,
  type Session,
} from "./session-types.ts";

type Client = Sql;

const CLOSE_S = 1;

/** How long the server may take for the first query. */
export interface FirstBounds {
  /** Bound on the connection, up to where the server takes a query. */
  readonly connectTimeoutMs: number;
  /** Bound on the answer to the first query. Default: none. */
  readonly answerTimeoutMs?: number;
}

/** The state of one connection. */
export class Link {
  #client: Client;
  #lost: Loss;
  #canceller: Canceller;
  #signal: AbortSignal | undefined;
  #onFailpoint: OnFailpoint | undefined;
  #handshakePid = 0;
  #first: object = {};
  #isAnswered = false;

  constructor(
    client: Client,
    lost: Loss,
    canceller: Canceller,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly onFailpoint: OnFailpoint | undefined;
    },
  ) {
    this.#client = client;
    this.#lost = lost;
    this.#canceller = canceller;
    this.#signal = options.signal;
    this.#onFailpoint = options.onFailpoint;
  }

  /** The pool's first query makes it connect: `reserve()` alone would wait for ever. */
  async first(name: string, text: string, bounds: FirstBounds): Promise<Reply | ServerError> {
    await this.#hook("before", name);
    const query = this.#client.unsafe(text);
    this.#first = query;
    // The driver connects again and again, without a bound of its own, to a load balancer that
    // accepts a connection and ends it because it has no server.
    const stopWatching = [
      this.#canceller.watch(() => cancelActive(query)),
      giveUpAfter(bounds.connectTimeoutMs, this.#lost, () => this.isSent()),
      giveUpAfter(bounds.answerTimeoutMs ?? Number.POSITIVE_INFINITY, this.#lost, () => false),
    ];
    try {
      const result = await this.#lost.race(query);
      await this.#hook("after", name);
      return this.#replyOf(result, []);
    } catch (error) {
      if (!isServerError(error) || isFatal(error)) throw error;
      await this.#hook("after", name);
      return error;
    } finally {
      this.#isAnswered = true;
      for (const stop of stopWatching) stop();
    }
  }

  /** The connection is made: the first query is on its way, or has its answer. */
  isSent(): boolean {
    return this.#isAnswered || (this.#first as { readonly active?: boolean }).active === true;
  }

  async reserve(): Promise<Omit<Session, "localPorts" | "remotes">> {
    const reserved = await this.#lost.race(this.#client.reserve());
    return {
      handshakePid: () => this.#handshakePid,
      serverVersion: versionNumber(String(this.#client.parameters.server_version ?? "")),
      send: (name, text, options) => this.#send(reserved, name, text, options),
      close: async () => {
        const wasDead = this.#lost.reason() !== undefined;
        if (!wasDead) reserved.release();
        this.#lost.reject(new SessionLost("the session was closed"));
        // Of a dead one the driver would wait for what never comes.
        await closeClient(this.#client, wasDead ? 0 : CLOSE_S);
      },
    };
  }

  async #send(
    reserved: ReservedSql,
    name: string,
    text: string,
    { onRow, onTexts, parameters = [], cancelable }: SendOptions = {},
  ): Promise<Sent> {
    await this.#hook("before", name);
    // What is sent after the signal clears up: the cancels are for what was on its way before.
    const isLate = this.#signal?.aborted === true;
    if (isLate) await this.#canceller.settled();
    const dead = this.#lost.reason();
    if (dead !== undefined) throw dead;
    const rows: Row[] = [];
    const query = reserved.unsafe(text, [...parameters]);
    // A statement of the user's may return any number of rows: ours are few.
    const running =
      onTexts === undefined
        ? query.forEach((row: Row) => {
            if (onRow === undefined) rows.push(row);
            else onRow(row);
          })
        : textsOf(query, onTexts);
    const reply = this.#lost.race(running).then(
      async (result) => {
        await this.#hook("after", name);
        return this.#replyOf(result, rows);
      },
      async (error: unknown) => {
        const settled = this.#settle(error);
        if (isServerError(settled)) await this.#hook("after", name);
        throw settled;
      },
    );
    const cancel = () => cancelActive(query);
    const isWatched = !isLate || cancelable === "always";
    const forget = isWatched ? this.#canceller.watch(cancel) : () => undefined;
    reply.then(forget, forget);
    if (this.#onFailpoint !== undefined) {
      // The driver takes a turn to build the message, and writes at the end of the next.
      for (let turn = 0; turn < 3; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await this.#hook("sent", name);
    }
    return { reply, cancel };
  }

  /** An error without a severity is the driver's: what it does next cannot be trusted. */
  #settle(error: unknown): unknown {
    if (isServerError(error) && !isFatal(error)) return error;
    this.#lost.reject(
      error instanceof SessionLost ? error : new SessionLost(messageOf(error), { cause: error }),
    );
    return this.#lost.reason();
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

/** Runs a query whose rows are the server's texts. */
function textsOf(
  query: ReturnType<ReservedSql["unsafe"]>,
  onTexts: NonNullable<SendOptions["onTexts"]>,
) {
  // The types have neither rows of texts for each, nor what a query knows of its columns.
  const raw = query.raw() as unknown as {
    readonly statement: { readonly columns: readonly Column[] };
    readonly forEach: (each: (row: (Buffer | null)[]) => void) => Promise<unknown>;
  };
  return raw.forEach((row) => {
    onTexts(row, raw.statement.columns);
  });
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

/** Ends the driver's client. Never throws. */
export async function closeClient(client: Client, timeoutSeconds: number): Promise<void> {
  try {
    await client.end({ timeout: timeoutSeconds });
  } catch {
    // Nothing is left to close.
  }
}
