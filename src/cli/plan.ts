import { plural } from "../db/base/text.ts";
import { type Forecast, forecast, scriptOf } from "../db/forecast/index.ts";
import {
  DatabaseMigrator,
  heldBackText,
  MigrateError,
  type PlanReport,
} from "../db/migrate/index.ts";
import { type DatabaseContext, withDatabase } from "./support/command.ts";
import {
  forecastText,
  heldBackLine,
  repeatablesText,
  statementsText,
} from "./support/plan-text.ts";
import type { CommonFlags } from "./support/settings.ts";
import { terminalWidth } from "./support/table.ts";

interface PlanFlags extends CommonFlags {
  readonly to?: string;
  readonly allowOutOfOrder?: boolean;
  readonly allowExisting?: boolean;
  readonly allowOlder?: boolean;
  readonly sql?: boolean;
  readonly sample?: string;
}

/** `tidemark plan`, and `migrate --dry-run`: what a run would do, lock and wait for; runs nothing. */
export function runPlan(flags: PlanFlags): Promise<number> {
  return withDatabase(flags, async (context) => {
    const { output, url, migrator, signal } = context;
    const sampleMs = sampleOf(flags.sample);
    const { to, allowOutOfOrder, allowExisting, allowOlder } = flags;
    const plan = await new DatabaseMigrator({ ...migrator, url }).plan({
      to,
      allowOutOfOrder,
      allowExisting,
      allowOlder,
      signal,
    });
    for (const { message } of plan.warnings) output.note(`warning: ${message}`);
    if (flags.sql) {
      const script = plan.outcome === "pending" ? scriptOf(plan) : `-- ${nothingText(plan)}`;
      output.json({ outcome: plan.outcome, script });
      output.print(script);
      return 0;
    }
    const found = await foresee(context, plan, sampleMs);
    output.json(found);
    output.print(planText(found));
    return 0;
  });
}

async function foresee(
  { url, migrator, signal }: DatabaseContext,
  plan: PlanReport,
  sampleMs: number,
): Promise<Forecast> {
  const { connectTimeoutMs = 10_000 } = migrator;
  return forecast(plan, { url, connectTimeoutMs, sampleMs, signal });
}

function planText(plan: Forecast): string {
  if (plan.outcome !== "pending") return nothingText(plan);
  const locks = plan.steps.length === 0 ? "" : `${forecastText(plan, terminalWidth())}\n`;
  const { length } = plan.repeatables;
  const more = length === 0 ? "" : `, and ${plural(length, "repeatable")} to run`;
  return `${statementsText(plan)}${repeatablesText(plan)}${locks}${heldBackLine(plan)}-- ${plan.steps.length} pending${more}. Nothing was run.`;
}

function nothingText({ outcome, heldBack }: Pick<PlanReport, "outcome" | "heldBack">): string {
  if (heldBack !== undefined) return `Nothing to run now. ${heldBackText(heldBack)}`;
  return outcome === "newer"
    ? "Nothing pending: the database is ahead of this history."
    : "Nothing pending.";
}

function sampleOf(text = "1"): number {
  const seconds = Number(text);
  if (text.trim() !== "" && seconds >= 0 && seconds <= MOST_SECONDS) return seconds * 1000;
  throw new MigrateError({
    code: "usage",
    fact: `--sample is ${text || '""'}, where seconds from 0 to ${MOST_SECONDS} are expected.`,
    outcome: "nothing-run",
    remedy: "Give for how long the tables' writes are to be counted.",
  });
}

const MOST_SECONDS = 600;
