import { jittered, pause } from "../../base/backoff.ts";
import { identifier } from "../../base/quote.ts";
import { SessionLost } from "../../connection/loss.ts";
import {
  isServerError,
  type Reply,
  type ServerError,
  type Session,
} from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import type { LedgerEvent, LedgerRow, Owner, RunnerRow } from "../types.ts";
import { FENCED } from "./functions.ts";
import { ASKED } from "./read.ts";
import { bootstrapLedger, LEDGER_VERSION } from "./schema.ts";

// SQLSTATEs: no such table, no such schema, no right.
const ABSENT = new Set(["42P01", "3F000"]);
const DENIED = "42501";
const READ_ONLY = "25006";
// What a standby says to BEGIN READ WRITE.
const NOT_IN_RECOVERY = "0A000";
const NO_SUCH_COLUMN = "42703";
const DISK_FULL = "53100";
// Resources, an operator's intervention, the system around it, an internal error.
const SERVER_TROUBLE = /^(53|57|58|XX)/;

/** SQLSTATE of a lock that was waited for too long. */
export const LOCK_NOT_AVAILABLE = "55P03";

/** SQLSTATEs of a lock that was not got: waited for too long, or lost in a deadlock. */
export const LOCK_CONFLICTS: ReadonlySet<string> = new Set([LOCK_NOT_AVAILABLE, "40P01"]);

/** The fence refused, or could not get the row: another run has it. */
export function isContended(error: unknown): error is ServerError {
  return isServerError(error) && (error.code === FENCED || error.code === LOCK_NOT_AVAILABLE);
}

/** SQLSTATE of a statement that was canceled. */
export const QUERY_CANCELED = "57014";

// Two sessions that create one thing at one time: unique_violation on a catalog,
// duplicate_schema, duplicate_table, duplicate_object.
const CATALOG_RACES = new Set(["23505", "42P06", "42P07", "42710"]);
const BOOTSTRAP_TRIES = 5;

/** The ledger is there, and has no runner row. Look again before you believe it. */
export class RunnerRowMissing extends MigrateError {
  constructor(schema: string) {
    super({
      code: "config",
      fact: `The ledger ${schema}.runner has no row.`,
      outcome: "nothing-run",
      remedy: "Somebody emptied it: restore the schema from a backup.",
    });
  }
}

/** The runner row of a look's reply; undefined where there is no ledger. */
export function runnerOf(reply: Reply | ServerError, schema: string): RunnerRow | undefined {
  if (isServerError(reply)) {
    if (ABSENT.has(reply.code)) return undefined;
    throw ledgerError(schema, reply);
  }
  const row = reply.rows.find((item) => "tidemark_runner" in item)?.tidemark_runner;
  if (row === undefined) {
    if (reply.rows.some((item) => ASKED in item)) throw new RunnerRowMissing(schema);
    throw new SessionLost(
      "an answer came that belongs to another client: a pooler mixed up its connections",
    );
  }
  const runner = withDates(row as RunnerRow, ["acquiredAt", "expiresAt"]);
  if (runner.minReader > LEDGER_VERSION) throw ledgerNewer(schema, runner);
  return runner;
}

/** The state rows of a reply. */
export function rowsOf(reply: Reply | ServerError): readonly LedgerRow[] {
  if (isServerError(reply)) return [];
  return reply.rows
    .filter((item) => "tidemark_row" in item)
    .map((item) => withDates(item.tidemark_row as LedgerRow, ["startedAt", "finishedAt"]));
}

/**
 * The events of a reply that has the runner row too; none where there is no ledger.
 *
 * @throws MigrateError `ledger_newer`, `config`
 */
export function eventsOf(reply: Reply | ServerError, schema: string): readonly LedgerEvent[] {
  if (runnerOf(reply, schema) === undefined || isServerError(reply)) return [];
  return eventRowsOf(reply);
}

/** The events among the rows of a reply. */
export function eventRowsOf(reply: Reply): readonly LedgerEvent[] {
  return reply.rows
    .filter((item) => "tidemark_event" in item)
    .map((item) => withDates(item.tidemark_event as LedgerEvent, ["at"]));
}

/** Creates the ledger where it is not there, among others that do the same. */
export async function createLedgerIfAbsent(
  session: Session,
  schema: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted();
    try {
      const { reply } = await session.send("bootstrap", bootstrapLedger(schema));
      await reply;
      return;
    } catch (error) {
      if (!isServerError(error)) throw error;
      await rollBack(session);
      if (error.code === NOT_IN_RECOVERY && (await isStandby(session))) throw standbyError(error);
      if (!CATALOG_RACES.has(error.code) || tries === BOOTSTRAP_TRIES) {
        throw ledgerError(schema, error);
      }
      await pause(jittered(20 * tries));
    }
  }
}

async function isStandby(session: Session): Promise<boolean> {
  const { reply } = await session.send(
    "standby",
    "select pg_catalog.pg_is_in_recovery() as tidemark_standby",
  );
  return (await reply).rows[0]?.tidemark_standby === true;
}

function standbyError(cause: ServerError): MigrateError {
  return new MigrateError({
    code: "connect",
    fact: "The server is a standby: it can be read and not written, and it has no ledger yet.",
    outcome: "nothing-run",
    remedy: "Connect to the primary.",
    cause,
  });
}

/** Ends a transaction that an error left open. */
export async function rollBack(session: Session): Promise<void> {
  await despiteLateCancel(async () => {
    const { reply } = await session.send("rollback", "rollback");
    await reply;
  });
}

/** A cancel that was asked for may hit the message after the one that it was meant for. */
export async function despiteLateCancel<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isServerError(error) || error.code !== QUERY_CANCELED) throw error;
    return work();
  }
}

function withDates<T extends object>(row: T, keys: readonly (keyof T)[]): T {
  const copy: T = { ...row };
  for (const key of keys) {
    const value = row[key];
    if (typeof value === "string") copy[key] = new Date(value) as T[keyof T];
  }
  return copy;
}

function ledgerNewer(schema: string, runner: RunnerRow): MigrateError {
  return new MigrateError({
    code: "ledger_newer",
    fact: `The ledger in schema ${schema} has version ${runner.ledgerVersion}: to read it takes a Tidemark that knows version ${runner.minReader}, and this one knows ${LEDGER_VERSION}.`,
    outcome: "nothing-run",
    remedy:
      "A newer Tidemark has worked on this database: update this one " +
      "(npm install tidemark@latest), or run the release that has it.",
  });
}

/** A server error while the ledger was read or created. */
export function ledgerError(schema: string, error: ServerError): MigrateError {
  if (error.code === LOCK_NOT_AVAILABLE) {
    return new MigrateError({
      code: "lock_timeout",
      fact: `Somebody holds a lock on the ledger's tables in schema ${schema} (SQLSTATE ${error.code}).`,
      outcome: "nothing-run",
      remedy: "pg_locks and pg_stat_activity show who does; end that session and run again.",
      cause: error,
    });
  }
  const isServers = error.code === READ_ONLY || SERVER_TROUBLE.test(error.code);
  return new MigrateError({
    code: isServers ? "connect" : "config",
    fact: `The ledger in schema ${schema} cannot be used: ${error.message} (SQLSTATE ${error.code}).`,
    ...(error.code !== DENIED && error.code !== QUERY_CANCELED && { outcome: "nothing-run" }),
    remedy: remedyOf(schema, error),
    cause: error,
  });
}

function remedyOf(schema: string, { code }: ServerError): string {
  const s = identifier(schema);
  switch (code) {
    case DENIED:
      return (
        `To migrate, connect as the role that owns schema ${schema}; where there is none yet, ` +
        "it takes the right to create on the database (grant create on database … to …).\n" +
        `For status, this is enough: grant usage on schema ${s} to …; grant select on all tables in schema ${s} to …;`
      );
    case READ_ONLY:
      return "The server is read-only: a standby, most likely. Migrations need the primary.";
    case NO_SUCH_COLUMN:
      return (
        `What is in schema ${schema} is not a ledger of Tidemark's, or was altered: ` +
        "give the ledger a schema of its own with --ledger-schema."
      );
    case DISK_FULL:
      return "Make room on the server's disk, then run it again.";
    case QUERY_CANCELED:
      return "Somebody canceled it on the server. Run it again; it goes on from what is recorded.";
    default:
      return "The server's message above says what it lacks.";
  }
}

/** For messages: who that is. */
export function describeOwner(owner: Pick<Owner, "host" | "processId" | "user">): string {
  return `${owner.user}@${owner.host} (process ${owner.processId})`;
}
