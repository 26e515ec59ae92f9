import { ask } from "../../connection/ask.ts";
import { readLedgerAfter } from "../adopt/look.ts";
import { executeSteps } from "../execute/lock-retry.ts";
import { checkOutsideStatements } from "../execute/outside/preflight.ts";
import { EMPTY_HEAD } from "../history/checksum.ts";
import { withLease } from "../lease/hold.ts";
import { pauseUnderLease } from "../lease/renew.ts";
import { lookAgain } from "../lease/wait.ts";
import { copyBehind } from "../ledger/event-copy.ts";
import { readRows } from "../ledger/read.ts";
import { rowsOf, runnerOf } from "../ledger/replies.ts";
import { targetOf } from "../plan/revert.ts";
import { statusesOf } from "../plan/statuses.ts";
import type {
  RollbackOptions,
  RollbackPlan,
  RollbackReport,
  RollbackTarget,
} from "../rollback-types.ts";
import type { HeldRun, Run, Session } from "../run-types.ts";
import type { Tag } from "../types.ts";
import { countLosses } from "./count-losses.ts";
import { currentLedger } from "./current-ledger.ts";
import { refuseFailedMeanwhile } from "./failed-meanwhile.ts";
import { plannedStep } from "./planned.ts";
import { type PreparedRevert, prepareRevert } from "./prepare-revert.ts";
import { refuseLoss, refuseOtherDatabase, type StepLosses } from "./refuse-loss.ts";
import { type Attempt, inSession, untilDone } from "./until-done.ts";
import { whereabouts } from "./whereabouts.ts";

/** What a rollback tells of its end. */
type RollbackEnd = Pick<RollbackReport, "version" | "head" | "migrations" | "warnings">;

/** What a rollback would do, and refuse. Writes nothing, takes no lease. */
export async function previewRollback(run: Run, target: RollbackTarget): Promise<RollbackPlan> {
  return inSession(run, async ({ session, first }) => {
    const history = await run.history;
    const found = runnerOf(first, run.schema);
    const ledger = await readLedgerAfter(session, run, history, found);
    const { plan, steps } = await prepareRevert(session, run, history, ledger, target);
    const where = await whereabouts(session, run);
    const losses = await countLosses(session, steps);
    const since = found && (await lookAgain(session, run.schema));
    const isBusy = [found, since].some((runner) => runner && runner.runId !== null);
    return {
      outcome: plan.steps.length > 0 || plan.problems.length > 0 ? "pending" : "current",
      ...where,
      isBusy,
      steps: steps.map((step, i) => {
        // Code runs on the way up only.
        const { code: _code, ...planned } = plannedStep(step);
        return { ...planned, source: step.source, loses: losses[i] ?? [] };
      }),
      versionAfter: plan.versionAfter,
      problems: plan.problems,
      warnings: history.warnings,
    };
  });
}

/**
 * Takes migrations back, newest first. What is to go is decided by the first look: whoever waits for another runner
 * takes back what is left of that, and nothing more.
 *
 * @throws MigrateError
 */
export async function rollBackMigrations(
  run: Run,
  options: RollbackOptions,
): Promise<RollbackReport> {
  const start = performance.now();
  let expected = options.expect;
  const { end, done } = await untilDone(run, "reverted", (now, attempt) =>
    inSession(now, async ({ session, first }) => {
      const found = runnerOf(first, now.schema);
      if (found === undefined) return { version: undefined, head: EMPTY_HEAD, warnings: [] };
      if (!attempt.isFirst) await recoverReplies(session, now, attempt);
      const history = await now.history;
      const ledger = await readLedgerAfter(session, now, history, found);
      const target = expected === undefined ? options : targetOf(ledger.rows, expected);
      const preview = await prepareRevert(session, now, history, ledger, target);
      expected ??= preview.plan.steps.map(({ migration }) => migration.tag);
      if (isOver(preview)) return endOf(preview);
      refuseOtherDatabase(options, await whereabouts(session, now));
      return revert(now, session, { ...attempt, options, expected, found });
    }),
  );
  const { warnings } = await run.history;
  return {
    ...end,
    outcome: done.length > 0 ? "reverted" : "current",
    runId: run.identity.runId,
    reverted: done,
    durationMs: Math.round(performance.now() - start),
    warnings: [...warnings, ...end.warnings],
  };
}

/** Takes the lease, plans again, executes. */
async function revert(
  run: Run,
  session: Session,
  work: Attempt & {
    readonly options: RollbackOptions;
    readonly expected: readonly Tag[];
    readonly found: NonNullable<ReturnType<typeof runnerOf>>;
  },
): Promise<RollbackEnd> {
  const { options, expected, since, done } = work;
  const history = await run.history;
  const runner = await currentLedger(session, run, work.found);
  let behind: string | null = null;
  const onCopied = (reason: string | null) => {
    behind = reason;
  };
  try {
    const held = await withLease(run, session, runner, async (held, { rows, at, askedAtMs }) => {
      // Under the lease nobody else is at work.
      const ledger = { runner: { ...runner, runId: null }, rows };
      const target = targetOf(rows, expected);
      const prepared = await prepareRevert(session, run, history, ledger, target);
      if (isOver(prepared)) return endOf(prepared);
      refuseFailedMeanwhile(prepared.steps, rows, new Date(at.getTime() - (askedAtMs - since)));
      // Not before: while another run is at work, what is there is not what will be.
      const steps = await refuseLosses(held, prepared, options);
      const tags = steps.map(({ migration }) => migration.tag);
      run.onProgress({ kind: "planned", tags, direction: "down" });
      await checkOutsideStatements(held, steps);
      await executeSteps(held, steps, {
        onCopied,
        onApplied: (reverted) => done.set(reverted.tag, reverted),
      });
      return { ...endOf(prepared), head: steps.at(-1)?.headAfter ?? prepared.plan.head };
    });
    // It waits for no other runner to do it.
    if (held === undefined) throw new TypeError("a rollback ended without a result");
    const { value, after } = held;
    return {
      ...value,
      warnings: behind === null ? [] : [copyBehind(behind)],
      ...(after !== undefined && { migrations: statusesOf(history, after) }),
    };
  } catch (error) {
    if (behind !== null) run.onProgress({ kind: "warning", warning: copyBehind(behind) });
    throw error;
  }
}

/** @throws MigrateError the first of what forbids it */
function isOver({ plan }: PreparedRevert): boolean {
  const [problem] = plan.problems;
  if (problem !== undefined) throw problem;
  return plan.steps.length === 0;
}

function endOf({ plan }: PreparedRevert): RollbackEnd {
  return { version: plan.versionAfter, head: plan.head, warnings: [] };
}

/** @returns the steps, which check again, as they drop it, that what was empty still is */
async function refuseLosses(
  held: HeldRun,
  { steps }: PreparedRevert,
  options: RollbackOptions,
): Promise<PreparedRevert["steps"]> {
  const { session } = held;
  const where = await whereabouts(session, held);
  refuseOtherDatabase(options, where);
  // Counting takes a while, and says nothing to somebody who allows it.
  if (options.allowDataLoss && (where.isLocal || options.database !== undefined)) return steps;
  const guards = new Map(steps.map((step) => [step, new Map<number, string[]>()]));
  const losses = await countLosses(
    session,
    steps,
    () => pauseUnderLease(held, 0),
    (step, index, guard) => {
      const ofStep = guards.get(step as PreparedRevert["steps"][number]);
      ofStep?.set(index, [...(ofStep.get(index) ?? []), guard]);
    },
  );
  const each = steps.map(
    ({ migration }, i): StepLosses => ({ tag: migration.tag, loses: losses[i] ?? [] }),
  );
  refuseLoss(each, options, where);
  return steps.map((step) => ({ ...step, guards: guards.get(step) ?? new Map() }));
}

/** What this run committed without hearing of it before the connection broke. */
async function recoverReplies(
  session: Session,
  { schema, identity }: Run,
  { done }: Attempt,
): Promise<void> {
  const reply = await ask(session, "read", readRows(schema));
  for (const { tag, state, runId, durationMs, reverting } of rowsOf(reply)) {
    const isOurs = state === "PENDING" && reverting === null && runId === identity.runId;
    if (isOurs && durationMs !== null) done.set(tag, { tag, durationMs });
  }
}
