import { duration } from "../db/base/text.ts";
import { withMigrator } from "./support/command.ts";
import { withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

/** `tidemark wait`: waits until another process has migrated the database to this history. */
export function runWait(flags: CommonFlags): Promise<number> {
  return withMigrator(flags, async ({ output, migrator, signal }) => {
    const report = await withProgress(output, (onProgress) =>
      migrator.waitUntilCurrent({ signal, onProgress }),
    );
    output.json({ ...report, version: report.version ?? null });
    const ahead = report.outcome === "newer" ? ", ahead of this history" : "";
    const waited = report.waitedMs < 1_000 ? "" : ` after ${duration(report.waitedMs)}`;
    output.print(`The database is at ${report.version ?? "empty"}${ahead}${waited}.`);
    return 0;
  });
}
