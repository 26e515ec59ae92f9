import { readLedgerAfter } from "../adopt/look.ts";
import { takeOver } from "../adopt/take-over.ts";
import { parseBefore, runBefore } from "../execute/before.ts";
import { executeSteps } from "../execute/lock-retry.ts";
import { checkOutsideStatements } from "../execute/outside/preflight.ts";
import { loadDowns } from "../history/sum-folder.ts";
import { withLease } from "../lease/hold.ts";
import { copyBehind } from "../ledger/event-copy.ts";
import type { Ledger, LedgerRow, RunnerRow } from "../ledger-types.ts";
import { halfWayDown } from "../plan/half-way.ts";
import { nothingToDo, type Plan, passedOverWarnings, planRun, type Step } from "../plan/plan.ts";
import { statusesOf } from "../plan/statuses.ts";
import type { AppliedMigration, RunEnd } from "../reports.ts";
import type { HeldRun, Run, Session } from "../run-types.ts";
import { stepParser } from "../sql/parse.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { DownFile, History, Tag } from "../types.ts";
import { currentLedger } from "./current-ledger.ts";
import { refuseFailedMeanwhile } from "./failed-meanwhile.ts";
import { hasHooks, runHook } from "./hooks.ts";

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
  },
): Promise<RunEnd> {
  const { onProgress } = run;
  const { found, since, onApplied } = attempt;
  const downs = loadDowns(history);
  // It is awaited where it counts.
  downs.catch(() => undefined);
  const prepare = preparer(run, history, downs);
  const before = parseBefore(history.before);
  // It is awaited where it counts.
  before.catch(() => undefined);
  if (found === undefined) {
    // All of it is pending: read while the server looks what else it has. What fails here fails again
    // where it counts.
    prepare({ runner: undefined, rows: [] })
      .steps()
      .catch(() => undefined);
  }
  const preview = await readLedgerAfter(session, run, history, found);
  const previewed = prepare(preview);
  const nothing = nothingToDo(previewed.plan);
  if (nothing !== undefined && !needsLease(run, preview, nothing)) {
    const { migrations, version } = previewed.plan;
    const warnings = passedOverWarnings(previewed.plan);
    return { outcome: nothing, version, migrations, warnings, ...heldBackOf(previewed.plan) };
  }
  // Before the ledger is made: refused files leave nothing behind.
  await previewed.steps();
  await before;
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
        const { plan, steps } = prepare({ runner, rows });
        const nothingLeft = nothingToDo(plan);
        if (nothingLeft === "newer") return { outcome: nothingLeft, plan, taken };
        if (nothingLeft !== undefined) {
          await runHook(held, "beforeMigrate", []);
          await runHook(held, "afterMigrate", []);
          return { outcome: nothingLeft, plan, taken };
        }
        // Rather too short: what failed before this run began is tried again.
        refuseFailedMeanwhile(plan.steps, rows, new Date(at.getTime() - (askedAtMs - since)));
        const parsed = await steps();
        await runBefore(held, await before);
        const tags = parsed.map(({ migration }) => migration.tag);
        onProgress({ kind: "planned", tags });
        await checkOutsideStatements(held, parsed);
        await runHook(held, "beforeMigrate", tags);
        await executeSteps(held, parsed, { onCopied, onApplied });
        await runHook(held, "afterMigrate", tags);
        return { outcome: "applied" as const, plan, taken };
      },
      (now) => now.head === history.head && !needsLease(run, { runner: now }, "current"),
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
      warnings: [
        ...passedOverWarnings(value.plan),
        ...(behind === null ? [] : [copyBehind(behind)]),
      ],
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

interface Prepared {
  readonly plan: Plan;
  /** Parsed and validated once. */
  readonly steps: () => Promise<readonly ParsedStep[]>;
}

/**
 * Plans a run, and parses what it would do, once for the same state of the ledger: a plan made before
 * the lease was taken is a preview, and runs only if nothing has changed since.
 */
function preparer(
  { plan: options }: Run,
  history: History,
  downs: ReturnType<typeof loadDowns>,
): (ledger: Ledger) => Prepared {
  const parse = stepParser();
  let last: (Prepared & Pick<Ledger, "rows">) | undefined;
  return ({ runner, rows, existing }) => {
    if (last !== undefined && existing === undefined && areSame(last.rows, rows)) return last;
    const plan = planRun(history, { runner, rows, ...(existing && { existing }) }, options);
    let parsed: Promise<readonly ParsedStep[]> | undefined;
    const steps = () => {
      parsed ??= downs.then((files) => parse(plan.steps.map((step) => withDown(step, files))));
      return parsed;
    };
    last = { plan, steps, rows };
    return last;
  };
}

/** The way down is kept in the ledger, unless `tidemark.sum` has it otherwise. */
function withDown(step: Step, files: ReadonlyMap<Tag, DownFile>): Step {
  const file = files.get(step.migration.tag);
  return file === undefined || file.isUnverified ? step : { ...step, stored: file };
}

/** A row's newest event stands for the row. */
function areSame(a: readonly LedgerRow[], b: readonly LedgerRow[]): boolean {
  const newest = new Map(a.map(({ tag, eventId }) => [tag, eventId]));
  return a.length === b.length && b.every(({ tag, eventId }) => newest.get(tag) === eventId);
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
