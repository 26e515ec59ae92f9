import { EXIT_CODES, type RepairReport } from "../db/migrate/index.ts";
import { PATIENCE_SECONDS, withMigrator } from "./support/command.ts";
import { withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

/** `tidemark repair`: resets FAILED and STUCK migrations where that is safe, and says what it did. */
export function runRepair(flags: CommonFlags): Promise<number> {
  const patient = { ...flags, waitTimeout: flags.waitTimeout ?? PATIENCE_SECONDS };
  return withMigrator(patient, async ({ output, migrator, signal }) => {
    const report = await withProgress(output, (onProgress) =>
      migrator.repair({ signal, onProgress }),
    );
    output.json({
      repaired: report.repaired.map(({ before, ...one }) => ({ ...one, before: before.kind })),
      kept: report.kept,
      leaseFreed: report.leaseFreed,
      warnings: report.warnings,
    });
    for (const { message } of report.warnings) output.note(`warning: ${message}`);
    output.print(reportText(report));
    return report.kept.length > 0 ? EXIT_CODES.in_doubt : 0;
  });
}

function reportText({ repaired, kept, leaseFreed }: RepairReport): string {
  const lines = repaired.map(({ tag, before, restored }) => {
    const { user, host, processId } = before.owner;
    const who = `${user}@${host} (process ${processId})`;
    const was =
      before.kind === "STUCK"
        ? `STUCK: started ${before.at.toISOString()} by ${who}, which is no longer running; its transaction was rolled back`
        : `FAILED: ${before.error.message}`;
    return restored
      ? `${tag} was on its way down, ${was}. Its rollback is given up: it is applied as before.`
      : `${tag} was ${was}. Cleared: it is PENDING.`;
  });
  return [
    ...(leaseFreed ? ["Released the lease of a runner that is no longer running."] : []),
    ...lines,
    ...kept.map(({ tag, reason }) => `${tag} was not changed: ${reason}.`),
    repaired.some(({ restored }) => !restored)
      ? "Next: tidemark migrate"
      : repaired.length === 0 && kept.length === 0 && !leaseFreed
        ? "Nothing to repair."
        : "",
  ]
    .filter((line) => line !== "")
    .join("\n");
}
