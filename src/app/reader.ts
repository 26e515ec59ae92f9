import { messageOf } from "../db/base/problem.ts";
import {
  type CallOptions,
  type DatabaseMigrator,
  duration,
  type LedgerEvent,
  MigrateError,
  type StatusReport,
} from "../db/migrate/index.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import type { ProjectionStatus } from "../projections/index.ts";
import type { BootState } from "./boot.ts";
import { watchLedger } from "./ledger-watch.ts";
import { shared } from "./shared.ts";

export type Reader = ReturnType<typeof createReader>;

/** Where to read; both undefined until it is known where the database is. */
export interface Sources {
  readonly boot: () => BootState;
  /** Gives up quickly. */
  readonly migrator: () => DatabaseMigrator | undefined;
  readonly pool: () => DatabasePool | undefined;
  /** Reads how far the projections are; undefined until they are followed. */
  readonly projections?: () => (() => Promise<readonly ProjectionStatus[]>) | undefined;
}

const LATEST_EVENTS = 30;
const PING_MS = 2_000;
// Probes and people ask more often than the answer changes: three connections at most, for all of them.
const KEEP_MS = 1_000;
// A read that hangs would hang for everyone. Longer than the engine waits for a lock, whose error says more;
// it gives the server a few more seconds to notice the end.
const READ_MS = 6_000;

/**
 * Reads the state of the process and its database for HTTP requests, however many there are: one read
 * serves all simultaneous ones, and is kept for a second.
 */
export function createReader(
  { boot, migrator, pool, projections }: Sources,
  readMs = READ_MS,
  recheckMs?: number,
) {
  const read = async <T>(what: (migrator: DatabaseMigrator, call: CallOptions) => Promise<T>) => {
    const found = migrator();
    if (found === undefined) {
      const state = boot();
      const fact = state.kind === "starting" ? `Starting: ${state.what}.` : "Starting.";
      return new MigrateError({ code: "connect", fact, remedy: "Try again in a moment." });
    }
    const signal = AbortSignal.timeout(readMs);
    try {
      return await what(found, { signal });
    } catch (error) {
      if (!(error instanceof MigrateError)) throw error;
      return signal.aborted ? noAnswer(readMs, error) : error;
    }
  };
  const readStatus = () => read((found, call) => found.status(call));
  const status = shared<StatusReport | MigrateError>(readStatus, KEEP_MS);
  const events = shared<readonly LedgerEvent[]>(async () => {
    const found = await read((reader, call) => reader.events({ ...call, newest: LATEST_EVENTS }));
    return found instanceof MigrateError ? [] : found.toReversed();
  }, KEEP_MS);
  // Never with a status from before the stamp.
  const ledger = shared(watchLedger({ pool, status: readStatus }, recheckMs), KEEP_MS);
  const problem = shared(() => pingProblem(pool()), KEEP_MS);
  const lag = shared(async () => {
    const found = projections?.();
    // Without an answer there is nothing to show: whether the database is there is told above.
    return found?.().catch(() => undefined);
  }, KEEP_MS);
  const unfilled = shared(() => hasUnfilled(pool()), KEEP_MS);
  return {
    boot,
    status: status.get,
    /** Whether a backfill is not done, once the ledger is there: asked over the pool, which costs no connection. */
    hasUnfilled: unfilled.get,
    /** How far each projection is; undefined if that cannot be read. */
    projections: lag.get,
    /** The latest, newest first; empty if they cannot be read. */
    events: events.get,
    /** Why the application's own pool cannot be used; undefined if it can. */
    problem: problem.get,
    /** Whether the database is what this release needs; undefined while nothing is known. */
    ledger: ledger.get,
    /** Forgets what was read. */
    forget: (): void => {
      for (const kept of [status, events, problem, ledger, lag, unfilled]) kept.forget();
    },
  };
}

function noAnswer(readMs: number, cause: MigrateError): MigrateError {
  return new MigrateError({
    code: "connect",
    fact: `The database did not answer within ${duration(readMs)}.`,
    remedy: "Check the server, and the network between.",
    cause,
  });
}

async function hasUnfilled(pool: DatabasePool | undefined): Promise<boolean> {
  const query = "select exists (select from tidemark.backfills where state <> 'DONE') as found";
  // Without an answer there is nothing to show: whether the database is there is told elsewhere.
  const row = await pool?.queryOne<{ readonly found: boolean }>(query).catch(() => undefined);
  return row?.found ?? false;
}

async function pingProblem(pool: DatabasePool | undefined): Promise<string | undefined> {
  if (pool === undefined) return "not connected yet";
  try {
    await pool.ping(PING_MS);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
