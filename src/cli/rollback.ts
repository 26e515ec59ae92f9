import { duration, listed, plural } from "../db/base/text.ts";
import {
  lossText,
  MigrateError,
  type RollbackPlan,
  type RollbackReport,
} from "../db/migrate/index.ts";
import { type CommandContext, withMigrator } from "./support/command.ts";
import { canAsk, confirmed } from "./support/confirm.ts";
import { withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

interface RollbackFlags extends CommonFlags {
  readonly steps?: string;
  readonly to?: string;
  readonly yes?: boolean;
  readonly allowDataLoss?: boolean;
  readonly database?: string;
  readonly dryRun?: boolean;
}

/** `tidemark rollback`: shows what would be taken back and which rows go, asks, and takes it back. */
export function runRollback(flags: RollbackFlags): Promise<number> {
  return withMigrator(flags, async (context) => {
    const { output, migrator, signal } = context;
    const target = { steps: stepsOf(flags.steps), to: flags.to };
    const plan = await migrator.planRollback({ ...target, signal });
    for (const { message } of plan.warnings) output.note(`warning: ${message}`);
    const [problem] = plan.problems;
    if (flags.dryRun) {
      output.json({
        ...plan,
        problems: plan.problems.map(({ code, message }) => ({ code, message })),
      });
      output.print(planText(plan));
      if (problem !== undefined) throw problem;
      return 0;
    }
    if (problem !== undefined) throw problem;
    if (plan.outcome === "pending") {
      refuseLoss(plan, flags);
      if (!flags.yes) {
        if (!canAsk()) throw notAsked();
        output.error(planText(plan));
        if (!(await confirmed(questionOf(plan)))) {
          output.error("Nothing was run.");
          return 1;
        }
      }
    }
    return revert(context, flags, plan);
  });
}

async function revert(
  { output, migrator, signal, next }: CommandContext,
  flags: RollbackFlags,
  plan: RollbackPlan,
): Promise<number> {
  const report = await withProgress(output, (onProgress) =>
    migrator.rollback({
      expect: plan.steps.map(({ tag }) => tag),
      // What has come since the plan counts too.
      allowDataLoss: flags.allowDataLoss === true && isNamed(plan, flags),
      database: flags.database,
      signal,
      onProgress,
    }),
  );
  const { migrations: _migrations, ...figures } = report;
  output.json(figures);
  if (output.quiet) {
    for (const { tag, durationMs } of report.reverted)
      output.print(`${tag}  ${duration(durationMs)}`);
  }
  output.print(summary(report));
  next("`tidemark migrate` applies it again.");
  return 0;
}

/** Refuses, before anybody is asked, the loss of rows that was not allowed. */
function refuseLoss(plan: RollbackPlan, flags: RollbackFlags): void {
  const { steps, database, isLocal, isBusy } = plan;
  const lines = steps.flatMap(({ tag, loses }) =>
    loses.map((loss) => `\n  ${tag}: ${lossText(loss)}`),
  );
  // Nobody is there who would see which database it is.
  const needsName = !canAsk() || !isLocal;
  if (flags.allowDataLoss ? isNamed(plan, flags) : isBusy) return;
  if (lines.length === 0 && !isBusy) return;
  const why = isLocal ? "this is not a terminal" : "the server is not on this machine";
  throw new MigrateError({
    code: "data_loss",
    fact:
      lines.length === 0
        ? `Another run is at work on the database ${database}: what this rollback would lose is not known yet.`
        : `This rollback of the database ${database} would lose rows:${lines.join("")}`,
    outcome: "nothing-run",
    remedy: needsName
      ? `Make a backup, then allow it: --allow-data-loss --database ${database} (named, as ${why}).`
      : "Make a backup, then allow it: --allow-data-loss.",
  });
}

/** Somebody at this machine sees which database it is; others say so. */
function isNamed({ isLocal }: RollbackPlan, { database }: RollbackFlags): boolean {
  return (canAsk() && isLocal) || database !== undefined;
}

function notAsked(): MigrateError {
  return new MigrateError({
    code: "usage",
    fact: "This is not a terminal, so nobody can be asked.",
    outcome: "nothing-run",
    remedy: "--dry-run shows what would be taken back; --yes takes it back without asking.",
  });
}

function stepsOf(text: string | undefined): number | "all" | undefined {
  if (text === undefined || text === "all") return text;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new MigrateError({
    code: "usage",
    fact: `--steps is ${text || '""'}, where a whole number from 1 or \`all\` is expected.`,
    outcome: "nothing-run",
    remedy: "Give how many migrations are to be taken back.",
  });
}

function questionOf({ steps, database, versionAfter }: RollbackPlan): string {
  const loses = steps.some((step) => step.loses.length > 0) ? ", with the rows above" : "";
  return `Take back ${plural(steps.length, "migration")} of ${database}${loses}, to ${versionAfter ?? "an empty history"}? [y/N] `;
}

function planText({ outcome, steps, versionAfter }: RollbackPlan): string {
  if (outcome === "current") return "Nothing is applied that could be taken back.";
  const texts = steps.map(({ tag, file, statements, resumeAt, outside, loses }) => {
    const from = resumeAt > 0 ? `, from statement ${resumeAt + 1}` : "";
    const lost = loses.map((loss) => `-- loses: ${lossText(loss)}\n`).join("");
    const sql = statements
      .map((text, i) => {
        const note = outside.includes(resumeAt + i + 1) ? "-- outside a transaction:\n" : "";
        return `${note}${text.trim()};\n`;
      })
      .join("");
    return `-- ${tag} (${file}, ${plural(statements.length, "statement")}${from})\n${lost}${sql}\n`;
  });
  const tags = listed(steps.map(({ tag }) => tag));
  return `${texts.join("")}-- Takes back ${tags}. The database would be at ${versionAfter ?? "no version"}.`;
}

function summary({ outcome, reverted, version, durationMs }: RollbackReport): string {
  const at = `The database is at ${version ?? "no version"}.`;
  return outcome === "current"
    ? `Nothing to take back. ${at}`
    : `Took back ${plural(reverted.length, "migration")} in ${duration(durationMs)}. ${at}`;
}
