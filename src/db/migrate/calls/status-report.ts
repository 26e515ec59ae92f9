import type { BackfillStatus } from "../backfill-types.ts";
import type { Ledger } from "../ledger-types.ts";
import { drizzleStatus, planRun } from "../plan/plan.ts";
import { isToRun } from "../plan/repeatable-plan.ts";
import type { StatusReport } from "../reports.ts";
import type { History, Tag } from "../types.ts";
import { warningsOf } from "./planned.ts";

/** Migrations that a run would apply, now or later. */
export function pendingTags({ newer, migrations }: StatusReport): ReadonlySet<Tag> {
  const pending = migrations.filter(({ state }) => !newer && state.kind !== "DONE");
  return new Set(pending.map(({ tag }) => tag));
}

/** What a ledger says of a history. */
export function statusReport(
  history: History,
  ledger: Ledger,
  backfills: readonly BackfillStatus[],
): StatusReport {
  const plan = planRun(history, ledger);
  const repeatables = plan.repeatables.statuses;
  return {
    version: plan.version,
    head: history.head,
    newer: plan.newer,
    pending: plan.pending,
    migrations: plan.migrations,
    repeatables,
    backfills,
    pendingRepeatables: plan.newer ? 0 : repeatables.filter(isToRun).length,
    ...drizzleStatus(plan),
    problems: plan.newer ? plan.problems.filter(({ code }) => code === "in_doubt") : plan.problems,
    warnings: [...history.warnings, ...warningsOf(plan)],
  };
}
