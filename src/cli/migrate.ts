import { duration, listed, plural } from "../db/base/text.ts";
import {
  EXIT_PENDING,
  type HeldBack,
  heldBackText,
  type MigrateReport,
} from "../db/migrate/index.ts";
import { type CommandContext, withMigrator } from "./support/command.ts";
import { NO_MIRROR, withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

interface MigrateFlags extends CommonFlags {
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly allowOutOfOrder?: boolean;
  readonly allowExisting?: boolean;
  readonly allowOlder?: boolean;
  readonly mirror?: boolean;
}

/** `tidemark migrate`: applies what is pending, or shows what it would apply. */
export function runMigrate(flags: MigrateFlags): Promise<number> {
  if (flags.dryRun) return preview(flags);
  return withMigrator(flags, (context) => apply(context, flags));
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
    for (const { tag, durationMs } of [...report.applied, ...report.repeatables])
      output.print(`${tag}  ${duration(durationMs)}`);
  }
  if (flags.mirror === false && report.takenOver?.mirrored === false) output.note(NO_MIRROR);
  output.print(summary(report, pending, flags.to));
  if (report.heldBack !== undefined) {
    output.print(`${heldBackText(report.heldBack)} ${heldBackAdvice(report.heldBack)}`);
    return EXIT_PENDING;
  }
  next("`tidemark status` shows all migrations; `tidemark verify` checks them before you push.");
  return 0;
}

function heldBackAdvice({ requires, backfill }: HeldBack): string {
  return backfill === "FAILED" || backfill === "CANCELED" || backfill === "PAUSED"
    ? `\`tidemark backfill\` says why; \`tidemark backfill resume ${requires}\` goes on.`
    : "It runs in a worker of the application, or by `tidemark backfill run`; then migrate again.";
}

/** Loaded only by those who look: it reads what the locks depend on. */
async function preview(flags: MigrateFlags): Promise<number> {
  const { runPlan } = await import("./plan.ts");
  return runPlan(flags);
}

function planOptions({ to, allowOutOfOrder, allowExisting, allowOlder, mirror }: MigrateFlags) {
  return {
    ...(to !== undefined && { to }),
    ...(allowOutOfOrder !== undefined && { allowOutOfOrder }),
    ...(allowExisting !== undefined && { allowExisting }),
    ...(allowOlder !== undefined && { allowOlder }),
    ...(mirror === false && { mirror }),
  };
}

function summary(report: MigrateReport, pending: readonly string[], to?: string): string {
  const version = report.version ?? "empty";
  const left = pending.length === 0 ? "" : `\nStill pending: ${listed(pending)}.`;
  switch (report.outcome) {
    case "applied": {
      const { length } = report.applied;
      const ran = plural(report.repeatables.length, "repeatable");
      const done =
        report.repeatables.length === 0
          ? `Applied ${plural(length, "migration")}`
          : length === 0
            ? `Nothing pending. Ran ${ran}`
            : `Applied ${plural(length, "migration")} and ran ${ran}`;
      return `${done} in ${duration(report.durationMs)}. The database is at ${version}.${left}`;
    }
    case "current":
      return pending.length === 0
        ? `Nothing pending. The database is at ${version}.`
        : `Nothing to apply${to === undefined ? "" : ` up to ${to}`}. The database is at ${version}.${left}`;
    case "newer":
      return `Nothing pending: the database is at ${version}, ahead of this history.`;
  }
}
