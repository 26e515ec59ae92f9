import { plural } from "../../base/text.ts";
import { MigrateError } from "../errors.ts";
import type { LedgerRow, RunnerRow } from "../ledger-types.ts";
import { stateOf } from "./state.ts";

/**
 * The error of a rollback that finds a migration partly applied, whose run has stopped: what is below it cannot go, as
 * `migrate` would go on with the rest of it. Undefined where there is none.
 *
 * @param runner as of `halfWayDown`
 */
export function halfWayUp(
  rows: readonly LedgerRow[],
  runner: RunnerRow | undefined,
): MigrateError | undefined {
  const row = rows.find(
    (one) =>
      one.state !== "DONE" &&
      one.reverting === null &&
      (one.statementsDone > 0 || one.underWay !== null) &&
      stateOf(one, runner).kind !== "STARTED",
  );
  if (row === undefined) return undefined;
  const { tag, statementsDone, statementsTotal, underWay } = row;
  const done =
    underWay === null
      ? `${statementsDone} of its ${plural(statementsTotal, "statement")} are committed`
      : `it was at statement ${underWay.statement} of ${statementsTotal} (${underWay.label})`;
  return new MigrateError({
    code: "in_doubt",
    tag,
    fact: `${tag} is partly applied: ${done}.`,
    outcome: "nothing-run",
    remedy:
      "Finish it first: correct its file or the data it met, and run `tidemark migrate`. Then it can be taken back.",
  });
}

/**
 * The error of a run that finds a migration on its way down, whose rollback has stopped: neither running it up
 * nor leaving it as it is would be right. Undefined where there is none.
 *
 * @param runner undefined under the lease, where nobody else is at work
 */
export function halfWayDown(
  rows: readonly LedgerRow[],
  runner: RunnerRow | undefined,
): MigrateError | undefined {
  const row = rows.find(
    (item) => item.reverting !== null && stateOf(item, runner).kind !== "STARTED",
  );
  if (row === undefined) return undefined;
  const { tag, statementsDone, statementsTotal, underWay, startedAt } = row;
  const begun = `The rollback of ${tag} began at ${startedAt.toISOString()} and did not end`;
  const isUntouched = statementsDone === 0 && underWay === null && row.state !== "PENDING";
  const done = isUntouched
    ? "nothing of it is committed"
    : underWay === null
      ? `${statementsDone} of its ${plural(statementsTotal, "statement")} are committed`
      : `it was at statement ${underWay.statement} of ${statementsTotal} (${underWay.label})`;
  return new MigrateError({
    code: "in_doubt",
    tag,
    fact: `${begun}: ${done}.`,
    outcome: "nothing-run",
    remedy: isUntouched
      ? "`tidemark rollback` goes on with it; `tidemark repair` leaves the migration applied."
      : "`tidemark rollback` goes on with it; after that, `tidemark migrate` applies it again.",
  });
}
