import { join } from "node:path";
import { plural } from "../db/base/text.ts";
import { urlWarnings } from "../db/connection/driver-options.ts";
import type { DriftReport } from "../db/drift/index.ts";
import { EXIT_CODES } from "../db/migrate/index.ts";
import { withDatabase } from "./support/command.ts";
import { differencesText } from "./support/differences.ts";
import { withLiveLine } from "./support/live-line.ts";
import type { Output } from "./support/output.ts";
import type { CommonFlags } from "./support/settings.ts";

interface DriftFlags extends CommonFlags {
  readonly ignore?: readonly string[];
  readonly scratchUrl?: string;
}

/** `tidemark drift`: compares the database with what its applied migrations make; exits with 4 if it differs. */
export function runDrift(flags: DriftFlags): Promise<number> {
  return withDatabase(flags, async ({ output, url, migrator, settings, signal, next }) => {
    const { findDrift } = await import("../db/drift/index.ts");
    const { dir, ledgerSchema = "tidemark", connectTimeoutMs, drizzleTable = {} } = migrator;
    const report = await withLiveLine(output, ({ show }) =>
      findDrift({
        url,
        dir,
        ledgerSchema,
        drizzleTable,
        ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
        scratchUrl: flags.scratchUrl ?? settings.scratchUrl,
        scratchDir: join(process.cwd(), ".tidemark"),
        ignore: [...(settings.ignore ?? []), ...(flags.ignore ?? [])],
        signal,
        onProgress: ({ phase, text }) => show({ name: phase, text }),
      }),
    );
    output.json(reportJson(report));
    for (const { message } of urlWarnings(url)) output.note(`warning: ${message}`);
    // Shown with --quiet too: without them the result claims more than was compared.
    for (const { message } of report.warnings) output.error(`warning: ${message}`);
    for (const note of report.notes) output.note(`note: ${note}`);
    if (output.mode === "text") output.print(await reportText(report, output));
    if (report.differences.length === 0) next("nothing to do.");
    return report.differences.length > 0 ? EXIT_CODES.drift : 0;
  });
}

function reportJson(report: DriftReport) {
  const { differences, version, applied, pending, ignored, warnings, notes } = report;
  return {
    drift: differences.length > 0,
    version: version ?? null,
    applied,
    pending,
    differences: differences.map(differenceJson),
    ignored,
    warnings: warnings.map(({ message }) => message),
    notes,
  };
}

function differenceJson(difference: DriftReport["differences"][number]) {
  const { within: _within, ...shown } = { isOrderAlone: undefined, ...difference };
  return { ...shown, isOrderAlone: undefined };
}

async function reportText(report: DriftReport, output: Output): Promise<string> {
  const { differences, ignored, applied } = report;
  const { length } = differences;
  const leftOut = ignored > 0 ? ` (${ignored} ignored)` : "";
  const made = `what its ${applied} applied migration${applied === 1 ? " makes" : "s make"}`;
  if (length === 0) return `No drift${leftOut}: the database is ${applied === 0 ? "empty" : made}.`;
  return [
    await differencesText(differences, output),
    `Drift: ${plural(length, "difference")} between the database and ${applied === 0 ? "an empty one" : made}${leftOut}.`,
    "Next: undo each difference in the database, or put it into a migration (tidemark generate --custom).",
    "--ignore leaves out what may differ, e.g. --ignore 'audit.*'.",
  ].join("\n");
}
