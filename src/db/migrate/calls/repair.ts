import { isServerError, type Session } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { commitUnderLease, sinkOf } from "../lease/commit.ts";
import { fence, look, releaseLease } from "../lease/sql.ts";
import { standbyError, takeOrWait } from "../lease/wait.ts";
import { COPY_IS_BEHIND, copyBehind, isCopyBehind } from "../ledger/event-copy.ts";
import { FENCED } from "../ledger/functions.ts";
import { readRows } from "../ledger/read.ts";
import { type NewEvent, record } from "../ledger/record.ts";
import { rowsOf, runnerOf } from "../ledger/replies.ts";
import { doubtOf, stateOf } from "../plan/state.ts";
import type { RepairedMigration, RepairReport } from "../reports.ts";
import type { LedgerRow, RunnerRow, Tag } from "../types.ts";
import { openLedger } from "./open-ledger.ts";
import type { RunRequest } from "./request.ts";

const MOST_TRIES = 5;

/**
 * Clears what a failure or a dead runner left behind, under the lease: a FAILED or STUCK
 * migration that committed nothing is PENDING again, and the app's copy of the events is
 * brought up to date. Where there is nothing to do, nothing is locked; else a runner that is
 * at work is waited for.
 *
 * @throws MigrateError `lock_timeout` naming the holder; `lease_lost`, `connect`, `config`
 */
export async function repairLedger(request: RunRequest): Promise<RepairReport> {
  const { session, first } = await openLedger(request, look(request.schema));
  try {
    const runner = runnerOf(first, request.schema);
    if (runner === undefined) return { repaired: [], kept: [], leaseFreed: false, warnings: [] };
    for (let tries = 1; ; tries += 1) {
      try {
        return await repairUnderLease(session, request, runner);
      } catch (error) {
        if (!isFenced(error)) throw error;
        // Another runner took the lease from under it: nothing was written.
        if (tries === MOST_TRIES) throw leaseLost(error);
        request.onProgress({ kind: "lease-lost" });
      }
    }
  } finally {
    await session.close();
  }
}

async function repairUnderLease(
  session: Session,
  request: RunRequest,
  runner: RunnerRow,
): Promise<RepairReport> {
  const { schema, identity, waitTimeoutMs, onProgress, signal } = request;
  const sink = await sinkOf(request);
  const now = await readNow(session, schema);
  const onDisk = await tagsOnDisk(request);
  const before = sortOut(now.rows, runner, onDisk);
  const copies = sink !== undefined && now.copyIsBehind && runner.liveness === "free";
  if (before.repaired.length === 0 && !wasLeftBehind(runner) && !copies) {
    return { repaired: [], kept: before.kept, leaseFreed: false, warnings: [] };
  }
  if (runner.standby) throw standbyError("something is to be repaired");
  const waiting = { since: undefined };
  const wait = { session, schema, identity, waitTimeoutMs, waiting, onProgress, signal };
  const outcome = await takeOrWait(wait, runner, () => false);
  // Nobody has done it for us: that is what the last argument says.
  if (outcome.kind === "done") throw new TypeError("a repair has no end but its own");
  // Under the lease whatever is STARTED is STUCK: its runner does not hold it any more.
  const sorted = sortOut(outcome.rows, undefined, onDisk);
  const context = { schema, identity, lease: outcome.lease, sink, lockTimeoutMs: 0 };
  const behind = await commitUnderLease(session, "repair", [
    fence(schema, outcome.lease, { activity: "repair" }),
    ...record(context, sorted.repaired.map(resolved), { head: null, activity: null }),
    releaseLease(schema, outcome.lease),
  ]);
  return {
    repaired: sorted.repaired.map((item) => ({ tag: item.row.tag, before: item.before })),
    kept: sorted.kept,
    leaseFreed: wasLeftBehind(runner),
    warnings: behind === null ? [] : [copyBehind(behind)],
  };
}

function resolved({ row, before }: Broken): NewEvent {
  const { tag, attempt, checksum } = row;
  return { type: "migration.resolved", tag, attempt, checksum, payload: { before: before.kind } };
}

function isFenced(error: unknown): boolean {
  return isServerError(error) && error.code === FENCED;
}

function leaseLost(cause: unknown): MigrateError {
  return new MigrateError({
    code: "lease_lost",
    fact: `The lease was lost ${MOST_TRIES} times in a row to other runners.`,
    outcome: "nothing-written",
    remedy: "Look at `tidemark status`, then run it again.",
    cause,
  });
}

/** The state table, and whether the log is further than the app's copy of it. */
async function readNow(session: Session, schema: string) {
  const { reply } = await session.send("read", `${readRows(schema)};\n${isCopyBehind(schema)}`);
  const answer = await reply;
  const copyIsBehind = answer.rows.some((row) => row[COPY_IS_BEHIND] === true);
  return { rows: rowsOf(answer), copyIsBehind };
}

interface Broken {
  readonly row: LedgerRow;
  readonly before: RepairedMigration["before"];
}

function sortOut(
  rows: readonly LedgerRow[],
  runner: RunnerRow | undefined,
  onDisk: ReadonlySet<Tag> | undefined,
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
      .map(({ row }) => ({ tag: row.tag, reason: whyKept(row, onDisk) })),
  };
}

/** Tags of the folder; undefined where it cannot be read, which is for others to report. */
async function tagsOnDisk({ history }: RunRequest): Promise<ReadonlySet<Tag> | undefined> {
  return history.then(
    ({ migrations }) => new Set(migrations.map(({ tag }) => tag)),
    () => undefined,
  );
}

function whyKept(row: LedgerRow, onDisk: ReadonlySet<Tag> | undefined): string {
  const doubt = doubtOf(row);
  const done = `${row.statementsDone} of its ${row.statementsTotal} statements are committed`;
  if (onDisk !== undefined && !onDisk.has(row.tag)) {
    const what = doubt === undefined ? done : `its statement ${doubt.statement} was begun`;
    return `${what}, and the folder has it no more: bring its file and its journal entry back, so that a run can end it`;
  }
  return doubt?.reason ?? `${done}: the next run goes on behind them`;
}

function wasLeftBehind({ runId, liveness }: RunnerRow): boolean {
  return runId !== null && (liveness === "dead" || liveness === "expired");
}
