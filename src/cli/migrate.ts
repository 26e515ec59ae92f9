import { duration, listed, plural } from "../db/base/text.ts";
import type { MigrateReport, PlanReport } from "../db/migrate/index.ts";
import { type CommandContext, withMigrator } from "./support/command.ts";
import { NO_MIRROR, withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

interface MigrateFlags extends CommonFlags {
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly allowOutOfOrder?: boolean;
  readonly allowExisting?: boolean;
  readonly mirror?: boolean;
}

/** `tidemark migrate`: applies what is pending, or shows what it would apply. */
export function runMigrate(flags: MigrateFlags): Promise<number> {
  return withMigrator(flags, (context) =>
    flags.dryRun ? preview(context, flags) : apply(context, flags),
  );
}

async function apply(context: CommandContext, flags: MigrateFlags): Promise<number> {
  const { output, migrator, signal, next } = context;
  const report = await withProgress(output, (onProgress) =>
    migrator.migrate({ ...planOptions(flags), signal, onProgress }),
  );
  const { migrations = [], ...figures } = report;
  const pending = migrations.filter(({ state }) => state.kind !== "DONE").map(({ tag }) => tag);
  output.json({ ...figures, stillPending: pending });
  for (const { message } of report.warnings) output.note(`warning: ${message}`);
  // Otherwise the progress has already shown them.
  if (output.quiet) {
    for (const { tag, durationMs } of report.applied)
      output.print(`${tag}  ${duration(durationMs)}`);
  }
  if (flags.mirror === false && report.takenOver?.mirrored === false) output.note(NO_MIRROR);
  output.print(summary(report, pending, flags.to));
  next("`tidemark status` shows all migrations; `tidemark verify` checks them before you push.");
  return 0;
}

async function preview(context: CommandContext, flags: MigrateFlags): Promise<number> {
  const { output, migrator, signal } = context;
  const plan = await migrator.plan({ ...planOptions(flags), signal });
  output.json(plan);
  for (const { message } of plan.warnings) output.note(`warning: ${message}`);
  output.print(planText(plan));
  return 0;
}

function planOptions({ to, allowOutOfOrder, allowExisting, mirror }: MigrateFlags) {
  return {
    ...(to !== undefined && { to }),
    ...(allowOutOfOrder !== undefined && { allowOutOfOrder }),
    ...(allowExisting !== undefined && { allowExisting }),
    ...(mirror === false && { mirror }),
  };
}

function summary(report: MigrateReport, pending: readonly string[], to?: string): string {
  const version = report.version ?? "empty";
  const left = pending.length === 0 ? "" : `\nStill pending: ${listed(pending)}.`;
  switch (report.outcome) {
    case "applied": {
      const { length } = report.applied;
      return `Applied ${plural(length, "migration")} in ${duration(report.durationMs)}. The database is at ${version}.${left}`;
    }
    case "current":
      return pending.length === 0
        ? `Nothing pending. The database is at ${version}.`
        : `Nothing to apply${to === undefined ? "" : ` up to ${to}`}. The database is at ${version}.${left}`;
    case "newer":
      return `Nothing pending: the database is at ${version}, ahead of this history.`;
  }
}

function planText(plan: PlanReport): string {
  if (plan.outcome !== "pending") {
    return plan.outcome === "newer"
      ? "Nothing pending: the database is ahead of this history."
      : "Nothing pending.";
  }
  const steps = plan.steps.map(({ tag, file, statements, resumeAt, outside }) => {
    const from = resumeAt > 0 ? `, from statement ${resumeAt + 1}` : "";
    const sql = statements
      .map((text, i) => {
        const note = outside.includes(resumeAt + i + 1) ? "-- outside a transaction:\n" : "";
        return `${note}${text.trim()};`;
      })
      .join("\n");
    return `-- ${tag} (${file}, ${plural(statements.length, "statement")}${from})\n${sql}\n`;
  });
  const first =
    plan.drizzle === undefined
      ? ""
      : `-- First, ${plural(plan.drizzle.matched, "migration")} that ${plan.drizzle.table} has as applied would be taken over.\n`;
  return `${first}${steps.map((step) => `${step}\n`).join("")}-- ${plan.steps.length} pending. Nothing was run.`;
}
