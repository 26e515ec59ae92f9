import type { Ledger } from "../ledger-types.ts";
import { drizzleStatus, planRun } from "../plan/plan.ts";
import { isToRun } from "../plan/repeatable-plan.ts";
import type { StatusReport } from "../reports.ts";
import type { History } from "../types.ts";
import { warningsOf } from "./planned.ts";

/** What a ledger says of a history. */
export function statusReport(history: History, ledger: Ledger): StatusReport {
  const plan = planRun(history, ledger);
  const repeatables = plan.repeatables.statuses;
  return {
    version: plan.version,
    head: history.head,
    newer: plan.newer,
    pending: plan.steps.length,
    migrations: plan.migrations,
    repeatables,
    pendingRepeatables: plan.newer ? 0 : repeatables.filter(isToRun).length,
    ...drizzleStatus(plan),
    problems: plan.newer ? plan.problems.filter(({ code }) => code === "in_doubt") : plan.problems,
    warnings: [...history.warnings, ...warningsOf(plan)],
  };
}
