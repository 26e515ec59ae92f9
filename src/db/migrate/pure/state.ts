import { assertNever } from "../errors.ts";
import type { LedgerRow, Liveness, MigrationState, RecordedError, RunnerRow } from "../types.ts";

/**
 * A row's state as people see it. STUCK is derived: started, no end recorded, and
 * the runner that started it is surely gone. Where that cannot be known (another
 * role's session, a standby) it stays STARTED until the lease has expired.
 */
export function stateOf(row: LedgerRow, runner: RunnerRow | undefined): MigrationState {
  const { owner, statementsDone } = row;
  switch (row.state) {
    case "PENDING":
      return { kind: "PENDING" };
    case "STARTED":
      return isAtWork(row, runner)
        ? { kind: "STARTED", at: row.startedAt, owner, statementsDone }
        : { kind: "STUCK", at: row.startedAt, owner, statementsDone, doubt: undefined };
    case "DONE":
      return {
        kind: "DONE",
        at: row.finishedAt ?? row.startedAt,
        owner,
        durationMs: row.durationMs ?? 0,
        checksum: row.checksum,
      };
    case "FAILED":
      return {
        kind: "FAILED",
        at: row.finishedAt ?? row.startedAt,
        owner,
        durationMs: row.durationMs ?? 0,
        error: row.error ?? UNKNOWN_ERROR,
      };
    default:
      return assertNever(row.state);
  }
}

function isAtWork(row: LedgerRow, runner: RunnerRow | undefined): boolean {
  if (runner === undefined || runner.runId !== row.runId) return false;
  return AT_WORK.has(runner.liveness);
}

const AT_WORK: ReadonlySet<Liveness> = new Set(["alive", "waning", "unknown"]);

const UNKNOWN_ERROR: RecordedError = {
  sqlState: null,
  message: "no error was recorded",
  detail: null,
  hint: null,
  where: null,
  file: null,
  line: null,
  column: null,
  statement: null,
  statements: null,
  text: "no error was recorded",
};
