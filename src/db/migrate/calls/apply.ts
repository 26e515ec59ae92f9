import { ask } from "../../connection/ask.ts";
import { readLedgerAfter } from "../adopt/look.ts";
import { takeOver } from "../adopt/take-over.ts";
import { parseBefore, runBefore } from "../execute/before.ts";
import { judgeStatements } from "../execute/judge-statements.ts";
import { executeSteps } from "../execute/lock-retry.ts";
import { checkOutsideStatements } from "../execute/outside/preflight.ts";
import { isSettled, repeatablesDigest } from "../history/repeatables.ts";
import { loadDowns } from "../history/sum-folder.ts";
import { withLease } from "../lease/hold.ts";
import { copyBehind } from "../ledger/event-copy.ts";
import { readRepeatableRows, repeatablesOf } from "../ledger/repeatable-rows.ts";
import type { Ledger, RunnerRow } from "../ledger-types.ts";
import { halfWayDown } from "../plan/half-way.ts";
import { nothingToDo, type Plan } from "../plan/plan.ts";
import { statusesOf } from "../plan/statuses.ts";
import type { RanRepeatable, RepeatableRow } from "../repeatable-types.ts";
import { parseRepeatables } from "../repeatables/parse-repeatables.ts";
import { findDropped, runRepeatables } from "../repeatables/run-repeatables.ts";
import type { RepeatableWork } from "../repeatables/unit-run.ts";
import type { AppliedMigration, RunEnd } from "../reports.ts";
import type { HeldRun, Run, Session } from "../run-types.ts";
import type { Checksum, History } from "../types.ts";
import { currentLedger } from "./current-ledger.ts";
import { refuseFailedMeanwhile, refuseRepeatableFailedMeanwhile } from "./failed-meanwhile.ts";
import { hasHooks, runHook } from "./hooks.ts";
import { warningsOf } from "./planned.ts";
import { preparer } from "./prepare-run.ts";

/**
 * The long way of a run, where the head is not the history's: plan, and where there
 * is something to do, take the lease, read the ledger, plan again if that changed, execute. Loaded
 * when it is needed: most boots find nothing to do.
 *
 * @param since when the run began, as `performance.now()`
 * @throws MigrateError; SessionLost, LeaseLost
 */
export async function applyPending(
  run: Run,
  session: Session,
  history: History,
  attempt: {
    readonly found: RunnerRow | undefined;
    readonly since: number;
    readonly onApplied: (migration: AppliedMigration) => void;
    readonly onRan: (repeatable: RanRepeatable) => void;
  },
): Promise<RunEnd> {
  const { onProgress } = run;
  const { found, since, onApplied, onRan } = attempt;
  const downs = loadDowns(history);
  // It is awaited where it counts.
  downs.catch(() => undefined);
  const prepare = preparer(run, history, downs);
  const before = parseBefore(history.before);
  // It is awaited where it counts.
  before.catch(() => undefined);
  let parsed: ReturnType<typeof parseRepeatables> | undefined;
  const repeatables = () => {
    parsed ??= parseRepeatables(history.repeatables ?? []);
    return parsed;
  };
  const ofRuns = (plan: Plan) => (plan.repeatables.runs.length === 0 ? [] : repeatables());
  if (found === undefined) {
    // All of it is pending: read while the server looks what else it has. What fails here fails again
    // where it counts.
    prepare({ runner: undefined, rows: [] })
      .steps()
      .catch(() => undefined);
  }
  const preview = await readLedgerAfter(session, run, history, found);
  const previewed = prepare(preview);
  const mayRepeat =
    (history.repeatables ?? []).length > 0 || (preview.repeatables ?? []).length > 0;
  const nothing = nothingToDo(previewed.plan);
  if (
    nothing !== undefined &&
    !needsLease(run, preview, nothing) &&
    !needsSettling(history, previewed.plan, preview.runner)
  ) {
    const { migrations, version } = previewed.plan;
    const warnings = warningsOf(previewed.plan);
    return { outcome: nothing, version, migrations, warnings, ...heldBackOf(previewed.plan) };
  }
  // Before the ledger is made: refused files leave nothing behind.
  await judgeStatements(session, await previewed.steps(), run);
  await before;
  await ofRuns(previewed.plan);
  const runner = await currentLedger(session, run, preview.runner);
  let behind: string | null = null;
  const onCopied = (reason: string | null) => {
    behind = reason;
  };
  try {
    const end = await withLease(
      run,
      session,
      runner,
      async (held, { rows: found, at, askedAtMs }) => {
        const { rows, taken } = mayTakeOver(held, preview, previewed.plan)
          ? await takeOver(held, history, { runner, rows: found })
          : { rows: found };
        // Nobody is at work now, whatever was seen before the lease was taken.
        const halfWay = halfWayDown(rows, undefined);
        if (halfWay !== undefined) throw halfWay;
        const ran = mayRepeat ? await rowsOfRepeatables(session, run) : [];
        const { plan, steps } = prepare({ runner, rows, repeatables: ran });
        const repeat = () =>
          repeatAfter(held, plan, { history, ran, repeatables, onRan, onCopied });
        const nothingLeft = nothingToDo(plan);
        if (nothingLeft === "newer") return { outcome: nothingLeft, plan, taken };
        if (nothingLeft !== undefined) {
          await runHook(held, "beforeMigrate", []);
          if (needsSettling(history, plan, runner)) await repeat();
          await runHook(held, "afterMigrate", []);
          return { outcome: nothingLeft, plan, taken };
        }
        // Rather too short: what failed before this run began is tried again.
        const begun = new Date(at.getTime() - (askedAtMs - since));
        refuseFailedMeanwhile(plan.steps, rows, begun);
        if (plan.steps.length === 0) refuseRepeatableFailedMeanwhile(plan.repeatables.runs, begun);
        const parsedSteps = await steps();
        if (parsedSteps !== (await previewed.steps()))
          await judgeStatements(session, parsedSteps, run);
        await runBefore(held, await before);
        const tags = parsedSteps.map(({ migration }) => migration.tag);
        if (tags.length > 0) onProgress({ kind: "planned", tags });
        await checkOutsideStatements(held, parsedSteps);
        await runHook(held, "beforeMigrate", tags);
        await executeSteps(held, parsedSteps, { onCopied, onApplied });
        await repeat();
        await runHook(held, "afterMigrate", tags);
        return { outcome: "applied" as const, plan, taken };
      },
      (now) => isSettled(history, now) && !needsLease(run, { runner: now }, "current"),
    );
    if (end === undefined) {
      return { outcome: "current", version: history.migrations.at(-1)?.tag, warnings: [] };
    }
    const { value, after } = end;
    return {
      outcome: value.outcome,
      version: value.plan.versionAfter,
      ...heldBackOf(value.plan),
      ...(value.taken !== undefined && { takenOver: value.taken }),
      warnings: [...warningsOf(value.plan), ...(behind === null ? [] : [copyBehind(behind)])],
      ...(after !== undefined && { migrations: statusesOf(history, after) }),
    };
  } catch (error) {
    if (behind !== null) onProgress({ kind: "warning", warning: copyBehind(behind) });
    throw error;
  }
}

function heldBackOf({ heldBack }: Plan): Pick<RunEnd, "heldBack"> {
  return heldBack === undefined ? {} : { heldBack };
}

/** Whether drizzle's table, or names that it knows, may have to be told to the ledger. */
function mayTakeOver({ mirror }: HeldRun, { existing }: Ledger, { renames }: Plan): boolean {
  return mirror !== null || renames.length > 0 || (existing?.drizzleTables.length ?? 0) > 0;
}

/** Whether the lease is needed though nothing is pending. */
function needsLease(
  run: Run,
  { runner }: Pick<Ledger, "runner">,
  nothing: "current" | "newer",
): boolean {
  const endsMirror = run.plan.mirror === false && (runner?.mirror ?? null) !== null;
  return endsMirror || (hasHooks(run) && nothing === "current");
}

/** The digest that the runner row has once nothing is left to run; undefined where something is. */
function digestAfter(history: History, { repeatables, newer }: Plan): Checksum | null | undefined {
  return newer || !repeatables.isWhole ? undefined : repeatablesDigest(history);
}

/** Whether nothing is left to run, and the runner row does not say so: the next boots would look again. */
function needsSettling(history: History, plan: Plan, runner: RunnerRow | undefined): boolean {
  const { runs, older } = plan.repeatables;
  if (runner === undefined || runner.standby || runs.length > 0 || older.length > 0) return false;
  const digest = digestAfter(history, plan);
  return plan.steps.length === 0 && digest !== undefined && runner.repeatables !== digest;
}

/** What is to be done with repeatables once no migration is left pending. */
async function repeatAfter(
  held: HeldRun,
  plan: Plan,
  given: Pick<RepeatableWork, "onRan" | "onCopied"> & {
    readonly history: History;
    readonly ran: readonly RepeatableRow[];
    readonly repeatables: () => ReturnType<typeof parseRepeatables>;
  },
): Promise<void> {
  const { history, ran, repeatables, onRan, onCopied } = given;
  const { runs, older, isWhole } = plan.repeatables;
  const isNone = ran.length === 0 && (history.repeatables ?? []).length === 0;
  if (isNone || !isWhole) return;
  const digest = older.length === 0 ? digestAfter(history, plan) : undefined;
  const rows = new Map(ran.map((row) => [row.tag, row]));
  const work = { all: await repeatables(), runs, rows, older, digest, onRan, onCopied };
  // A migration may have dropped what they made; this run's, or that of one that was killed after it.
  const mayBeGone = plan.steps.length > 0 || runs.length === 0;
  const dropped = mayBeGone ? await findDropped(held, work.all, history.head, work) : [];
  await runRepeatables(held, { ...work, runs: [...runs, ...dropped] });
}

/** What the ledger has of repeatables, where the history or the ledger may have any. */
async function rowsOfRepeatables(
  session: Session,
  { schema }: Run,
): Promise<readonly RepeatableRow[]> {
  return repeatablesOf(await ask(session, "repeatables", readRepeatableRows(schema)));
}
