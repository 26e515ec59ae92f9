import {
  type CallOptions,
  type DatabaseMigrator,
  duration,
  type LedgerEvent,
  MigrateError,
  type StatusReport,
} from "../db/migrate/index.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import type { BootState } from "./boot.ts";
import { shared } from "./shared.ts";

/** What is asked of the process and its database over HTTP, however many ask. */
export interface Reader {
  readonly boot: () => BootState;
  readonly status: () => Promise<StatusReport | MigrateError>;
  /** The latest, newest first; none where they cannot be read. */
  readonly events: () => Promise<readonly LedgerEvent[]>;
  /** Why the application's own pool cannot be used; undefined where it can. */
  readonly problem: () => Promise<string | undefined>;
  /** What was read is not true any more. */
  readonly forget: () => void;
}

/** Where to read; both undefined until it is known where the database is. */
export interface Sources {
  readonly boot: () => BootState;
  /** Quick to give up. */
  readonly migrator: () => DatabaseMigrator | undefined;
  readonly pool: () => DatabasePool | undefined;
}

const LATEST_EVENTS = 30;
const PING_MS = 2_000;
// Probes and people ask more often than the answer changes: three connections at most, for all of them.
const KEEP_MS = 1_000;
// A read that hangs would hang for all. Longer than the engine waits for a lock, whose error says more;
// it gives the server some seconds more to take note of the end.
const READ_MS = 6_000;

/** Reads for all who ask at the same time at once, and keeps that for a second. */
export function createReader({ boot, migrator, pool }: Sources, readMs = READ_MS): Reader {
  const read = <T>(what: (migrator: DatabaseMigrator, call: CallOptions) => Promise<T>) =>
    orError(migrator(), boot(), readMs, what);
  const status = shared(() => read((found, call) => found.status(call)), KEEP_MS);
  const events = shared(async () => {
    const found = await read((reader, call) => reader.events({ ...call, newest: LATEST_EVENTS }));
    return found instanceof MigrateError ? [] : found.toReversed();
  }, KEEP_MS);
  const problem = shared(() => pingProblem(pool()), KEEP_MS);
  return {
    boot,
    status: status.get,
    events: events.get,
    problem: problem.get,
    forget: () => {
      for (const kept of [status, events, problem]) kept.forget();
    },
  };
}

async function orError<T>(
  migrator: DatabaseMigrator | undefined,
  boot: BootState,
  readMs: number,
  read: (migrator: DatabaseMigrator, call: CallOptions) => Promise<T>,
): Promise<T | MigrateError> {
  if (migrator === undefined) {
    const fact = boot.kind === "starting" ? `Starting: ${boot.what}.` : "Starting.";
    return new MigrateError({ code: "connect", fact, remedy: "Ask again in a moment." });
  }
  const signal = AbortSignal.timeout(readMs);
  try {
    return await read(migrator, { signal });
  } catch (error) {
    if (!(error instanceof MigrateError)) throw error;
    return signal.aborted ? noAnswer(readMs, error) : error;
  }
}

function noAnswer(readMs: number, cause: MigrateError): MigrateError {
  return new MigrateError({
    code: "connect",
    fact: `The database did not answer within ${duration(readMs)}.`,
    remedy: "Look at the server, and the network on the way to it.",
    cause,
  });
}

async function pingProblem(pool: DatabasePool | undefined): Promise<string | undefined> {
  if (pool === undefined) return "there is no connection yet";
  try {
    await pool.ping(PING_MS);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
