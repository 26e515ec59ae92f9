import { offsetOfCodePoint } from "../../base/place.ts";
import { messageOf } from "../../base/problem.ts";
import { QUERY_CANCELED } from "../../base/sqlstate.ts";
import { listed } from "../../base/text.ts";
import { ask, columnOf, despiteLateCancel, rolledBackAfterError } from "../../connection/ask.ts";
import { transaction } from "../../connection/begin.ts";
import { deadlineOf } from "../../connection/deadline.ts";
import type { ServerError } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { causeOf, culpritOf, recordCanceled, recordError } from "../execute/failure-text.ts";
import { lockError } from "../execute/lock-retry.ts";
import { inAscii, untranslatable } from "../execute/record-failure.ts";
import { fence, releaseLease } from "../lease/sql.ts";
import { COPY } from "../ledger/event-copy.ts";
import { record } from "../ledger/record.ts";
import type { RecordedError, Tag } from "../types.ts";
import type { FoundObject } from "./dependents.ts";
import type { UnitFailure, UnitRun } from "./unit-run.ts";

/** What stands against dropping what is in the way of a repeatable. */
interface Obstacles {
  /** No repeatable makes it. */
  readonly inTheWay?: readonly FoundObject[];
  /** Repeatables that make it, of which the database has a newer text. */
  readonly older?: readonly Tag[];
}

/**
 * Records a repeatable that failed, and gives the lease back.
 *
 * @param tries of one that got no lock
 * @param obstacles why what depends on something that must be dropped cannot be
 * @returns what to throw
 */
export async function recordUnitFailure(
  at: UnitRun,
  failure: UnitFailure,
  tries: number | undefined,
  { inTheWay = [], older = [] }: Obstacles = {},
): Promise<MigrateError> {
  const { run, one, watch } = at;
  const { error, message, stage } = failure;
  if (error.code === QUERY_CANCELED && run.signal?.aborted) return recordUnitStop(at, error);
  // What is dropped, its file's first statement asks for.
  const first = Math.max(
    0,
    message.starts.findIndex((_, number) => message.partOf(number)?.tag === one.tag),
  );
  const known = stage.kind === "drops" ? ({ kind: "statement", index: first } as const) : stage;
  const culprit = culpritOf(message, known, error);
  const part = message.partOf(numberOf(failure)) ?? one;
  const locks =
    tries === undefined
      ? undefined
      : lockError(run.lockPatience, tries, watch.seen(), watch.blind());
  const more = [
    ...(locks?.lines ?? []),
    ...(stage.kind === "drops" ? ["while dropping what depends on what it makes"] : []),
    ...inTheWay.map(({ description }) => `in the way: ${description}, which no repeatable makes`),
    ...older.map((tag) => `in the way: what ${tag} makes, of which a newer text has run here`),
  ];
  const texts = recordError(
    part.step,
    error,
    { culprit, stage: known, rowValues: run.rowValues },
    { applied: 0, notRun: 0, committed: 0 },
    more,
  );
  const names = listed(inTheWay.map(({ description }) => description));
  const remedy =
    inTheWay.length > 0
      ? `Nothing was dropped. Make ${names} by a repeatable too, or change what is there with a migration: drop ${inTheWay.length === 1 ? "it" : "them"} there, and make ${inTheWay.length === 1 ? "it" : "them"} again after the change.`
      : older.length > 0
        ? `Nothing was dropped: it would be made again by an older text. Run the newest release, or take the newer text of ${listed(older)} into this one. If the older text is meant to come back, run \`tidemark migrate --allow-older\`.`
        : (locks?.remedy ??
          `Next: correct ${part.file} (or the data it met), then run \`tidemark migrate\` again.`);
  return recordAndRelease(at, texts.recorded, {
    code: locks === undefined ? "migration_failed" : "lock_timeout",
    failure: texts.failure,
    remedy,
    cause: causeOf(texts.recorded),
  });
}

/** Records that the run was told to stop before the repeatable was done. */
export async function recordUnitStop(
  at: UnitRun,
  cause: ServerError | undefined,
): Promise<MigrateError> {
  const { run, one } = at;
  const reached = deadlineOf(run.signal);
  const why = reached === undefined ? "was canceled" : `was canceled: ${reached.message}`;
  const aftermath = { applied: 0, notRun: 0, committed: 0 };
  const texts = recordCanceled(one.step.migration, aftermath, why, []);
  return recordAndRelease(at, texts.recorded, {
    code: reached === undefined ? "canceled" : "lock_timeout",
    failure: texts.failure,
    remedy: `Next: run \`tidemark migrate\` again.${reached === undefined ? "" : " A longer --deadline gives it more time."}`,
    cause,
  });
}

/** The statement that failed, of all parts in their order: the one that the error's position lies in, else by the stage. */
function numberOf({ message, stage, error }: UnitFailure): number {
  if (error.position !== undefined && /^\d+$/.test(error.position)) {
    const at = offsetOfCodePoint(message.text, Number(error.position) - 1);
    const number = message.starts.findLastIndex((start) => start <= at);
    const length = message.statements[number]?.statement.text.length ?? -1;
    if (at - (message.starts[number] ?? 0) <= length) return number;
  }
  return stage.kind === "statement" ? stage.index : -1;
}

async function recordAndRelease(
  { run, one, due, work }: UnitRun,
  recorded: RecordedError,
  parts: Pick<
    ConstructorParameters<typeof MigrateError>[0],
    "code" | "failure" | "remedy" | "cause"
  >,
): Promise<MigrateError> {
  const { session } = run;
  const { tag, repeatable } = one;
  const write = (error: RecordedError) => {
    const attempt = (work.rows.get(tag)?.attempt ?? 0) + 1;
    const payload = { error, why: due.get(tag) ?? "remade" } as const;
    const subject = { tag, attempt, checksum: repeatable.checksum };
    const text = transaction(session.serverVersion, [
      fence(run, { activity: tag }),
      ...record(run, [{ type: "repeatable.failed", ...subject, payload }], {
        head: null,
        activity: tag,
      }),
      releaseLease(run),
    ]);
    return despiteLateCancel(() => rolledBackAfterError(session, ask(session, "failed", text)));
  };
  let note = "";
  try {
    const reply = await write(recorded).catch((error: unknown) => {
      if (!untranslatable(error)) throw error;
      return write(inAscii(recorded));
    });
    const copied = columnOf(reply, COPY);
    if (copied !== undefined) work.onCopied(copied as string | null);
  } catch (error) {
    note = `\nThe failure could not be recorded (${messageOf(error)}).`;
  }
  const { file, line, column } = recorded;
  return new MigrateError({
    ...parts,
    ...{ tag, recorded, fact: `${recorded.text}${note}`, outcome: "rolled-back" },
    place: file === null || line === null ? undefined : { file, line, column: column ?? 1 },
    notRun: [...due.keys()].filter((other) => other !== tag),
  });
}
