import { MigrateError } from "../errors.ts";
import { LOCK_CONFLICTS } from "../ledger/server-error.ts";
import type { LedgerRow } from "../ledger-types.ts";
import type { Step } from "../plan/plan.ts";
import type { RepeatableRun } from "../plan/repeatable-plan.ts";

/**
 * Two hundred replicas that boot at one moment must not each retry a migration that
 * one of them has seen fail: what failed since this run began is not tried again.
 *
 * @param since on the database's clock, which need not be this machine's
 */
export function refuseFailedMeanwhile(
  steps: readonly Step[],
  rows: readonly LedgerRow[],
  since: Date,
): void {
  const [step] = steps;
  const row = rows.find(({ tag }) => tag === step?.migration.tag);
  if (step === undefined || row?.state !== "FAILED" || row.error === null) return;
  // It failed in the other direction.
  if ((row.reverting !== null) !== (step.down !== undefined)) return;
  // One that was told to stop has not shown that the migration is broken.
  if (row.error.sqlState === null || row.checksum !== step.migration.checksum) return;
  if ((row.finishedAt ?? row.startedAt) < since) return;
  throw new MigrateError({
    code: LOCK_CONFLICTS.has(row.error.sqlState) ? "lock_timeout" : "migration_failed",
    tag: row.tag,
    fact: row.error.text,
    remedy: `Another runner hit this after this one started (${row.owner.host}, process ${row.owner.processId}), so it was not tried again.`,
    recorded: row.error,
    notRun: steps.map(({ migration }) => migration.tag),
  });
}

/** The same of repeatables: what failed with this text since the run began is not tried again. */
export function refuseRepeatableFailedMeanwhile(runs: readonly RepeatableRun[], since: Date): void {
  for (const { repeatable, row } of runs) {
    if (row?.failedChecksum !== repeatable.checksum || row.error === null) continue;
    if (row.error.sqlState === null || row.failedAt === null || row.failedAt < since) continue;
    throw new MigrateError({
      code: LOCK_CONFLICTS.has(row.error.sqlState) ? "lock_timeout" : "migration_failed",
      tag: row.tag,
      fact: row.error.text,
      remedy: `Another runner hit this after this one started (${row.owner.host}, process ${row.owner.processId}), so it was not tried again.`,
      recorded: row.error,
      notRun: runs.map(({ repeatable: { tag } }) => tag),
    });
  }
}
