import { errorCode, messageOf } from "../../base/problem.ts";
import { QUERY_CANCELED, UNTRANSLATABLE_CHARACTER } from "../../base/sqlstate.ts";
import {
  ask,
  columnOf,
  despiteLateCancel,
  rollBack,
  rolledBackAfterError,
} from "../../connection/ask.ts";
import { transaction } from "../../connection/begin.ts";
import { deadlineOf } from "../../connection/deadline.ts";
import { MigrateError } from "../errors.ts";
import { LeaseLost } from "../lease/lost.ts";
import { fence, releaseLease } from "../lease/sql.ts";
import { COPY } from "../ledger/event-copy.ts";
import { record } from "../ledger/record.ts";
import { isContended } from "../ledger/server-error.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { RecordedError } from "../types.ts";
import { heldBy } from "./blockers.ts";
import { recordTrouble } from "./code/record-trouble.ts";
import type { Execution, Part } from "./execution.ts";
import { remedyOf } from "./failure-remedy.ts";
import {
  causeOf,
  culpritOf,
  type FailureText,
  recordCanceled,
  recordError,
  type ServerErrorFields,
} from "./failure-text.ts";
import type { PartFailure } from "./pipeline.ts";
import { subjectOf } from "./transaction.ts";

/** What is said of a failure beside the server's error. */
export interface FailureNotes {
  readonly lines: readonly string[];
  readonly remedy: string;
}

/**
 * Tells a failed migration from a lost lease and from a run that was told to stop, and records it.
 *
 * @param locks of one that got no lock
 * @returns what to throw
 */
export async function recordFailure(
  execution: Execution,
  failure: PartFailure,
  locks: FailureNotes | undefined,
): Promise<Error> {
  const { part, message, stage, error, index, left, trouble } = failure;
  const { step } = part;
  const culprit = culpritOf(message, stage, error);
  const ended = stage.kind === "statement" && isUnjudgeable(part);
  if (error.code === QUERY_CANCELED && execution.signal?.aborted) {
    return recordStop(execution, index, error, { left, ended, held: execution.watch.seen() });
  }
  if (culprit === undefined && stage.kind === "fence" && isContended(error)) {
    await rollBack(execution.session);
    return new LeaseLost(error.message, { cause: error });
  }
  const at = { culprit, stage, rowValues: execution.rowValues };
  const aftermath = aftermathOf(execution, part, left);
  const text =
    trouble === undefined
      ? recordError(step, error, at, aftermath, locks?.lines)
      : recordTrouble(step, trouble, error, execution.rowValues, aftermath, locks?.lines);
  const file = text.recorded.file ?? step.migration.file;
  const own =
    trouble?.remedy === undefined
      ? remedyOf(file, error, commandOf(step))
      : `Next: correct ${file}, then run \`tidemark migrate\` again. ${trouble.remedy}`;
  return recordAndRelease(execution, part, {
    ...text,
    code: locks === undefined ? "migration_failed" : "lock_timeout",
    remedy: locks?.remedy ?? own,
    cause: trouble?.cause ?? causeOf(text.recorded),
    ended,
  });
}

/** The same where every character beyond ASCII is a question mark. */
export function inAscii(recorded: RecordedError): RecordedError {
  return JSON.parse(JSON.stringify(recorded).replace(BEYOND_ASCII, "?"));
}

/** Whether a text has characters that the database's encoding has not. */
export function untranslatable(error: unknown): boolean {
  return errorCode(error) === UNTRANSLATABLE_CHARACTER;
}

const BEYOND_ASCII = /[^\u0020-\u007e]/gu;

/** A statement that the catalog cannot judge afterwards. */
export function isUnjudgeable(part: Part): boolean {
  return part.kind === "outside" && part.outside.action.kind === "opaque";
}

/** Records that the run was told to stop before the part with that index was done. */
export async function recordStop(
  execution: Execution,
  index: number,
  cause: ServerErrorFields | undefined,
  more: {
    readonly left?: string | undefined;
    readonly ended?: boolean;
    readonly held?: Parameters<typeof heldBy>[0];
  } = {},
): Promise<Error> {
  const part = execution.parts[index];
  if (part === undefined) throw new RangeError(`no part ${index}`);
  const reached = deadlineOf(execution.signal);
  const held = reached === undefined ? [] : heldBy(more.held ?? []);
  const aftermath = aftermathOf(execution, part, more.left);
  const what = part.step.down === undefined ? "was canceled" : "on its way down was canceled";
  const why = reached === undefined ? what : `${what}: ${reached.message}`;
  const deadline = reached === undefined ? "" : " A longer --deadline gives it more time.";
  return recordAndRelease(execution, part, {
    ...recordCanceled(part.step.migration, aftermath, why, held),
    code: reached === undefined ? "canceled" : "lock_timeout",
    remedy: `Next: run \`tidemark ${commandOf(part.step)}\` again; it goes on from here.${deadline}`,
    cause,
    ended: more.ended ?? false,
  });
}

function aftermathOf({ steps }: Execution, { step, stepIndex, from }: Part, left?: string) {
  const notRun = steps.length - stepIndex - 1;
  return { applied: stepIndex, notRun, committed: from, left, isDown: step.down !== undefined };
}

/** What goes on from where a step failed. */
export function commandOf({ down }: ParsedStep): "migrate" | "rollback" {
  return down === undefined ? "migrate" : "rollback";
}

/**
 * Writes `failed` and gives the lease back, in one transaction: no other runner may find the lease without
 * its holder and without that record. Where that fails too, the first error is still the one that is
 * returned.
 */
async function recordAndRelease(
  execution: Execution,
  { step, stepIndex, kind, from }: Part,
  failed: FailureText & {
    readonly code: "migration_failed" | "lock_timeout" | "canceled";
    readonly remedy: string;
    readonly cause: unknown;
    /** A statement outside transactions has ended, and needs no look. */
    readonly ended: boolean;
  },
): Promise<MigrateError> {
  const { session, steps, onCopied } = execution;
  const { ended, ...thrown } = failed;
  const { recorded } = thrown;
  const { tag } = step.migration;
  const isDown = step.down !== undefined;
  const write = (error: RecordedError) => {
    const payload = {
      error,
      ...(ended && { ended: true as const }),
      ...(isDown && { direction: "down" as const }),
    };
    const event = { type: "migration.failed", ...subjectOf(step), payload } as const;
    const text = transaction(session.serverVersion, [
      fence(execution, { activity: tag }),
      ...record(execution, [event], { head: null, activity: tag }),
      releaseLease(execution),
    ]);
    return despiteLateCancel(() =>
      rolledBackAfterError(session, ask(session, "failed", `rollback;\n${text}`)),
    );
  };
  let note = "";
  try {
    const reply = await write(recorded).catch((error: unknown) => {
      // A database that is not in UTF-8 has not all characters that a file and our own texts have.
      if (!untranslatable(error)) throw error;
      return write(inAscii(recorded));
    });
    const copied = columnOf(reply, COPY);
    if (copied !== undefined) onCopied(copied as string | null);
  } catch (error) {
    note = `\nThe failure could not be recorded (${messageOf(error)}): status shows ${tag} as STUCK until the next run.`;
  }
  const { file, line, column } = recorded;
  return new MigrateError({
    ...thrown,
    tag,
    fact: `${recorded.text}${note}`,
    outcome: kind === "outside" || from > 0 ? "partly-committed" : "rolled-back",
    place: file === null || line === null ? undefined : { file, line, column: column ?? 1 },
    [isDown ? "reverted" : "applied"]: steps
      .slice(0, stepIndex)
      .map(({ migration }) => migration.tag),
    notRun: steps.slice(stepIndex + 1).map(({ migration }) => migration.tag),
  });
}
