import { messageOf } from "../../base/problem.ts";
import { plural } from "../../base/text.ts";
import { columnOf, rollBack } from "../../connection/ask.ts";
import { fillRows, runStatements, sendFenced } from "./attempt.ts";
import { type BackfillEnd, type Course, isTransient } from "./course.ts";
import { isLoss, isTaken, keyText, recordedOf } from "./failed.ts";
import { type Key, rowOf } from "./keys.ts";
import {
  QUARANTINED,
  quarantine,
  readQuarantined,
  releaseRow,
  WANTED,
  type Wanted,
} from "./store.ts";

const SHOWN = 5;

/**
 * Tries the rows that were put aside once more: their cause may be gone.
 *
 * @throws BackfillFailed where some are left
 */
export async function retryQuarantined(course: Course): Promise<BackfillEnd | undefined> {
  const { run } = course;
  const { rows } = await sendFenced(run, [readQuarantined(run.schema, run.tag)]);
  const keys = rows.flatMap((row) => (QUARANTINED in row ? [row[QUARANTINED] as Key] : []));
  const left: { readonly key: Key; readonly error: unknown }[] = [];
  for (const key of keys) {
    const stopped = await course.giveWay();
    if (stopped !== undefined) return stopped;
    const error = await retry(course, key);
    if (error !== undefined) left.push({ key, error });
  }
  course.row = { ...course.row, quarantined: left.length };
  const [first] = left;
  if (first === undefined) return undefined;
  const lines = left
    .slice(0, SHOWN)
    .map(({ key, error }) => `  ${keyText(course.key, key)}: ${messageOf(error)}`);
  const more = left.length > SHOWN ? [`  … and ${left.length - SHOWN} more`] : [];
  throw course.failed(
    first.error,
    [
      `${plural(left.length, "row")} of ${run.target.name} could not be filled:`,
      ...lines,
      ...more,
    ].join("\n"),
  );
}

/** Fills one row; returns why it could not be filled. */
async function retry(course: Course, key: Key): Promise<unknown> {
  const { run } = course;
  const { schema, tag } = run;
  try {
    const commit = [releaseRow(schema, tag, key), course.checkpoint({})];
    await fillRows(run, rowOf(run.target, key), commit);
    return undefined;
  } catch (error) {
    run.signal.throwIfAborted();
    if (isTaken(error) || isLoss(error)) throw error;
    await rollBack(run.session);
    if (isTransient(error)) {
      await course.later(recordedOf(error).message);
      return retry(course, key);
    }
    await course.commit({}, [quarantine(schema, tag, key, recordedOf(error))]);
    return error;
  }
}

/** What is to hold once all rows are filled: each statement in a transaction of its own, and once. */
export async function finalize(course: Course): Promise<BackfillEnd | undefined> {
  const { run } = course;
  const { finalize: asked = [] } = run.definition;
  const statements = typeof asked === "string" ? [asked] : asked;
  for (const [i, statement] of statements.entries()) {
    if (i < course.row.finalized) continue;
    const stopped = await course.giveWay();
    if (stopped !== undefined) return stopped;
    const change = { finalized: i + 1 };
    const reply = await course.patiently(
      () => runStatements(run, [statement], [course.checkpoint(change)]),
      (error) =>
        course.failed(
          error,
          `Statement ${i + 1} of finalize failed: ${messageOf(error)}\n${statement}`,
        ),
    );
    course.committed(change, (columnOf(reply, WANTED) ?? null) as Wanted | null);
  }
  return undefined;
}
