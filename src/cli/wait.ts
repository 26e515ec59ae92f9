import { duration, type WaitReport } from "../db/migrate/index.ts";
import { withMigrator } from "./support/command.ts";
import { showProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

/** `tidemark wait`: blocks until somebody else has migrated the database to this history. */
export function runWait(flags: CommonFlags): Promise<number> {
  return withMigrator(flags, async ({ output, migrator, signal }) => {
    const progress = await showProgress(output);
    let report: WaitReport;
    try {
      report = await migrator.waitUntilCurrent({ signal, onProgress: progress.onProgress });
    } finally {
      progress.stop();
    }
    output.json({ ...report, version: report.version ?? null });
    const ahead = report.outcome === "newer" ? ", ahead of this history" : "";
    const waited = report.waitedMs < 1_000 ? "" : ` after ${duration(report.waitedMs)}`;
    output.print(`The database is at ${report.version ?? "empty"}${ahead}${waited}.`);
    return 0;
  });
}
