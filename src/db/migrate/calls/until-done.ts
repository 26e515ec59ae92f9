import { jittered, pause } from "../../base/backoff.ts";
import { boundBy } from "../../connection/deadline.ts";
import { SessionLost, SessionTerminated } from "../../connection/loss.ts";
import type { Reply, ServerError } from "../../connection/session.ts";
import { afterDoing, MigrateError } from "../errors.ts";
import { LeaseLost } from "../lease/lost.ts";
import { look } from "../lease/sql.ts";
import { noteServer } from "../ledger/replies.ts";
import type { AppliedMigration } from "../reports.ts";
import type { Run, Session, Waiting } from "../run-types.ts";
import type { Tag } from "../types.ts";
import { openLedger } from "./call.ts";
import { stoppedError } from "./thrown.ts";

// A connection that is lost at once would else be asked for without end.
const PAUSE_MS = 250;

/** How often a run comes back after a loss without having done anything since. */
const MOST_LOSSES = 5;

/** A run over all its connections. */
export interface Attempt {
  /** When it began, as `performance.now()`. */
  readonly since: number;
  /** What it has done, as far as its commits were heard of. */
  readonly done: Map<Tag, AppliedMigration>;
  readonly isFirst: boolean;
}

/**
 * Works until it is done, within the run's deadline: a lost connection or lease starts over with what is recorded
 * by then.
 *
 * @param verb what it does to migrations
 * @throws MigrateError
 */
export async function untilDone<T>(
  given: Run,
  verb: "applied" | "reverted",
  work: (run: Run, attempt: Attempt) => Promise<T>,
): Promise<{ readonly end: T; readonly done: readonly AppliedMigration[] }> {
  const bounded = boundBy(given.signal, given.deadlineMs);
  try {
    return await again({ ...given, signal: bounded.signal }, verb, work);
  } finally {
    bounded.stop();
  }
}

async function again<T>(
  run: Run,
  verb: "applied" | "reverted",
  work: (run: Run, attempt: Attempt) => Promise<T>,
): Promise<{ readonly end: T; readonly done: readonly AppliedMigration[] }> {
  const done = new Map<Tag, AppliedMigration>();
  const since = performance.now();
  let losses = 0;
  let doneAtLoss = 0;
  for (let isFirst = true; ; isFirst = false) {
    try {
      const end = await work(run, { since, done, isFirst });
      return { end, done: [...done.values()] };
    } catch (error) {
      const stopped = stoppedError(run.signal, error);
      if (stopped !== undefined) throw afterDoing(stopped, verb, [...done.keys()]);
      if (error instanceof MigrateError) throw afterDoing(error, verb, [...done.keys()]);
      if (!(error instanceof SessionLost || error instanceof LeaseLost)) throw error;
      if (error instanceof SessionTerminated) run.server.hasTerminated = true;
      // Lost while it waited, as by a pooler that ends long waits: that is waiting too.
      if (run.waiting.since === undefined) {
        losses = done.size > doneAtLoss ? 1 : losses + 1;
        doneAtLoss = done.size;
      }
      const isOver = waitedMs(run.waiting) > run.waitTimeoutMs;
      if (losses > MOST_LOSSES || isOver) throw lostForGood(error, losses, verb, [...done.keys()]);
      run.onProgress(
        error instanceof LeaseLost
          ? { kind: "lease-lost" }
          : { kind: "reconnecting", reason: error.message, attempt: losses },
      );
    }
  }
}

/** One session's worth of a run: connects, and closes at the end. */
export async function inSession<T>(
  run: Run,
  work: (opened: Awaited<ReturnType<typeof openLedger>>) => Promise<T>,
): Promise<T> {
  const { schema, connectTimeoutMs, waitTimeoutMs, waiting } = run;
  if (waiting.since !== undefined) await pause(jittered(PAUSE_MS), run.signal);
  // Others of this run's kind may have all connections that there are.
  const busyTimeoutMs = Math.max(connectTimeoutMs, waitTimeoutMs - waitedMs(waiting));
  const opened = await openLedger({ ...run, busyTimeoutMs }, look(schema, run.identity.runId));
  const session: Session = opened.session;
  try {
    refuseTermination(run, opened.first);
    return await work(opened);
  } finally {
    await session.close();
  }
}

/**
 * A server that was started anew, or another one that has taken its place, is gone on with. Where it is the same, an
 * administrator has ended the session, and what that has stopped is not run again unasked.
 *
 * @throws MigrateError `connect`
 */
function refuseTermination({ server }: Run, first: Reply | ServerError): void {
  const isSame = noteServer(server, first);
  if (!server.hasTerminated) return;
  server.hasTerminated = false;
  if (!isSame) return;
  throw new MigrateError({
    code: "connect",
    fact: "An administrator ended this run's session (pg_terminate_backend, SQLSTATE 57P01): the server itself was not restarted.",
    remedy:
      "What was committed is recorded. A transaction that was open was rolled back; a statement outside one, such as CREATE INDEX CONCURRENTLY, is settled by the next run. Ask who ended it, and why, before you run it again.",
  });
}

function waitedMs({ since }: Waiting): number {
  return since === undefined ? 0 : performance.now() - since;
}

function lostForGood(
  error: Error,
  losses: number,
  verb: "applied" | "reverted",
  done: readonly Tag[],
): MigrateError {
  const lease = error instanceof LeaseLost;
  const inARow = losses > MOST_LOSSES ? ` ${losses} times in a row` : "";
  const command = verb === "applied" ? "migrate" : "rollback";
  return new MigrateError({
    code: lease ? "lease_lost" : "connect",
    fact: lease
      ? `The lease was lost${inARow} to other runners.`
      : `The connection was lost${inARow} before anything could be ${verb}: ${error.message}.`,
    remedy: `What was committed is recorded. Check the server's log, then run \`tidemark ${command}\` again.`,
    [verb]: done,
    cause: error,
  });
}
