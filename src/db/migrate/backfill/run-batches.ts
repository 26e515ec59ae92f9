import { messageOf } from "../../base/problem.ts";
import { plural } from "../../base/text.ts";
import { despiteLateCancel, rollBack } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import { LeaseLost } from "../lease/lost.ts";
import { type BackfillEnd, type BackfillRun, Course } from "./course.ts";
import { BackfillFailed, isLoss, isTaken } from "./failed.ts";
import { fillAll } from "./fill.ts";
import { finalize, retryQuarantined } from "./finish.ts";
import { needsAnotherPass } from "./passes.ts";
import type { BackfillRow, Change } from "./store.ts";

/**
 * Runs a claimed backfill from its checkpoint to its end. Each batch commits with the checkpoint, so that what was
 * filled is never filled again, wherever the process is killed.
 *
 * @throws BackfillFailed with what is to be recorded; LeaseLost; SessionLost; the signal's reason
 */
export async function runBackfill(run: BackfillRun, from: BackfillRow): Promise<BackfillEnd> {
  const course = new Course(run, from);
  try {
    refuseAnother(course);
    for (;;) {
      const stopped = await fillAll(course);
      if (stopped !== undefined) return stopped;
      if (!needsAnotherPass(course)) break;
      await course.commit({ pass: course.row.pass + 1, position: null });
    }
    const stopped = (await retryQuarantined(course)) ?? (await finalize(course));
    if (stopped !== undefined) return stopped;
    await course.end("DONE", "backfill.done");
    return "done";
  } catch (error) {
    if (isLoss(error)) throw error;
    await rollBack(run.session);
    if (isTaken(error)) throw new LeaseLost(messageOf(error), { cause: error });
    await release(course, error);
    throw error;
  }
}

/** It is nobody's from here: what stopped it is in the ledger, or another process may go on at once. */
async function release(course: Course, error: unknown): Promise<void> {
  const given: Change = { state: "PENDING", release: true, reason: null };
  const record = () =>
    error instanceof BackfillFailed
      ? course.end("FAILED", "backfill.failed", error.recorded)
      : course.commit(given);
  await despiteLateCancel(record).catch((unrecorded: unknown) => {
    // The error itself counts; without a sign of life the backfill is free in a moment.
    const isOver = course.run.signal.aborted;
    if (!isOver && !isServerError(unrecorded) && !isLoss(unrecorded)) throw unrecorded;
  });
}

/** Where it is says nothing of another table, or in the order of another key. */
function refuseAnother(course: Course): void {
  const { run, row } = course;
  const now = `${run.target.name} by (${course.key.join(", ")})`;
  const before = `${row.table} by (${row.key.join(", ")})`;
  if ((row.rowsDone === 0 && row.finalized === 0) || now === before) return;
  throw course.failed(
    undefined,
    `It has handled ${plural(row.rowsDone, "row")} of ${before}, and its file now names ${now}: how far it is says nothing there. Take that edit back, and put the other table or key into a migration of its own.`,
  );
}
