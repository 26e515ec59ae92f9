import { assertNever, recordedError } from "../errors.ts";
import type { LedgerRow, Liveness, RunnerRow } from "../ledger-types.ts";
import type { Doubt, MigrationState } from "../types.ts";

/**
 * A row's state as people see it. STUCK is derived: started, no end recorded, and
 * the runner that started it is surely gone. Where that cannot be known (another
 * role's session, a standby) it stays STARTED until the lease has expired.
 */
export function stateOf(row: LedgerRow, runner: RunnerRow | undefined): MigrationState {
  const { owner, statementsDone } = row;
  switch (row.state) {
    case "PENDING":
      return { kind: "PENDING", statementsDone };
    case "STARTED":
      return isAtWork(row, runner)
        ? { kind: "STARTED", at: row.startedAt, owner, statementsDone }
        : { kind: "STUCK", at: row.startedAt, owner, statementsDone, doubt: doubtOf(row) };
    case "DONE":
      return {
        kind: "DONE",
        at: row.finishedAt ?? row.startedAt,
        owner,
        durationMs: row.durationMs,
        checksum: row.checksum,
      };
    case "FAILED":
      return {
        kind: "FAILED",
        at: row.finishedAt ?? row.startedAt,
        owner,
        durationMs: row.durationMs ?? 0,
        error: row.error ?? UNKNOWN_ERROR,
        statementsDone,
        doubt: doubtOf(row),
      };
    default:
      return assertNever(row.state);
  }
}

/**
 * drizzle's migrator had passed it over when its table was taken over: later migrations rely on that, or
 * repair it. It runs only where somebody asks for it.
 */
export function isSkipped(row: LedgerRow | undefined): boolean {
  return row?.state === "PENDING" && row.attempt === 0;
}

/** It was applied here once, and taken back. */
export function isReverted(row: LedgerRow): boolean {
  return row.state === "PENDING" && row.reverting === null && row.durationMs !== null;
}

/** What is not known of a row whose runner is gone. */
export function doubtOf({ underWay, reverting }: LedgerRow): Doubt | undefined {
  if (underWay === null) return undefined;
  const { statement, label, action } = underWay;
  const needsAnswer = action.kind === "opaque";
  const next = needsAnswer
    ? "the catalog does not show it: check the database, then run `tidemark resolve`"
    : `the next ${reverting === null ? "run" : "rollback"} finds out whether it was done`;
  return {
    statement,
    reason: `statement ${statement} (${label}) was started, and its end is not recorded; ${next}`,
    needsAnswer,
  };
}

function isAtWork(row: LedgerRow, runner: RunnerRow | undefined): boolean {
  if (runner === undefined || runner.runId !== row.runId) return false;
  return AT_WORK.has(runner.liveness);
}

const AT_WORK: ReadonlySet<Liveness> = new Set(["alive", "expiring-soon", "unknown"]);

const UNKNOWN_ERROR = recordedError({
  message: "no error was recorded",
  text: "no error was recorded",
});
