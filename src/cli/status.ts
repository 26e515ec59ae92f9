import { duration, plural } from "../db/base/text.ts";
import {
  describeBlocker,
  describeWork,
  EXIT_PENDING,
  type RunningNow,
  type StatusReport,
  statusJson,
  type Tag,
} from "../db/migrate/index.ts";
import { backfillLine } from "./support/backfill-text.ts";
import { withMigrator } from "./support/command.ts";
import type { Output } from "./support/output.ts";
import type { CommonFlags } from "./support/settings.ts";

interface StatusFlags extends CommonFlags {
  readonly check?: boolean;
  readonly all?: boolean;
}

/** `tidemark status`: one row per migration; with `--check` the exit code answers. */
export function runStatus(flags: StatusFlags): Promise<number> {
  return withMigrator(flags, async ({ output, migrator, signal, next }) => {
    const report = await migrator.status({ signal });
    output.json(statusJson(report));
    if (output.mode === "text") await printStatus(report, output, flags.all === true);
    if (report.problems.length === 0) {
      next(
        isPending(report)
          ? "`tidemark migrate` applies what is pending."
          : "`tidemark verify` checks the migrations, `tidemark drift` the database.",
      );
    }
    if (!flags.check) return 0;
    return report.problems[0]?.exitCode ?? (isPending(report) ? EXIT_PENDING : 0);
  });
}

function isPending({ pending, pendingRepeatables }: StatusReport): boolean {
  return pending + pendingRepeatables > 0;
}

const MOST_DONE = 10;

/** The applied ones but the last, where nothing is wrong with them. */
function earlier({ migrations }: StatusReport): ReadonlySet<Tag> {
  const done = migrations.filter(({ state, flags }) => state.kind === "DONE" && flags.length === 0);
  return new Set(done.slice(0, -MOST_DONE).map(({ tag }) => tag));
}

async function printStatus(report: StatusReport, output: Output, isAll: boolean): Promise<void> {
  const { statusTable, terminalWidth } = await import("./support/table.ts");
  for (const { message } of report.warnings) output.note(`warning: ${message}`);
  const { repeatables, pendingRepeatables } = report;
  const left = isAll ? new Set() : earlier(report);
  const migrations = report.migrations.filter(({ tag }) => !left.has(tag));
  if (left.size > 0) {
    output.print(`${plural(left.size, "earlier migration")} applied (--all shows them).`);
  }
  if (migrations.length + repeatables.length > 0) {
    const table = statusTable(migrations, output.colors, terminalWidth(), repeatables);
    output.print(`${table}\n`);
  }
  for (const { tag, state, flags, error } of repeatables) {
    if (state === "FAILED") output.print(`${output.colors.red(tag)} ${error?.text}\n`);
    // A newer release may have it.
    if (flags.includes("MISSING") && !report.newer) {
      output.print(
        `${output.colors.red(tag)} ran here and is not in the folder. A migration that drops what it made takes that away.\n`,
      );
    }
  }
  for (const { tag, state, flags } of report.migrations) {
    if (state.kind === "FAILED") output.print(`${output.colors.red(tag)} ${state.error.text}\n`);
    if (state.kind === "STUCK") {
      const { owner, doubt } = state;
      const who = `${owner.user}@${owner.host} (process ${owner.processId})`;
      const isDown = flags.includes("REVERTING");
      const [run, started] = isDown ? ["rollback", "being taken back"] : ["run", "started"];
      const next =
        doubt === undefined ? `The next ${run} continues it.` : capitalized(`${doubt.reason}.`);
      output.print(
        `${output.colors.red(tag)} was ${started} by ${who}, which is no longer running. ${next}\n`,
      );
    }
  }
  for (const { tag, file } of report.pendingCode ?? []) {
    output.print(`${tag} runs code too: ${file}\n`);
  }
  if (report.running !== undefined) output.print(runningText(report.running));
  for (const one of report.backfills) output.print(`${backfillLine(one)}\n`);
  for (const problem of report.problems) output.print(`${problem.message}\n`);
  const { drizzle } = report;
  if (drizzle !== undefined && drizzle.matched === drizzle.rows) {
    const [rows, them] =
      drizzle.rows === 1 ? ["1 row, of", "it"] : [`${drizzle.rows} rows, each of`, "them"];
    output.print(
      `drizzle's table ${drizzle.table} has ${rows} a migration of this history. The next \`tidemark migrate\` takes ${them} over.\n`,
    );
  }
  const ahead = report.newer ? ", ahead of this history" : "";
  output.print(
    `${report.pending} pending${pendingRepeatables > 0 ? `, and ${plural(pendingRepeatables, "repeatable")} to run` : ""}. The database is at ${report.version ?? "no version"}${ahead}.`,
  );
}

function runningText({ activity, holder, work, blockers }: RunningNow): string {
  const { user, host, processId } = holder;
  const forMs = work?.forMs ?? null;
  const since = forMs === null ? "" : `, for ${duration(forMs)}`;
  const held = blockers.map((blocker) => `  held up by ${describeBlocker(blocker)}\n`).join("");
  const at = (work === null ? undefined : describeWork(work)) ?? "at work";
  return `${activity} runs now, by ${user}@${host} (process ${processId}): ${at}${since}.\n${held}`;
}

function capitalized(sentence: string): string {
  return sentence.slice(0, 1).toUpperCase() + sentence.slice(1);
}
