import { join } from "node:path";
import type { DriftReport } from "../db/drift/index.ts";
import { EXIT_CODES } from "../db/migrate/index.ts";
import { withDatabase } from "./support/command.ts";
import type { Output } from "./support/output.ts";
import type { CommonFlags } from "./support/settings.ts";
import { showSteps } from "./support/steps.ts";

export interface DriftFlags extends CommonFlags {
  readonly ignore?: readonly string[];
  readonly scratchUrl?: string;
}

/** `tidemark drift`: the database against what its applied migrations make; exits 4 where it differs. */
export function runDrift(flags: DriftFlags): Promise<number> {
  return withDatabase(flags, async ({ output, url, migrator, signal, next }) => {
    const { findDrift } = await import("../db/drift/index.ts");
    const steps = await showSteps(output);
    let report: DriftReport;
    try {
      const { dir = "./drizzle", ledgerSchema = "tidemark", connectTimeoutMs } = migrator;
      report = await findDrift({
        url,
        dir,
        ledgerSchema,
        ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
        scratchUrl: flags.scratchUrl,
        scratchDir: join(process.cwd(), ".tidemark"),
        ignore: flags.ignore ?? [],
        signal,
        onProgress: ({ phase, text }) => steps.onStep(phase, text),
      });
    } finally {
      steps.stop();
    }
    output.json(reportJson(report));
    // Shown with --quiet too: without them the result claims more than was looked at.
    for (const { message } of report.warnings) output.error(`warning: ${message}`);
    for (const note of report.notes) output.note(`note: ${note}`);
    if (output.mode === "text") output.print(await reportText(report, output));
    if (report.differences.length === 0) next("nothing is to be done.");
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
  if (difference.change !== "different") {
    const { within: _within, ...shown } = difference;
    return shown;
  }
  const { within: _within, isOrderAlone: _isOrderAlone, ...shown } = difference;
  return shown;
}

async function reportText(report: DriftReport, { colors }: Output): Promise<string> {
  const { differences, ignored, applied } = report;
  const { length } = differences;
  const leftOut = ignored > 0 ? ` (${ignored} ignored)` : "";
  const made = `what its ${applied} applied migration${applied === 1 ? " makes" : "s make"}`;
  if (length === 0) {
    return `No drift${leftOut}: the database is ${applied === 0 ? "empty" : made}.`;
  }
  const { expectedAndFound } = await import("../db/catalog/index.ts");
  const blocks = differences.map((difference) => {
    const { kind, name } = difference;
    const { expected = "nothing", found = "nothing" } = expectedAndFound(difference);
    const what = difference.change === "different" ? difference.property : difference.change;
    return `${kind} ${colors.bold(name)}: ${what}\n  expected  ${colors.green(expected)}\n  found     ${colors.red(found)}\n`;
  });
  return [
    ...blocks,
    `Drift: ${length} difference${length === 1 ? "" : "s"} between the database and ${applied === 0 ? "an empty one" : made}${leftOut}.`,
    "Next: undo each in the database, or put it into a migration (tidemark generate --custom).",
    "What may differ is left out with --ignore, e.g. --ignore 'audit.*'.",
  ].join("\n");
}
