import { jittered, pause } from "../../base/backoff.ts";
import { ask } from "../../connection/ask.ts";
import { boundBy } from "../../connection/deadline.ts";
import { SessionLost } from "../../connection/loss.ts";
import { withExisting } from "../adopt/look.ts";
import { afterApplying, MigrateError } from "../errors.ts";
import { LeaseLost } from "../lease/lost.ts";
import { look, readAll } from "../lease/sql.ts";
import { readRows } from "../ledger/read.ts";
import { ledgerOf, rowsOf, runnerOf } from "../ledger/replies.ts";
import type { Ledger } from "../ledger-types.ts";
import { refuseUnknownTarget } from "../plan/problems.ts";
import { stateOf } from "../plan/state.ts";
import type { AppliedMigration, MigrateReport, RunEnd } from "../reports.ts";
import type { Run, Session, Waiting } from "../run-types.ts";
import type { Tag } from "../types.ts";
import { openLedger } from "./call.ts";
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
export async function runMigrations(run: Run): Promise<RunEnd & Pick<MigrateReport, "applied">> {
  const bounded = boundBy(run.signal, run.deadlineMs);
  try {
    return await runUntilDone({ ...run, signal: bounded.signal });
  } finally {
    bounded.stop();
  }
}

async function runUntilDone(run: Run): Promise<RunEnd & Pick<MigrateReport, "applied">> {
  const applied = new Map<Tag, AppliedMigration>();
  const since = Date.now();
  let losses = 0;
  let appliedAtLoss = 0;
  for (let isFirst = true; ; isFirst = false) {
    try {
      const end = await attempt(run, { since, applied, isFirst });
      const list = [...applied.values()];
      return { ...end, outcome: list.length > 0 ? "applied" : end.outcome, applied: list };
    } catch (error) {
      const stopped = stoppedError(run.signal, error);
      if (stopped !== undefined) throw afterApplying(stopped, [...applied.keys()]);
      if (error instanceof MigrateError) throw afterApplying(error, [...applied.keys()]);
      if (!(error instanceof SessionLost || error instanceof LeaseLost)) throw error;
      // Lost while it waited, as by a pooler that ends long waits: that is waiting too.
      if (run.waiting.since === undefined) {
        losses = applied.size > appliedAtLoss ? 1 : losses + 1;
        appliedAtLoss = applied.size;
      }
      const isOver = waitedMs(run.waiting) > run.waitTimeoutMs;
      if (losses > MOST_LOSSES || isOver) throw lostForGood(error, losses, [...applied.keys()]);
      run.onProgress(
        error instanceof LeaseLost
          ? { kind: "lease-lost" }
          : { kind: "reconnecting", reason: error.message, attempt: losses },
      );
    }
  }
}

/** One session's worth of a run. */
async function attempt(
  run: Run,
  state: {
    readonly since: number;
    readonly applied: Map<Tag, AppliedMigration>;
    readonly isFirst: boolean;
  },
): Promise<RunEnd> {
  const { schema, connectTimeoutMs, waitTimeoutMs, waiting } = run;
  const { since, applied, isFirst } = state;
  if (waiting.since !== undefined) await pause(jittered(PAUSE_MS), run.signal);
  // Others of this run's kind may have all connections that there are.
  const busyTimeoutMs = Math.max(connectTimeoutMs, waitTimeoutMs - waitedMs(waiting));
  const { session, first } = await openLedger(
    { ...run, busyTimeoutMs },
    look(schema, run.identity.runId),
  );
  const onApplied = (migration: AppliedMigration) => applied.set(migration.tag, migration);
  try {
    // Hashed while the connection was made.
    const history = await run.history;
    refuseUnknownTarget(history, run.plan.to);
    const found = runnerOf(first, schema);
    if (!isFirst && found !== undefined) await recoverReplies(session, run, onApplied);
    const endsMirror = run.plan.mirror === false && found?.mirror != null;
    const hasHooks = run.beforeMigrate !== undefined || run.afterMigrate !== undefined;
    if (found?.head === history.head && !endsMirror && !hasHooks) {
      return { outcome: "current", version: history.migrations.at(-1)?.tag, warnings: [] };
    }
    const { applyPending } = await import("./apply.ts");
    return await applyPending(run, session, history, { found, since, onApplied });
  } finally {
    await session.close();
  }
}

/** What this run committed without hearing of it before the connection broke. */
async function recoverReplies(
  session: Session,
  { schema, identity }: Run,
  onApplied: (migration: AppliedMigration) => void,
): Promise<void> {
  const reply = await ask(session, "read", readRows(schema));
  for (const { tag, state, runId, durationMs } of rowsOf(reply)) {
    // What was only taken over took no time.
    if (state === "DONE" && runId === identity.runId && durationMs !== null)
      onApplied({ tag, durationMs });
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
      : `The connection was lost${inARow} before anything could be applied: ${error.message}.`,
    remedy:
      "What was committed is recorded. Check the server's log, then run `tidemark migrate` again.",
    applied,
    cause: error,
  });
}

/** Reads the ledger without the lease and without writing; absent is absent. */
export async function readLedger(run: Run): Promise<Ledger> {
  const { schema } = run;
  const { session, first } = await openLedger(run, readAll(schema));
  try {
    const ledger = ledgerOf(first, schema);
    const looksStuck = ledger.rows.some((row) => stateOf(row, ledger.runner).kind === "STUCK");
    // Runner and rows are read one after the other: a run may have begun or ended between.
    const now = looksStuck ? ledgerOf(await ask(session, "read", readAll(schema)), schema) : ledger;
    return await withExisting(session, run, await run.history, now);
  } finally {
    await session.close();
  }
}
