import type { BackfillStatus } from "../backfill-types.ts";
import type { Ledger } from "../ledger-types.ts";
import { drizzleStatus, type Plan, planRun } from "../plan/plan.ts";
import { isToRun } from "../plan/repeatable-plan.ts";
import type { RunningNow, StatusReport } from "../reports.ts";
import type { History, Tag } from "../types.ts";
import { pendingCode, warningsOf } from "./planned.ts";

/** Migrations that a run would apply, now or later. */
function pendingTags({ newer, migrations }: Plan): ReadonlySet<Tag> {
  const pending = migrations.filter(({ state }) => !newer && state.kind !== "DONE");
  return new Set(pending.map(({ tag }) => tag));
}

/** What a ledger says of a history. */
export function statusReport(
  history: History,
  ledger: Ledger,
  backfills: readonly BackfillStatus[],
  running: RunningNow | undefined,
): StatusReport {
  const plan = planRun(history, ledger);
  const code = pendingCode(history, pendingTags(plan));
  const repeatables = plan.repeatables.statuses;
  return {
    version: plan.version,
    head: history.head,
    newer: plan.newer,
    pending: plan.pending,
    migrations: plan.migrations,
    repeatables,
    ...code,
    ...(running && { running }),
    backfills,
    pendingRepeatables: plan.newer ? 0 : repeatables.filter(isToRun).length,
    ...drizzleStatus(plan),
    problems: plan.newer ? plan.problems.filter(({ code }) => code === "in_doubt") : plan.problems,
    warnings: [...history.warnings, ...warningsOf(plan)],
  };
}

/** Backfills that are not done: asked for where the ledger says that there may be some, as it takes a connection more. */
export async function unfinished(
  { rows }: Ledger,
  list: () => Promise<readonly BackfillStatus[]>,
): Promise<readonly BackfillStatus[]> {
  const may = rows.some(
    ({ state, backfill }) => state !== "DONE" || (backfill ?? "DONE") !== "DONE",
  );
  return may ? (await list()).filter(({ state }) => state !== "DONE") : [];
}
