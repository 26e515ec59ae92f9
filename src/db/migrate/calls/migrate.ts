import { ask } from "../../connection/ask.ts";
import { withExisting } from "../adopt/look.ts";
import { isSettled } from "../history/repeatables.ts";
import { readAll } from "../lease/sql.ts";
import { readRows } from "../ledger/read.ts";
import {
  FIRST_WITH_REPEATABLES,
  readRepeatableRows,
  repeatablesOf,
} from "../ledger/repeatable-rows.ts";
import { ledgerOf, rowsOf, runnerOf } from "../ledger/replies.ts";
import type { Ledger } from "../ledger-types.ts";
import { refuseUnknownTarget } from "../plan/problems.ts";
import { stateOf } from "../plan/state.ts";
import type { RanRepeatable } from "../repeatable-types.ts";
import type { AppliedMigration, MigrateReport, RunEnd } from "../reports.ts";
import type { Run, Session } from "../run-types.ts";
import type { Tag } from "../types.ts";
import { openLedger } from "./call.ts";
import { type Attempt, inSession, untilDone } from "./until-done.ts";

/**
 * Applies what is pending. Looks first: where the database's head is the history's,
 * that is all. A lost connection or lease starts over with what is recorded by then.
 *
 * @throws MigrateError
 */
export async function runMigrations(
  run: Run,
): Promise<RunEnd & Pick<MigrateReport, "applied" | "repeatables">> {
  const ran = new Map<Tag, RanRepeatable>();
  const { end, done } = await untilDone(run, "applied", async (now, at) => {
    let before: Tag | undefined;
    for (;;) {
      const end = await attempt(now, at, ran);
      const held = end.heldBack?.tag;
      // What it waits for may have been applied by this very run.
      if (held === undefined || held === before || at.done.size === 0) return end;
      before = held;
    }
  });
  const hasDone = done.length > 0 || ran.size > 0;
  const outcome = hasDone ? "applied" : end.outcome;
  return { ...end, outcome, applied: done, repeatables: [...ran.values()] };
}

/** One session's worth of a run. */
async function attempt(
  run: Run,
  { since, done, isFirst }: Attempt,
  ran: Map<Tag, RanRepeatable>,
): Promise<RunEnd> {
  const onRan = (repeatable: RanRepeatable) => ran.set(repeatable.tag, repeatable);
  const onApplied = (migration: AppliedMigration) => done.set(migration.tag, migration);
  return inSession(run, async ({ session, first }) => {
    // Hashed while the connection was made.
    const history = await run.history;
    refuseUnknownTarget(history, run.plan.to);
    const found = runnerOf(first, run.schema);
    if (!isFirst && found !== undefined) {
      await recoverReplies(session, run, onApplied);
      if (found.ledgerVersion >= FIRST_WITH_REPEATABLES) await recoverRuns(session, run, ran);
    }
    const endsMirror = run.plan.mirror === false && found?.mirror != null;
    const hasHooks = run.beforeMigrate !== undefined || run.afterMigrate !== undefined;
    if (isSettled(history, found) && !endsMirror && !hasHooks) {
      return { outcome: "current", version: history.migrations.at(-1)?.tag, warnings: [] };
    }
    const { applyPending } = await import("./apply.ts");
    return await applyPending(run, session, history, { found, since, onApplied, onRan });
  });
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

/** The same of repeatables. */
async function recoverRuns(
  session: Session,
  { schema, identity }: Run,
  ran: Map<Tag, RanRepeatable>,
): Promise<void> {
  const rows = repeatablesOf(await ask(session, "repeatables", readRepeatableRows(schema)));
  for (const { tag, runId, error, earlier, durationMs } of rows) {
    if (runId !== identity.runId || error !== null || ran.has(tag)) continue;
    ran.set(tag, { tag, why: earlier.length > 0 ? "changed" : "new", durationMs: durationMs ?? 0 });
  }
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
    const isKept = (now.runner?.ledgerVersion ?? 0) >= FIRST_WITH_REPEATABLES;
    const repeatables = isKept
      ? repeatablesOf(await ask(session, "repeatables", readRepeatableRows(schema)))
      : [];
    return await withExisting(session, run, await run.history, { ...now, repeatables });
  } finally {
    await session.close();
  }
}
