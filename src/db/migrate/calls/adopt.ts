import { readLedgerAfter } from "../adopt/look.ts";
import { takeOver } from "../adopt/take-over.ts";
import type { AdoptAnswers, JudgedRow } from "../adopt-types.ts";
import { MigrateError } from "../errors.ts";
import { withLease } from "../lease/hold.ts";
import { look } from "../lease/sql.ts";
import { runnerOf } from "../ledger/replies.ts";
import type { Ledger } from "../ledger-types.ts";
import { needsTakeover, type Plan, planRun } from "../plan/plan.ts";
import { refuseUnknownTarget } from "../plan/problems.ts";
import type { AdoptReport } from "../reports.ts";
import type { Run } from "../run-types.ts";
import { openLedger } from "./call.ts";
import { currentLedger } from "./current-ledger.ts";

/**
 * Tells the ledger what was applied before it, by drizzle's table and a person's answers: all of it, in
 * one transaction, or nothing where a row is in doubt. Runs no migration.
 *
 * @throws MigrateError `usage` where the history has no such tag, or the table no such row; `lock_timeout`,
 *   `lease_lost`, `connect`, `config`
 */
export async function adoptDatabase(run: Run, dryRun: boolean): Promise<AdoptReport> {
  const { schema, plan: options } = run;
  const { session, first } = await openLedger(run, look(schema));
  try {
    const history = await run.history;
    for (const tag of options.answers?.markApplied ?? []) refuseUnknownTarget(history, tag);
    const preview = await readLedgerAfter(session, run, history, runnerOf(first, schema));
    refuseUnknownRows(options.answers?.forget ?? [], preview);
    const plan = planRun(history, preview, options);
    const isBlocked = plan.problems.some(({ code }) => code !== "out_of_order");
    const mirror = preview.runner?.mirror ?? null;
    if (dryRun || isBlocked) return reportOf(plan, preview, { dryRun, mirrored: mirror !== null });
    const endsMirror = options.mirror === false && mirror !== null;
    // Rows that were left out of account are to be remembered too.
    const isNews = needsTakeover(plan) || (plan.takeover?.table?.rows.length ?? 0) > 0;
    if (!isNews && !endsMirror) {
      return reportOf(plan, preview, { dryRun, mirrored: mirror !== null });
    }
    const runner = await currentLedger(session, run, preview.runner);
    const end = await withLease(run, session, runner, async (held, { rows }) => {
      await takeOver(held, history, { runner, rows });
      return held.mirror !== null && !held.mirror.isOthers;
    });
    return reportOf(plan, preview, { dryRun, mirrored: end?.value ?? false });
  } finally {
    await session.close();
  }
}

function reportOf(
  plan: Plan,
  { existing }: Ledger,
  facts: Pick<AdoptReport, "dryRun" | "mirrored">,
): AdoptReport {
  const { takeover, steps } = plan;
  const tables = existing?.drizzleTables ?? [];
  const table = takeover?.table ?? tables.find(({ rows }) => rows.length > 0);
  const problems = plan.problems.filter(({ code }) => code !== "out_of_order");
  const adopted = problems.length > 0 ? [] : (takeover?.adopted ?? []);
  return {
    table: table === undefined ? null : `${table.schema}.${table.table}`,
    rows: table?.rows ?? [],
    adopted: adopted.flatMap(({ migration, by }) => (by === "skipped" ? [] : [migration.tag])),
    passedOver: plan.passedOver,
    pending: steps.map(({ migration }) => migration.tag),
    problems: plan.problems,
    ...facts,
  };
}

/** Without its row a migration would be pending, and run again. */
function notForgotten(rows: readonly JudgedRow[]): MigrateError {
  const list = rows.map(({ id, tag }) => `row ${id} is of ${tag}`).join(", ");
  return new MigrateError({
    code: "usage",
    fact: `Only rows of no file, and second rows, can be left out of account: ${list}.`,
    outcome: "nothing-written",
    remedy:
      "Take the migration as applied: --accept-edited, --accept-marked, or --mark-applied <tag>.",
  });
}

function refuseUnknownRows(
  forget: NonNullable<AdoptAnswers["forget"]>,
  { existing }: Ledger,
): void {
  const ids = new Set(existing?.drizzleTables.flatMap(({ rows }) => rows.map(({ id }) => id)));
  const rows = existing?.drizzleTables.flatMap((table) => table.rows) ?? [];
  const known = rows.filter(
    ({ id, verdict }) => forget.includes(id) && verdict !== "unknown" && verdict !== "duplicate",
  );
  if (known.length > 0) throw notForgotten(known);
  const unknown = forget.filter((id) => typeof id === "number" && !ids.has(id));
  if (unknown.length === 0) return;
  throw new MigrateError({
    code: "usage",
    fact: `drizzle's table has no row ${unknown.join(", ")} that the ledger does not know yet.`,
    outcome: "nothing-written",
    remedy: "`tidemark adopt --dry-run` shows the rows with their numbers.",
  });
}
