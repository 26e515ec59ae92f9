import { jittered, pause } from "../../base/backoff.ts";
import { boundBy } from "../../connection/deadline.ts";
import { SessionLost } from "../../connection/loss.ts";
import type { Reply, ServerError, Session } from "../../connection/session.ts";
import { existingLook, withExisting } from "../adopt/look.ts";
import { afterApplying, MigrateError } from "../errors.ts";
import { LeaseLost } from "../lease/lost.ts";
import { look, readAll } from "../lease/sql.ts";
import type { Waiting } from "../lease/wait.ts";
import { readRows } from "../ledger/read.ts";
import { rowsOf, runnerOf } from "../ledger/replies.ts";
import { accountsForNothing } from "../plan/existing.ts";
import { refuseUnknownTarget } from "../plan/problems.ts";
import { stateOf } from "../plan/state.ts";
import type { AppliedMigration } from "../reports.ts";
import type { Ledger, Tag } from "../types.ts";
import { openLedger } from "./open-ledger.ts";
import type { AttemptResult, RunRequest, RunResult } from "./request.ts";
import { stoppedError } from "./thrown.ts";

// A connection that is lost at once would else be asked for without end.
const PAUSE_MS = 250;

/** How often a run comes back after a loss without having applied anything since. */
const MOST_LOSSES = 5;

/**
 * Applies what is pending. Looks first: where the database's head is the history's,
 * that is all. A lost connection or lease starts over with what is recorded by then.
 *
 * @throws MigrateError
 */
export async function runMigrations(request: RunRequest): Promise<RunResult> {
  const bounded = boundBy(request.signal, request.deadlineMs);
  try {
    return await runUntilDone({ ...request, signal: bounded.signal });
  } finally {
    bounded.stop();
  }
}

async function runUntilDone(request: RunRequest): Promise<RunResult> {
  const applied = new Map<Tag, AppliedMigration>();
  const since = Date.now();
  const waiting: Waiting = { since: undefined };
  let losses = 0;
  let appliedAtLoss = 0;
  for (let first = true; ; first = false) {
    try {
      const end = await attempt(request, { since, waiting, applied, resumed: !first });
      const list = [...applied.values()];
      return { ...end, outcome: list.length > 0 ? "applied" : end.outcome, applied: list };
    } catch (error) {
      const stopped = stoppedError(request.signal, error);
      if (stopped !== undefined) throw afterApplying(stopped, [...applied.keys()]);
      if (error instanceof MigrateError) throw afterApplying(error, [...applied.keys()]);
      if (!(error instanceof SessionLost || error instanceof LeaseLost)) throw error;
      // Lost while it waited, as by a pooler that lets nobody wait for long: that is waiting too.
      if (waiting.since === undefined) {
        losses = applied.size > appliedAtLoss ? 1 : losses + 1;
        appliedAtLoss = applied.size;
      }
      const isOver = waitedMs(waiting) > request.waitTimeoutMs;
      if (losses > MOST_LOSSES || isOver) throw lostForGood(error, losses, [...applied.keys()]);
      request.onProgress(
        error instanceof LeaseLost
          ? { kind: "lease-lost" }
          : { kind: "reconnecting", reason: error.message, attempt: losses },
      );
    }
  }
}

async function attempt(
  request: RunRequest,
  run: {
    readonly since: number;
    readonly waiting: Waiting;
    readonly applied: Map<Tag, AppliedMigration>;
    readonly resumed: boolean;
  },
): Promise<AttemptResult> {
  const { schema, connectTimeoutMs, waitTimeoutMs, signal } = request;
  const { since, waiting, applied, resumed } = run;
  if (waiting.since !== undefined) {
    await pause(jittered(PAUSE_MS), signal);
  }
  // Others of this run's kind may have all connections that there are.
  const busyTimeoutMs = Math.max(connectTimeoutMs, waitTimeoutMs - waitedMs(waiting));
  const { session, first } = await openLedger(
    { ...request, busyTimeoutMs },
    look(schema, request.identity.runId),
  );
  const add = (migration: AppliedMigration) => applied.set(migration.tag, migration);
  try {
    // Hashed while the connection was made.
    const history = await request.history;
    refuseUnknownTarget(history, request.plan.to);
    const runner = runnerOf(first, schema);
    if (resumed && runner !== undefined) await recoverReplies(session, request, add);
    if (runner?.head === history.head) {
      return { outcome: "current", version: history.migrations.at(-1)?.tag };
    }
    const { applyPending } = await import("./apply.ts");
    return await applyPending(
      { request, session, since, waiting, applied: { add } },
      history,
      runner,
    );
  } finally {
    await session.close();
  }
}

/** What this run committed without hearing of it before the connection broke. */
async function recoverReplies(
  session: Session,
  { schema, identity }: RunRequest,
  add: (migration: AppliedMigration) => void,
): Promise<void> {
  const { reply } = await session.send("read", readRows(schema));
  for (const { tag, state, runId, durationMs } of rowsOf(await reply)) {
    if (state === "DONE" && runId === identity.runId) add({ tag, durationMs: durationMs ?? 0 });
  }
}

function waitedMs({ since }: Waiting): number {
  return since === undefined ? 0 : Date.now() - since;
}

function lostForGood(error: Error, losses: number, applied: readonly Tag[]): MigrateError {
  const lease = error instanceof LeaseLost;
  const inARow = losses > MOST_LOSSES ? ` ${losses} times in a row` : "";
  return new MigrateError({
    code: lease ? "lease_lost" : "connect",
    fact: lease
      ? `The lease was lost${inARow} to other runners.`
      : `The connection was lost${inARow} while nothing could be applied: ${error.message}.`,
    remedy:
      "What was committed is recorded. Look at the server's log, then run `tidemark migrate` again.",
    applied,
    cause: error,
  });
}

/** Reads the ledger without the lease and without writing; absent is absent. */
export async function readLedger(request: RunRequest): Promise<Ledger> {
  const { schema } = request;
  const { session, first } = await openLedger(request, readAll(schema));
  try {
    const ledger = ledgerOf(first, schema);
    if (accountsForNothing(ledger)) {
      return await withExisting(session, existingLook(request, await request.history), ledger);
    }
    const looksStuck = ledger.rows.some((row) => stateOf(row, ledger.runner).kind === "STUCK");
    if (!looksStuck) return ledger;
    // Runner and rows are read one after the other: a run may have begun or ended between.
    const { reply } = await session.send("read", readAll(schema));
    return ledgerOf(await reply, schema);
  } finally {
    await session.close();
  }
}

function ledgerOf(reply: Reply | ServerError, schema: string): Ledger {
  return { runner: runnerOf(reply, schema), rows: rowsOf(reply) };
}
