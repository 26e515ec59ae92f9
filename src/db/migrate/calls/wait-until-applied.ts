import { jittered, LONGEST_TIMER_MS, pause } from "../../base/backoff.ts";
import { plural } from "../../base/text.ts";
import { askOrError } from "../../connection/ask.ts";
import { SessionLost } from "../../connection/loss.ts";
import { readLedgerAfter } from "../adopt/look.ts";
import { MigrateError } from "../errors.ts";
import { areRepeatablesAsOf } from "../history/repeatables.ts";
import { look } from "../lease/sql.ts";
import { describeHolder, holderOf } from "../lease/wait.ts";
import { runnerOf } from "../ledger/replies.ts";
import type { RunnerRow } from "../ledger-types.ts";
import { heldBackText } from "../plan/held-back.ts";
import { type Plan, planRun } from "../plan/plan.ts";
import { isToRun } from "../plan/repeatable-plan.ts";
import type { WaitReport } from "../reports.ts";
import type { Run, Session } from "../run-types.ts";
import type { History, Tag } from "../types.ts";
import { openLedger } from "./call.ts";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const REPORT_EVERY_MS = 2_000;

// What no run of another can make good: this build and that database do not fit.
const HOPELESS = new Set(["checksum_mismatch", "missing_file", "adopt_required"]);

/**
 * Waits until the database has all of this history, applied by another process. Writes
 * nothing and locks nothing; a server that is not there yet is waited for too.
 *
 * @throws MigrateError `lock_timeout` when it took too long, with what is missing;
 * `checksum_mismatch`, `missing_file`, `adopt_required` at once; `connect`
 */
export async function waitUntilApplied(run: Run, timeoutMs: number): Promise<WaitReport> {
  const start = performance.now();
  const leftMs = () => timeoutMs - (performance.now() - start);
  for (;;) {
    const connectTimeoutMs = Math.min(Math.max(leftMs(), 0), LONGEST_TIMER_MS);
    const { session, first } = await openLedger({ ...run, connectTimeoutMs }, look(run.schema));
    try {
      const end = await pollUntilApplied(session, run, runnerOf(first, run.schema), leftMs);
      return { ...end, waitedMs: Math.round(performance.now() - start) };
    } catch (error) {
      if (!(error instanceof SessionLost) || leftMs() <= 0) throw error;
      run.onProgress({ kind: "reconnecting", reason: error.message, attempt: 1 });
    } finally {
      await session.close();
    }
  }
}

async function pollUntilApplied(
  session: Session,
  run: Run,
  first: RunnerRow | undefined,
  leftMs: () => number,
): Promise<Omit<WaitReport, "waitedMs">> {
  const { schema, onProgress, signal } = run;
  const history = await run.history;
  const { head } = history;
  let runner = first;
  let plan: Plan | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let reportedAt = Number.NEGATIVE_INFINITY;
  for (let seen: string | undefined; ; ) {
    if (runner?.head === head && areRepeatablesAsOf(history, runner)) {
      return { outcome: "current", version: history.migrations.at(-1)?.tag, head };
    }
    // The rows change with the head, or with a failure, which is told at the end.
    const now = `${runner?.head ?? "no ledger"} ${runner?.repeatables}`;
    const isDue = performance.now() - reportedAt > REPORT_EVERY_MS;
    // A backfill that ends changes neither.
    const mayGoOn = isDue && plan?.heldBack !== undefined;
    if (plan === undefined || seen !== now || mayGoOn || leftMs() <= 0) {
      seen = now;
      const ledger = await readLedgerAfter(session, run, history, runner);
      plan = planRun(history, ledger);
      if (plan.newer) return { outcome: "newer", version: plan.version, head };
      const hopeless = plan.problems.find(({ code }) => HOPELESS.has(code));
      if (hopeless !== undefined) throw hopeless;
      const isDone = plan.pending === 0 && !plan.repeatables.statuses.some(isToRun);
      if (isDone && plan.problems.length === 0) {
        return { outcome: "current", version: plan.version, head };
      }
    }
    if (leftMs() <= 0) throw plan.problems[0] ?? timedOut(history, plan, runner);
    if (isDue) {
      reportedAt = performance.now();
      const holder = runner && holderOf(runner);
      const { pending, heldBack } = plan;
      onProgress({ kind: "behind", pending, holder, ...(heldBack && { heldBack }) });
    }
    await pause(Math.max(Math.min(jittered(pauseMs), leftMs()), 0), signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    // The ledger need not be there yet.
    runner = runnerOf(await askOrError(session, "look", look(schema)), schema);
  }
}

/** The one that has to wait for a backfill, and all that come after it. */
function heldBackTags({ heldBack, migrations }: Plan): readonly Tag[] {
  const first = migrations.findIndex(({ tag }) => tag === heldBack?.tag);
  if (first === -1) return [];
  return migrations.slice(first).flatMap(({ tag, state }) => (state.kind === "DONE" ? [] : [tag]));
}

function timedOut(history: History, plan: Plan, runner: RunnerRow | undefined): MigrateError {
  const repeatables = plan.repeatables.statuses.filter(isToRun).map(({ tag }) => tag);
  const steps = [...plan.steps.map(({ migration }) => migration.tag), ...heldBackTags(plan)];
  const pending = [...steps, ...repeatables];
  const failed = plan.migrations.find(({ state }) => state.kind === "FAILED");
  const holder = runner && holderOf(runner);
  const working =
    holder === undefined
      ? "No runner is working on it."
      : `Running now: ${describeHolder(holder)}.`;
  const { heldBack } = plan;
  const held = heldBack === undefined ? "" : ` ${heldBackText(heldBack)}`;
  const broken =
    failed?.state.kind === "FAILED" ? `\n${failed.tag} has failed: ${failed.state.error.text}` : "";
  return new MigrateError({
    code: "lock_timeout",
    fact: `${steps.length} of ${history.migrations.length} migrations are still pending${repeatables.length > 0 ? `, and ${plural(repeatables.length, "repeatable")}` : ""}: ${pending.join(", ")}. ${working}${held}${broken}`,
    outcome: "nothing-run",
    remedy: "Run `tidemark migrate`, or wait longer with --timeout.",
    notRun: pending,
  });
}
