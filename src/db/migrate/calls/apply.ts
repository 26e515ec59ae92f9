import { SessionLost } from "../../connection/loss.ts";
import { secondConnection } from "../../connection/second.ts";
import { isServerError, type Session } from "../../connection/session.ts";
import { existingLook, readLedgerAfter } from "../adopt/look.ts";
import { MigrateError } from "../errors.ts";
import { executeSteps } from "../execute/lock-retry.ts";
import { checkOutsideStatements } from "../execute/outside/preflight.ts";
import { partsOf } from "../execute/parts.ts";
import { LeaseLost } from "../lease/lost.ts";
import { lookAgain, release, takeOrWait } from "../lease/wait.ts";
import { copyBehind } from "../ledger/event-copy.ts";
import type { LeaseToken } from "../ledger/record.ts";
import { createLedgerIfAbsent, LOCK_CONFLICTS, rollBack } from "../ledger/replies.ts";
import { planRun, type Step, versionOf } from "../plan/plan.ts";
import { nothingToDo, stepParser } from "../sql/parse-steps.ts";
import type { History, Ledger, LedgerRow, RunnerRow } from "../types.ts";
import type { Attempt, AttemptResult, RunRequest } from "./request.ts";

/**
 * The long way of a run, where the head is not the history's: plan, and where there
 * is something to do, take the lease, read the ledger, plan again, execute. Loaded
 * when it is needed: most boots find nothing to do.
 *
 * @throws MigrateError; SessionLost, LeaseLost
 */
export async function applyPending(
  { request, session, since, waiting, applied }: Attempt,
  history: History,
  found: RunnerRow | undefined,
): Promise<AttemptResult> {
  const { schema, identity, waitTimeoutMs, onProgress, signal } = request;
  const parse = stepParser();
  // Where there is no ledger, all of it is pending: read while the server looks what else it has.
  const early =
    found === undefined
      ? parse(planRun(history, { runner: undefined, rows: [] }, request.plan).steps)
      : undefined;
  // What fails here fails again where it counts.
  early?.catch(() => undefined);
  const preview = await readLedgerAfter(session, existingLook(request, history), found);
  const previewed = planRun(history, preview, request.plan);
  const nothing = nothingToDo(previewed);
  if (nothing !== undefined) {
    return { outcome: nothing, version: versionOf(preview), migrations: previewed.migrations };
  }
  // Before the ledger is made: of files that are refused nothing is left behind.
  await early?.catch(() => undefined);
  await parse(previewed.steps);
  const runner = preview.runner ?? (await createLedger(session, request));
  const outcome = await takeOrWait(
    { session, schema, identity, waitTimeoutMs, waiting, onProgress, signal },
    runner,
    (now) => now.head === history.head,
  );
  if (outcome.kind === "done") {
    return { outcome: "current", version: history.migrations.at(-1)?.tag };
  }
  const { lease, rows, at, askedAtMs } = outcome;
  let behind: string | null = null;
  const onCopied = (reason: string | null) => {
    behind = reason;
  };
  try {
    // The plan made before the lease was a preview: this one runs.
    const plan = planRun(history, { runner, rows }, request.plan);
    const nothingLeft = nothingToDo(plan);
    if (nothingLeft === undefined) {
      // Rather too short: what failed before this run began is tried again.
      const runningForMs = askedAtMs - since;
      refuseFailedMeanwhile(plan.steps, rows, new Date(at.getTime() - runningForMs));
      const steps = await parse(plan.steps);
      onProgress({ kind: "planned", tags: steps.map(({ migration }) => migration.tag) });
      const { lockPatience, url } = request;
      const sink = request.eventSink ?? history.eventSink;
      const { lockTimeoutMs } = lockPatience;
      const context = { schema, identity, lease, sink, lockTimeoutMs };
      const onApplied = applied.add;
      await checkOutsideStatements(session, steps, { direct: lease.direct, onProgress });
      const parts = partsOf(steps);
      const second = secondConnection(url, request.onFailpoint);
      const counter = { committed: 0 };
      const run = { session, second, context, steps, parts, counter, begun: new Map() };
      try {
        const { rowValues } = request;
        await executeSteps(
          { ...run, onProgress, signal, rowValues, onCopied, onApplied },
          lockPatience,
        );
      } finally {
        second.close();
      }
    }
    const after = await releaseAfterRun(session, request, lease);
    const end = {
      outcome: nothingLeft ?? "applied",
      version: plan.versionAfter,
      warnings: behind === null ? [] : [copyBehind(behind)],
    } as const;
    return after === undefined ? end : { ...end, migrations: planRun(history, after).migrations };
  } catch (error) {
    if (behind !== null) onProgress({ kind: "warning", message: copyBehind(behind) });
    await releaseQuietly(session, schema, lease, error);
    throw error;
  }
}

async function createLedger(session: Session, request: RunRequest): Promise<RunnerRow> {
  await createLedgerIfAbsent(session, request.schema, request.signal);
  request.onProgress({ kind: "ledger-created", schema: request.schema });
  return lookAgain(session, request.schema);
}

/**
 * The run is over and recorded; what is wrong with giving the lease back is no failure
 * of it: the lease ends with the session.
 */
async function releaseAfterRun(
  session: Session,
  { schema, onProgress }: RunRequest,
  lease: LeaseToken,
): Promise<Ledger | undefined> {
  try {
    return await release(session, schema, lease);
  } catch (error) {
    if (!isServerError(error)) throw error;
    const message = `the lease could not be given back (${error.message}); it ends with this session`;
    onProgress({ kind: "warning", message });
    return undefined;
  }
}

/**
 * Two hundred replicas that boot at one moment must not each retry a migration that
 * one of them has seen fail: what failed since this run began is not tried again.
 *
 * @param since on the database's clock, which need not be this machine's
 */
function refuseFailedMeanwhile(
  steps: readonly Step[],
  rows: readonly LedgerRow[],
  since: Date,
): void {
  const [step] = steps;
  const row = rows.find(({ tag }) => tag === step?.migration.tag);
  if (step === undefined || row?.state !== "FAILED" || row.error === null) return;
  // One that was told to stop has not shown that the migration is broken.
  if (row.error.sqlState === null || row.checksum !== step.migration.checksum) return;
  if ((row.finishedAt ?? row.startedAt) < since) return;
  throw new MigrateError({
    code: LOCK_CONFLICTS.has(row.error.sqlState) ? "lock_timeout" : "migration_failed",
    tag: row.tag,
    fact: row.error.text,
    remedy: `Another runner met this since this one began (${row.owner.host}, process ${row.owner.processId}), and it was not tried again.`,
    recorded: row.error,
    notRun: steps.map(({ migration }) => migration.tag),
  });
}

/** After an error: the first one is what counts. */
async function releaseQuietly(
  session: Session,
  schema: string,
  lease: LeaseToken,
  error: unknown,
): Promise<void> {
  if (error instanceof SessionLost || error instanceof LeaseLost) return;
  // Where the record of a failure gave it back already, this finds nothing.
  await rollBack(session)
    .then(() => release(session, schema, lease))
    .catch(() => undefined);
}
