import postgres, { type PostgresError } from "postgres";
import type { Remote } from "./sockets.ts";

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
export type ServerError = PostgresError;

export function isServerError(error: unknown): error is ServerError {
  return error instanceof postgres.PostgresError && typeof error.severity === "string";
}

/** A place in a run where a test may stop, kill or freeze the process. */
export interface Failpoint<Name extends string = string> {
  readonly phase: "before" | "sent" | "after";
  /** Name of the message. */
  readonly message: Name;
}

/** Called at every failpoint, awaited. Given by tests; the shipped code has none. */
export type OnFailpoint<Name extends string = string> = (
  point: Failpoint<Name>,
) => void | Promise<void>;

/** A column of a row: its name, and its type's OID. */
export interface Column {
  readonly name: string;
  readonly type: number;
}

export interface SendOptions {
  /** Called for each row, which the reply then does not have. */
  readonly onRow?: (row: Row) => void;
  /** In place of `onRow`: called with each row as the server's texts, which are read by its columns. */
  readonly onTexts?: (row: readonly (Buffer | null)[], columns: readonly Column[]) => void;
  /** As PostgreSQL reads them in text. With any, the text is one statement, of the extended protocol. */
  readonly parameters?: readonly (string | null)[];
  /** `always`: also where the signal has come before it is sent. */
  readonly cancelable?: "always";
}

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
 * The driver reconnects without telling, and then runs the statements that
 * were to follow in autocommit on another session. So nothing is sent after a loss,
 * and every reply races it.
 *
 * @typeParam Name what its messages are called, at failpoints
 */
export interface Session<Name extends string = string> {
  /** Backend pid as the handshake gave it; behind a pooler not the server's. */
  readonly handshakePid: () => number;
  /** This machine's ports that lead to the server, or to what is before it; none of a Unix socket. */
  readonly localPorts: () => readonly number[];
  /** Where it leads to, as sockets see it. */
  readonly remotes: () => readonly Remote[];
  /** As `server_version_num`: 180004. */
  readonly serverVersion: number;
  /**
   * Sends one message of the simple protocol, unless it has parameters. When the session's signal comes, what is on its way
   * is canceled; what is sent afterwards clears up, and is not.
   *
   * @throws ServerError (rejects the reply), SessionLost
   */
  readonly send: (name: Name, text: string, options?: SendOptions) => Promise<Sent>;
  /** Ends the session. Never throws. */
  readonly close: () => Promise<void>;
}
