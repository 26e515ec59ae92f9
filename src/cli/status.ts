import { EXIT_PENDING, type StatusReport, statusJson } from "../db/migrate/index.ts";
import { withMigrator } from "./support/command.ts";
import type { Output } from "./support/output.ts";
import type { CommonFlags } from "./support/settings.ts";

export interface StatusFlags extends CommonFlags {
  readonly check?: boolean;
}

/** `tidemark status`: a row a migration; with `--check` the exit code answers. */
export function runStatus(flags: StatusFlags): Promise<number> {
  return withMigrator(flags, async ({ output, migrator, signal }) => {
    const report = await migrator.status({ signal });
    output.json(statusJson(report));
    if (output.mode === "text") await printStatus(report, output);
    if (!flags.check) return 0;
    return report.problems[0]?.exitCode ?? (report.pending > 0 ? EXIT_PENDING : 0);
  });
}

async function printStatus(report: StatusReport, output: Output): Promise<void> {
  const { statusTable } = await import("./support/table.ts");
  for (const warning of report.warnings) output.note(`warning: ${warning}`);
  if (report.migrations.length > 0) {
    output.print(`${statusTable(report.migrations, output.colors)}\n`);
  }
  for (const { tag, state } of report.migrations) {
    if (state.kind === "FAILED") output.print(`${output.colors.red(tag)} ${state.error.text}\n`);
    if (state.kind === "STUCK") {
      const { user, host, processId } = state.owner;
      const next = state.doubt?.reason ?? "the next run goes on with it";
      output.print(
        `${output.colors.red(tag)} was started by ${user}@${host} (process ${processId}), which is gone: ${next}.\n`,
      );
    }
  }
  for (const problem of report.problems) output.print(`${problem.message}\n`);
  const ahead = report.newer ? ", ahead of this history" : "";
  output.print(
    `${report.pending} pending. The database is at ${report.version ?? "no version"}${ahead}.`,
  );
}
