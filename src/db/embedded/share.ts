import { within } from "../base/backoff.ts";
import { errorCode, messageOf } from "../base/problem.ts";
import { identifier, literal } from "../base/quote.ts";
import { NoAnswer, SessionLost } from "../connection/loss.ts";
import { isServerError, openSession, type Row, type Session } from "../connection/session.ts";
import { EmbeddedServerError } from "./embedded-error.ts";

export interface ShareOptions {
  /** Of the server's database `postgres`, which nobody drops: the lock is in it. */
  readonly url: string;
  readonly connectTimeoutMs: number;
}

/** A process's share in a running server: a connection that holds the shared lock. */
export interface Share {
  /** Creates the database if it is missing; the answer is the server's version, "18.4". */
  prepareDatabase(name: string): Promise<string>;
  /**
   * Gives the share up. If nobody else has one, `whenLast` runs under the exclusive lock, which
   * keeps newcomers out until the server is gone.
   */
  leave(whenLast: () => Promise<void>): Promise<void>;
}

export type JoinOutcome =
  | { readonly kind: "joined"; readonly share: Share }
  /** It is starting, stopping, or has no connection left: look again. */
  | { readonly kind: "unavailable"; readonly cause?: unknown };

// "tide" in ASCII.
const LOCK = 0x74696465;

/** Takes a share in the server, unless the last user is just leaving it. */
export async function joinServer(options: ShareOptions): Promise<JoinOutcome> {
  let session: Session | undefined;
  let isLeaving = false;
  let retaking: Promise<void> = Promise.resolve();
  // Somebody ended our connection (a test of dropped connections, say) and the server may live on:
  // without the lock the next one to leave would stop it under us.
  const retake = () => {
    if (session === undefined || isLeaving) return;
    session = undefined;
    retaking = takeShared(options, retake).then(
      (again) => {
        if (again.kind === "taken") session = again.session;
      },
      () => undefined,
    );
  };
  const outcome = await takeShared(options, retake);
  if (outcome.kind !== "taken") return outcome;
  session = outcome.session;
  const first = session;
  const share: Share = {
    prepareDatabase: (name) => prepareDatabase(session ?? first, name),
    async leave(whenLast) {
      isLeaving = true;
      await retaking;
      await leaveServer(session ?? first, whenLast);
    },
  };
  return { kind: "joined", share };
}

type TakeOutcome =
  | { readonly kind: "taken"; readonly session: Session }
  | Exclude<JoinOutcome, { kind: "joined" }>;

async function takeShared(options: ShareOptions, onLost: () => void): Promise<TakeOutcome> {
  const { url, connectTimeoutMs } = options;
  try {
    const { session, first } = await openSession(
      {
        url,
        connectTimeoutMs,
        answerTimeoutMs: connectTimeoutMs,
        onNotice: () => undefined,
        onFailpoint: undefined,
        onLost,
      },
      `select ${lockCall("pg_try_advisory_lock_shared")},
         pg_catalog.set_config('application_name', 'tidemark-embedded', false),
         pg_catalog.set_config('idle_session_timeout', '0', false)`,
    );
    if (!isServerError(first) && first.rows[0]?.taken === true) return { kind: "taken", session };
    await session.close();
    if (isServerError(first)) throw first;
    return { kind: "unavailable" };
  } catch (cause) {
    if (isUnavailable(cause)) return { kind: "unavailable", cause };
    throw new EmbeddedServerError("connect_failed", {
      fact: `The server on port ${new URL(url).port} refused the connection: ${messageOf(cause)}`,
      remedy:
        "If its password was changed or lost and you do not need its content: npm run db:reset",
      cause,
    });
  }
}

async function leaveServer(session: Session, whenLast: () => Promise<void>): Promise<void> {
  try {
    // Unlock first: two that leave at once and both hold it would each find the other there.
    await ask(session, `select ${lockCall("pg_advisory_unlock_shared")}`);
    const [row] = await ask(session, `select ${lockCall("pg_try_advisory_lock")}`);
    if (row?.taken === true) await whenLast();
  } catch (error) {
    // A server that is gone needs no stopping.
    if (!isUnavailable(error)) throw error;
  } finally {
    await session.close();
  }
}

function lockCall(lockFunction: string): string {
  return `pg_catalog.${lockFunction}(${LOCK}) as taken`;
}

// These answer at once, or the server hangs.
const ANSWER_TIMEOUT_MS = 10_000;

async function ask(
  session: Session,
  text: string,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<readonly Row[]> {
  const { reply } = await session.send("share", text);
  const tooLate = () => new NoAnswer(`the server did not answer within ${timeoutMs} ms`);
  return (await within(timeoutMs, reply, tooLate)).rows;
}

const DUPLICATE_DATABASE = "42P04";
const UNIQUE_VIOLATION = "23505";
const CREATE_TIMEOUT_MS = 60_000;

async function prepareDatabase(session: Session, database: string): Promise<string> {
  const [row] = await ask(
    session,
    `select
       pg_catalog.current_setting('server_version') as version,
       exists (select from pg_catalog.pg_database where datname = ${literal(database)}) as there`,
  );
  if (row?.there === false) await createDatabase(session, database);
  return String(row?.version ?? "");
}

async function createDatabase(session: Session, database: string): Promise<void> {
  try {
    await ask(session, `create database ${identifier(database)}`, CREATE_TIMEOUT_MS);
  } catch (cause) {
    // Another process was faster.
    if (errorCode(cause) !== DUPLICATE_DATABASE && errorCode(cause) !== UNIQUE_VIOLATION) {
      throw new EmbeddedServerError("database_failed", {
        fact: `The database ${database} cannot be created: ${messageOf(cause)}`,
        cause,
      });
    }
  }
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
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
]);

function isUnavailable(error: unknown): boolean {
  return error instanceof SessionLost || UNAVAILABLE.has(errorCode(error));
}
