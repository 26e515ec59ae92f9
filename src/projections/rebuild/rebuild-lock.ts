import type { DatabasePool, Transaction } from "../../db/pool/index.ts";
import { textOf } from "../failures.ts";
import { ProjectionError } from "../projection-error.ts";

const KEEP_ALIVE_MS = 10_000;
const IDLE_TIMEOUT = "60s";

/**
 * Lets one process at a time rebuild a projection: a transaction holds an advisory lock while `work`
 * runs on other connections. It reads nothing, so that no vacuum waits for it, and it ends with its
 * process; a pooler keeps its connection together. `signal` is aborted if it is lost.
 *
 * @throws ProjectionError `busy`
 */
export async function withRebuildLock<T>(
  pool: DatabasePool,
  projection: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return pool.transaction(async (tx) => {
    await takeRebuildLock(tx, projection);
    const lost = new AbortController();
    const beat = async () => {
      try {
        await tx.query("select");
      } catch (error) {
        lost.abort(lockLost(projection, error));
      }
    };
    const timer = setInterval(() => void beat(), KEEP_ALIVE_MS);
    try {
      return await work(lost.signal);
    } finally {
      clearInterval(timer);
    }
  });
}

/** Until the transaction ends. Throws `busy`. */
export async function takeRebuildLock(tx: Transaction, projection: string): Promise<void> {
  const row = await tx.queryOne<{ got: boolean }>(
    `select pg_try_advisory_xact_lock(hashtextextended('projections.rebuild:' || $1, 0)) as got,
       set_config('idle_in_transaction_session_timeout', $2, true)`,
    [projection, IDLE_TIMEOUT],
  );
  if (row?.got === true) return;
  throw new ProjectionError({
    code: "busy",
    fact: `Another process rebuilds ${projection}.`,
    outcome: "nothing-run",
    remedy: "Let it finish, or end it: what it has done so far is kept.",
  });
}

function lockLost(projection: string, error: unknown): ProjectionError {
  return new ProjectionError({
    code: "busy",
    fact: `The rebuild of ${projection} lost the connection that kept others away: ${textOf(error)}`,
    remedy: "Start it again: it goes on where it was.",
    cause: error,
  });
}
