import { deadlineOf } from "../../connection/deadline.ts";
import { LeaseLost } from "../lease/lost.ts";
import { pauseUnderLease } from "../lease/renew.ts";
import { isContended, LOCK_CONFLICTS, QUERY_CANCELED, rollBack } from "../ledger/replies.ts";
import type { Execution } from "./execution.ts";
import {
  causeOf,
  culpritOf,
  recordCanceled,
  recordError,
  remedyOf,
  type ServerErrorFields,
} from "./failure.ts";
import { heldBy, type LockPatience, lockError, pauseAfterTry } from "./lock-patience.ts";
import type { Part } from "./parts.ts";
import { type PartFailure, runPipeline } from "./pipeline.ts";
import { recordAndRelease } from "./record-failure.ts";
import { startMessage } from "./transaction.ts";
import { type BlockerWatch, watchBlockers } from "./watch-blockers.ts";

/**
 * Runs the steps under the lease, each in a transaction that also records it. One that
 * cannot get its locks in time is rolled back and tried again after a pause, in which
 * the sessions that queued up behind it are served.
 *
 * @throws MigrateError `migration_failed`, `lock_timeout`, `canceled`; LeaseLost; SessionLost
 */
export async function executeSteps(execution: Execution, patience: LockPatience): Promise<void> {
  const { session, context, steps } = execution;
  const [first] = steps;
  if (first === undefined) return;
  const start = await session.send("start", startMessage(context, 0, first, session.serverVersion));
  const started = start.reply.catch((error: unknown) => {
    throw isContended(error) ? new LeaseLost(error.message, { cause: error }) : error;
  });
  started.catch(() => undefined);
  execution.counter.committed = 1;
  const watch = watchBlockers({
    second: execution.second,
    schema: context.schema,
    lease: context.lease,
    backendPid: context.lease.direct ? session.handshakePid() : undefined,
    afterMs: Math.min(1_000, patience.lockTimeoutMs / 2),
    onBlocked: (tag, blockers) => execution.onProgress({ kind: "blocked", tag, blockers }),
  });
  try {
    let from = 0;
    let tries = 0;
    let since = Date.now();
    for (;;) {
      const end = await runPipeline(execution, from, started, watch);
      if (end.kind === "done") return;
      if (end.kind === "aborted") throw await stopBefore(execution, end.next, undefined);
      const { index } = end;
      if (index > from) {
        tries = 0;
        since = Date.now();
      }
      from = index;
      tries += 1;
      const pauseMs = mayTryAgain(end)
        ? pauseAfterTry(patience, tries, Date.now() - since)
        : undefined;
      if (pauseMs === undefined) throw await failureOf(execution, end, { patience, tries, watch });
      await pauseForLocks(execution, end, { tries, of: patience.lockTries, pauseMs, watch });
    }
  } finally {
    watch.stop();
  }
}

/** The migration's own statements did not get a lock; the fence's is another story. */
function isLockConflict({ stage, error }: PartFailure): boolean {
  return LOCK_CONFLICTS.has(error.code) && stage.kind !== "fence";
}

/** What a statement did that nobody can judge is not done again. */
function mayTryAgain(failure: PartFailure): boolean {
  const { segment } = failure.part;
  const isOpaque = segment.kind === "outside" && segment.outside.action.kind === "opaque";
  return isLockConflict(failure) && !isOpaque;
}

async function pauseForLocks(
  execution: Execution,
  { part, index, error }: PartFailure,
  tried: {
    readonly tries: number;
    readonly of: number;
    readonly pauseMs: number;
    readonly watch: BlockerWatch;
  },
): Promise<void> {
  const { tries, of, pauseMs, watch } = tried;
  execution.onProgress({
    kind: "lock-retry",
    tag: part.step.migration.tag,
    reason: error.message,
    tries,
    of,
    pauseMs,
    blockers: watch.seen(),
  });
  try {
    await pauseUnderLease(execution.session, execution.context, pauseMs, execution.signal);
  } catch (stopped) {
    if (!execution.signal?.aborted) throw stopped;
    throw await stopBefore(execution, index, error);
  }
}

/** Tells a failed migration from a lost lease, and records the failure. */
async function failureOf(
  execution: Execution,
  failure: PartFailure,
  tried: { readonly patience: LockPatience; readonly tries: number; readonly watch: BlockerWatch },
): Promise<Error> {
  const { part, message, stage, error, index, left } = failure;
  const { step } = part;
  const culprit = culpritOf(message, stage, error);
  if (error.code === QUERY_CANCELED && execution.signal?.aborted) {
    const ended = hasEnded(failure);
    return stopBefore(execution, index, error, { left, ended, watch: tried.watch });
  }
  if (culprit === undefined && stage.kind === "fence" && isContended(error)) {
    await rollBack(execution.session);
    return new LeaseLost(error.message, { cause: error });
  }
  const locks = isLockConflict(failure)
    ? lockError(tried.patience, tried.tries, tried.watch.seen(), tried.watch.blind())
    : undefined;
  const recorded = recordError(
    step,
    error,
    { culprit, stage, rowValues: execution.rowValues },
    aftermathOf(execution, part, left),
    locks?.lines,
  );
  return recordAndRelease(execution, {
    steps: execution.steps,
    index: part.stepIndex,
    recorded,
    code: locks === undefined ? "migration_failed" : "lock_timeout",
    remedy: locks?.remedy ?? remedyOf(step.migration.file, error),
    cause: causeOf(recorded),
    ended: hasEnded(failure),
  });
}

/** The server has said that it failed: nobody needs to ask whether it was done. */
function hasEnded({ part, stage }: PartFailure): boolean {
  const { segment } = part;
  return (
    stage.kind === "statement" &&
    segment.kind === "outside" &&
    segment.outside.action.kind === "opaque"
  );
}

async function stopBefore(
  execution: Execution,
  index: number,
  cause: ServerErrorFields | undefined,
  more: {
    readonly left?: string | undefined;
    readonly ended?: boolean;
    readonly watch?: BlockerWatch;
  } = {},
): Promise<Error> {
  const part = execution.parts[index];
  if (part === undefined) throw new RangeError(`no part ${index}`);
  const reached = deadlineOf(execution.signal);
  const held = reached === undefined ? [] : heldBy(more.watch?.seen() ?? []);
  const aftermath = aftermathOf(execution, part, more.left);
  const why = reached === undefined ? "was canceled" : `was canceled: ${reached.message}`;
  const deadline = reached === undefined ? "" : " With a longer --deadline it has more time.";
  return recordAndRelease(execution, {
    steps: execution.steps,
    index: part.stepIndex,
    recorded: recordCanceled(part.step.migration, aftermath, why, held),
    ended: more.ended ?? false,
    code: reached === undefined ? "canceled" : "lock_timeout",
    remedy: `Next: run \`tidemark migrate\` again; it goes on from here.${deadline}`,
    cause,
  });
}

function aftermathOf({ steps }: Execution, { stepIndex, segment }: Part, left?: string) {
  const committed = segment.from;
  return { applied: stepIndex, notRun: steps.length - stepIndex - 1, committed, left };
}
