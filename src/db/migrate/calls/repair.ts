import { ask, columnOf } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { headOf } from "../history/checksum.ts";
import { commitEvents, withLease } from "../lease/hold.ts";
import { look } from "../lease/sql.ts";
import { COPY_IS_BEHIND, copyBehind, isCopyBehind } from "../ledger/event-copy.ts";
import { FENCED } from "../ledger/functions.ts";
import { readRows } from "../ledger/read.ts";
import type { NewEvent } from "../ledger/record.ts";
import { rowsOf, runnerOf } from "../ledger/replies.ts";
import { standbyError } from "../ledger/server-error.ts";
import type { LedgerRow, RunnerRow } from "../ledger-types.ts";
import { standingRows } from "../plan/revert.ts";
import { doubtOf, stateOf } from "../plan/state.ts";
import type { RepairedMigration, RepairReport } from "../reports.ts";
import type { Run, Session } from "../run-types.ts";
import type { Checksum, History } from "../types.ts";
import { openLedger } from "./call.ts";

const MOST_TRIES = 5;

/**
 * Clears what a failure or a dead runner left behind, under the lease: a FAILED or STUCK
 * migration that committed nothing is PENDING again, and the app's copy of the events is
 * brought up to date. Where there is nothing to do, nothing is locked; else a runner that is
 * at work is waited for.
 *
 * @throws MigrateError `lock_timeout` naming the holder; `lease_lost`, `connect`, `config`
 */
export async function repairLedger(run: Run): Promise<RepairReport> {
  const { session, first } = await openLedger(run, look(run.schema));
  try {
    const runner = runnerOf(first, run.schema);
    if (runner === undefined) return { repaired: [], kept: [], leaseFreed: false, warnings: [] };
    for (let tries = 1; ; tries += 1) {
      try {
        return await repairOnce(run, session, runner);
      } catch (error) {
        if (!isServerError(error) || error.code !== FENCED) throw error;
        // Another runner took the lease from under it: nothing was written.
        if (tries === MOST_TRIES) throw leaseLost(error);
        run.onProgress({ kind: "lease-lost" });
      }
    }
  } finally {
    await session.close();
  }
}

async function repairOnce(run: Run, session: Session, runner: RunnerRow): Promise<RepairReport> {
  // A folder that cannot be read is for others to report.
  const history = await run.history.catch(() => undefined);
  const hasSink = (run.eventSink ?? history?.eventSink) !== undefined;
  const now = await readNow(session, run.schema);
  const before = sortOut(now.rows, runner, history);
  const copies = hasSink && now.copyIsBehind && runner.liveness === "free";
  const leaseFreed = wasLeftBehind(runner);
  if (before.repaired.length === 0 && !leaseFreed && !copies) {
    return { repaired: [], kept: before.kept, leaseFreed: false, warnings: [] };
  }
  if (runner.standby) throw standbyError("there is something to repair");
  const end = await withLease(run, session, runner, async (held, { rows }) => {
    // Under the lease whatever is STARTED is STUCK: its runner does not hold it any more.
    const sorted = sortOut(rows, undefined, history);
    const events = sorted.repaired.map(resolved);
    const behind = await commitEvents(
      held,
      "repair",
      events,
      headAfterRepair(rows, sorted.repaired),
    );
    return { ...sorted, warnings: behind === null ? [] : [copyBehind(behind)] };
  });
  // It waits for no other runner to do it.
  if (end === undefined) throw new TypeError("a repair ended without a result");
  const { repaired, kept, warnings } = end.value;
  const list = repaired.map(({ row, before: was }) => ({
    tag: row.tag,
    before: was,
    ...(row.reverting !== null && { restored: true as const }),
  }));
  return { repaired: list, kept, leaseFreed, warnings };
}

function resolved({ row, before }: Broken): NewEvent {
  const { tag, attempt, checksum, reverting } = row;
  const restored = reverting === null ? {} : { restored: true as const };
  const payload = { before: before.kind, ...restored };
  return { type: "migration.resolved", tag, attempt, checksum, payload };
}

/** Of what is applied once a way down that committed nothing is given up; null where none is. */
function headAfterRepair(rows: readonly LedgerRow[], repaired: readonly Broken[]): Checksum | null {
  const isRestored = repaired.some(({ row }) => row.reverting !== null);
  return isRestored ? headOf(standingRows(rows)) : null;
}

function leaseLost(cause: unknown): MigrateError {
  return new MigrateError({
    code: "lease_lost",
    fact: `The lease was lost ${MOST_TRIES} times in a row to other runners.`,
    outcome: "nothing-written",
    remedy: "Check `tidemark status`, then run it again.",
    cause,
  });
}

/** The state table, and whether the log is further than the app's copy of it. */
async function readNow(session: Session, schema: string) {
  const reply = await ask(session, "read", `${readRows(schema)};\n${isCopyBehind(schema)}`);
  return { rows: rowsOf(reply), copyIsBehind: columnOf(reply, COPY_IS_BEHIND) === true };
}

interface Broken {
  readonly row: LedgerRow;
  readonly before: RepairedMigration["before"];
}

function sortOut(
  rows: readonly LedgerRow[],
  runner: RunnerRow | undefined,
  history: History | undefined,
): {
  readonly repaired: readonly Broken[];
  readonly kept: RepairReport["kept"];
} {
  const states = rows.map((row) => ({ row, before: stateOf(row, runner) }));
  const broken = states.filter(
    (item): item is Broken => item.before.kind === "FAILED" || item.before.kind === "STUCK",
  );
  return {
    repaired: broken.filter(({ row }) => row.statementsDone === 0 && row.underWay === null),
    kept: broken
      .filter(({ row }) => row.statementsDone > 0 || row.underWay !== null)
      .map(({ row }) => ({ tag: row.tag, reason: whyKept(row, history) })),
  };
}

function whyKept(row: LedgerRow, history: History | undefined): string {
  const doubt = doubtOf(row);
  const done = `${row.statementsDone} of its ${row.statementsTotal} statements are committed`;
  // Its way down is in the ledger.
  if (row.reverting === null && history?.migrations.every(({ tag }) => tag !== row.tag)) {
    const what = doubt === undefined ? done : `its statement ${doubt.statement} was started`;
    return `${what}, and it is no longer in the folder: bring its file and its journal entry back, so that a run can finish it`;
  }
  const next = row.reverting === null ? "the next run" : "`tidemark rollback`";
  return doubt?.reason ?? `${done}: ${next} goes on after them`;
}

function wasLeftBehind({ runId, liveness }: RunnerRow): boolean {
  return runId !== null && (liveness === "dead" || liveness === "expired");
}
