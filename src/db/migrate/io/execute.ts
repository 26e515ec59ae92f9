import { culpritOf, recordCanceled, recordError } from "../pure/failure.ts";
import { FENCED } from "../pure/lease-sql.ts";
import { type LockPatience, lockError, pauseAfterTry } from "../pure/lock-patience.ts";
import { stageOf, startMessage } from "../pure/message.ts";
import { type BlockerWatch, watchBlockers } from "./blockers.ts";
import { LeaseLost } from "./lease-lost.ts";
import { LOCK_CONFLICTS, LOCK_NOT_AVAILABLE, QUERY_CANCELED, rollBack } from "./ledger.ts";
import { type Execution, type PipelineEnd, runPipeline } from "./pipeline.ts";
import { recordAndRelease } from "./record-failure.ts";
import { pauseUnderLease } from "./renew.ts";
import { isServerError, type ServerError } from "./session.ts";

type Failed = Extract<PipelineEnd, { kind: "failed" }>;

/** The fence refused, or could not get the row: another run has it. */
function isContended(error: unknown): error is ServerError {
  return isServerError(error) && (error.code === FENCED || error.code === LOCK_NOT_AVAILABLE);
}

/**
 * Runs the steps under the lease, each in a transaction that also records it. One that
 * cannot get its locks in time is rolled back and tried again after a pause, in which
 * the sessions that queued up behind it are served.
 *
 * @throws MigrateError `migration_failed`, `lock_timeout`, `canceled`; LeaseLost; SessionLost
 */
export async function executeSteps(
  execution: Execution,
  patience: LockPatience,
  url: string,
): Promise<void> {
  const { session, context, steps } = execution;
  const [first] = steps;
  if (first === undefined) return;
  const start = await session.send("start", startMessage(context, 0, first, session.serverVersion));
  const started = start.reply.catch((error: unknown) => {
    throw isContended(error) ? new LeaseLost(error.message, { cause: error }) : error;
  });
  started.catch(() => undefined);
  const watch = watchBlockers({
    url,
    schema: context.schema,
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
      const { index } = end.flight;
      if (index > from) {
        tries = 0;
        since = Date.now();
      }
      from = index;
      tries += 1;
      const pauseMs = isLockConflict(end)
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
function isLockConflict({ flight, error }: Failed): boolean {
  const stage = stageOf(flight.message, flight.marker);
  return LOCK_CONFLICTS.has(error.code) && stage.kind !== "fence";
}

async function pauseForLocks(
  execution: Execution,
  { flight, error }: Failed,
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
    tag: flight.step.migration.tag,
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
    throw await stopBefore(execution, flight.index, error);
  }
}

/** Tells a failed migration from a lost lease, and records the failure. */
async function failureOf(
  execution: Execution,
  { flight, error }: Failed,
  tried: { readonly patience: LockPatience; readonly tries: number; readonly watch: BlockerWatch },
): Promise<Error> {
  const { step, message, index } = flight;
  const stage = stageOf(message, flight.marker);
  const culprit = culpritOf(message, stage, error);
  if (error.code === QUERY_CANCELED && execution.signal?.aborted) {
    return stopBefore(execution, index, error);
  }
  if (culprit === undefined && stage.kind === "fence" && isContended(error)) {
    await rollBack(execution.session);
    return new LeaseLost(error.message, { cause: error });
  }
  const locks = isLockConflict({ kind: "failed", flight, error })
    ? lockError(tried.patience, tried.tries, tried.watch.seen(), tried.watch.blind())
    : undefined;
  const recorded = recordError(
    step,
    error,
    { culprit, stage },
    aftermathOf(execution, index),
    locks?.lines,
  );
  return recordAndRelease(execution, {
    steps: execution.steps,
    index,
    recorded,
    code: locks === undefined ? "migration_failed" : "lock_timeout",
    remedy:
      locks?.remedy ??
      `Next: correct ${step.migration.file} (or the data it met), then run \`tidemark migrate\` again.`,
    cause: error,
  });
}

async function stopBefore(
  execution: Execution,
  index: number,
  cause: ServerError | undefined,
): Promise<Error> {
  const step = execution.steps[index];
  if (step === undefined) throw new RangeError(`no step ${index}`);
  return recordAndRelease(execution, {
    steps: execution.steps,
    index,
    recorded: recordCanceled(step.migration, aftermathOf(execution, index)),
    code: "canceled",
    remedy: "Next: run `tidemark migrate` again; it goes on from here.",
    cause,
  });
}

function aftermathOf({ steps }: Execution, index: number) {
  return { applied: index, notRun: steps.length - index - 1 };
}
