import { COPY, copyBehind } from "../pure/event-sink.ts";
import { fence, look, ownSettings, readRows, releaseLease } from "../pure/lease-sql.ts";
import { type NewEvent, record } from "../pure/record-sql.ts";
import { stateOf } from "../pure/state.ts";
import type { RepairedMigration, RepairReport } from "../reports.ts";
import type { EventSink, LedgerRow, RunnerRow } from "../types.ts";
import { connect } from "./connect.ts";
import { takeOrWait } from "./lease.ts";
import { rollBack, rowsOf, runnerOf } from "./ledger.ts";
import type { RunRequest } from "./request.ts";
import { isServerError, type Session } from "./session.ts";

/**
 * Clears what a failure or a dead runner left behind, under the lease: a FAILED or STUCK
 * migration that committed nothing is PENDING again. Waits for a runner that is at work.
 *
 * @throws MigrateError `lock_timeout` naming the holder; `connect`, `config`
 */
export async function repairLedger(request: RunRequest): Promise<RepairReport> {
  const { schema, identity, waitTimeoutMs, onProgress, signal } = request;
  const { session, first } = await connect(request, look(schema));
  try {
    const sink = request.eventSink ?? (await sinkOfFolder(request));
    const runner = runnerOf(first, schema);
    if (runner === undefined) return { repaired: [], kept: [], leaseFreed: false, warnings: [] };
    const before = sortOut(await readRowsNow(session, schema), runner);
    const idle = runner.liveness === "free";
    if (before.repaired.length === 0 && !wasLeftBehind(runner) && !(idle && sink !== undefined)) {
      return { repaired: [], kept: before.kept, leaseFreed: false, warnings: [] };
    }
    const wait = { session, schema, identity, waitTimeoutMs, onProgress, signal };
    const outcome = await takeOrWait(wait, runner, () => false);
    // Nobody has done it for us: that is what the last argument says.
    if (outcome.kind === "done") throw new TypeError("a repair has no end but its own");
    // Under the lease whatever is STARTED is STUCK: its runner does not hold it any more.
    const sorted = sortOut(outcome.rows, undefined);
    const context = { schema, identity, lease: outcome.lease, sink, lockTimeoutMs: 0 };
    const events = sorted.repaired.map(({ row, before }): NewEvent => {
      const { tag, attempt, checksum } = row;
      return {
        type: "migration.resolved",
        tag,
        attempt,
        checksum,
        payload: { before: before.kind },
      };
    });
    const behind = await commit(session, [
      fence(schema, outcome.lease, { activity: "repair" }),
      ...record(context, events, { head: null, activity: null }),
      releaseLease(schema, outcome.lease),
    ]);
    return {
      repaired: sorted.repaired.map(({ row, before }) => ({ tag: row.tag, before })),
      kept: sorted.kept,
      leaseFreed: wasLeftBehind(runner),
      warnings: behind === null ? [] : [copyBehind(behind)],
    };
  } finally {
    await session.close();
  }
}

async function readRowsNow(session: Session, schema: string): Promise<readonly LedgerRow[]> {
  const { reply } = await session.send("read", readRows(schema));
  return rowsOf(await reply);
}

function sortOut(
  rows: readonly LedgerRow[],
  runner: RunnerRow | undefined,
): {
  readonly repaired: readonly {
    readonly row: LedgerRow;
    readonly before: RepairedMigration["before"];
  }[];
  readonly kept: RepairReport["kept"];
} {
  const states = rows.map((row) => ({ row, before: stateOf(row, runner) }));
  const broken = states.filter(
    (item): item is { row: LedgerRow; before: RepairedMigration["before"] } =>
      item.before.kind === "FAILED" || item.before.kind === "STUCK",
  );
  return {
    repaired: broken.filter(({ row }) => row.statementsDone === 0),
    kept: broken
      .filter(({ row }) => row.statementsDone > 0)
      .map(({ row }) => ({
        tag: row.tag,
        reason: `${row.statementsDone} of its ${row.statementsTotal} statements are committed: the next run goes on behind them`,
      })),
  };
}

/** A folder that cannot be read has no sink: its mistakes are for others to report. */
async function sinkOfFolder({ history }: RunRequest): Promise<EventSink | undefined> {
  return history.then(
    ({ eventSink }) => eventSink,
    () => undefined,
  );
}

function wasLeftBehind({ runId, liveness }: RunnerRow): boolean {
  return runId !== null && (liveness === "dead" || liveness === "expired");
}

/** @returns why the app's copy of the events stays behind; null where it does not */
async function commit(session: Session, statements: readonly string[]): Promise<string | null> {
  const text = [
    "begin isolation level read committed read write",
    ownSettings(session.serverVersion),
    ...statements,
    "commit",
  ].join(";\n");
  const { reply } = await session.send("repair", text);
  const { rows } = await reply.catch(async (error: unknown) => {
    if (isServerError(error)) await rollBack(session);
    throw error;
  });
  return (rows.find((row) => COPY in row)?.[COPY] as string | null | undefined) ?? null;
}
