import { join } from "node:path";
import { plural } from "../db/base/text.ts";
import type { Baseline } from "../db/drift/index.ts";
import { type AdoptReport, MigrateError, type Tag } from "../db/migrate/index.ts";
import type { DatabaseContext } from "./support/command.ts";
import { differencesText } from "./support/differences.ts";
import { withLiveLine } from "./support/live-line.ts";
import type { Output } from "./support/output.ts";

export interface EvidenceFlags {
  readonly ignore?: readonly string[];
  readonly scratchUrl?: string;
  readonly acceptDifferences?: boolean;
  readonly markApplied?: readonly string[];
}

/** What a comparison on a scratch database needs. */
function comparisonOf(
  { url, migrator, signal }: Pick<DatabaseContext, "url" | "migrator" | "signal">,
  { ignore = [], scratchUrl }: EvidenceFlags,
) {
  const { dir, ledgerSchema = "tidemark", connectTimeoutMs, drizzleTable = {} } = migrator;
  return {
    ...{ url, dir, ledgerSchema, drizzleTable, scratchUrl, ignore, signal },
    ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
    scratchDir: join(process.cwd(), ".tidemark"),
  };
}

/**
 * Finds what a database without any table of drizzle's corresponds to, and prints it.
 *
 * @param tag the one to prove; true to look for it
 * @returns the migrations to record as applied
 * @throws MigrateError `drift` where the nearest differs, `adopt_required` where several are alike
 */
export async function proveBaseline(
  context: DatabaseContext,
  tag: string | true,
  flags: EvidenceFlags,
): Promise<readonly Tag[]> {
  const { output } = context;
  const { findBaseline } = await import("../db/drift/index.ts");
  const baseline = await withLiveLine(output, ({ show }) =>
    findBaseline({
      ...comparisonOf(context, flags),
      tag: tag === true ? undefined : tag,
      onProgress: ({ phase, text }) => show({ name: phase, text }),
    }),
  );
  for (const { message } of baseline.warnings) output.error(`warning: ${message}`);
  output.note(await baselineText(baseline, output));
  const { differences, alike, upTo, unseen } = baseline;
  if (differences.length > 0 && !flags.acceptDifferences) throw differs(baseline);
  if (tag === true && alike.length > 1) throw severalAlike(alike);
  if (tag === true && unseen.length > 0) throw rowsInDoubt(baseline);
  for (const line of unseenLines(unseen)) output.error(line);
  return upTo;
}

async function baselineText(baseline: Baseline, output: Output): Promise<string> {
  const { tag = "an empty database", differences, ignored, compared, alike } = baseline;
  const of = `${plural(compared, "replay")} compared`;
  const leftOut = ignored > 0 ? `, ${plural(ignored, "difference")} ignored` : "";
  if (differences.length === 0) {
    const others = alike.filter((other) => other !== tag);
    const also = others.length > 0 ? `, and so does ${others.join(", ")}` : "";
    return `Proven on a scratch database: ${tag} leads to this database${also} (${of}${leftOut}).`;
  }
  const list = await differencesText(differences, output);
  return `${list}\nThe nearest is ${tag}: ${plural(differences.length, "difference")} (${of}${leftOut}).`;
}

/** What a comparison of catalogs leaves open, told where it is taken all the same. */
function unseenLines(unseen: Baseline["unseen"]): readonly string[] {
  if (unseen.length === 0) return [];
  const list = unseen.map(({ tag, what }) => `  ${tag}: ${what}`);
  return [
    "warning: a catalog does not show rows, so it is not proven that these ran here:",
    ...list,
  ];
}

function rowsInDoubt({ tag, unseen }: Baseline): MigrateError {
  const list = unseen.map((one) => `\n  ${one.tag}: ${one.what}`).join("");
  return new MigrateError({
    code: "adopt_required",
    fact: `The catalog is what ${tag} leaves, but does not show whether these changed rows here:${list}`,
    outcome: "nothing-written",
    remedy:
      `\`drizzle-kit push\` runs no such statements. Check the rows; then \`tidemark adopt --baseline ${tag}\` records all of them as applied. ` +
      "What is missing goes into a new migration.",
  });
}

function differs({ tag, differences }: Baseline): MigrateError {
  return new MigrateError({
    code: "drift",
    fact: `No migration leads to this database. The nearest is ${tag ?? "an empty one"}, with ${plural(differences.length, "difference")}.`,
    outcome: "nothing-written",
    remedy:
      "Correct the database, leave out what may differ with --ignore, or take the differences as they are with --accept-differences.",
  });
}

function severalAlike(alike: readonly Tag[]): MigrateError {
  return new MigrateError({
    code: "adopt_required",
    fact: `${alike.join(", ")} lead to the same catalog: those after the first change only rows, and nothing shows which of them ran here.`,
    outcome: "nothing-written",
    remedy: `Name the last one that was applied: ${alike.map((tag) => `tidemark adopt --baseline ${tag}`).join(" or ")}.`,
  });
}

/**
 * Replays what is about to be recorded as applied, and compares it with the database.
 *
 * @throws MigrateError `drift` where they differ
 */
export async function proveApplied(
  context: DatabaseContext,
  { adopted }: AdoptReport,
  known: readonly Tag[],
  flags: EvidenceFlags,
): Promise<void> {
  const { output } = context;
  const { findDrift } = await import("../db/drift/index.ts");
  const report = await withLiveLine(output, ({ show }) =>
    findDrift({
      ...comparisonOf(context, flags),
      assume: [...known, ...adopted],
      onProgress: ({ phase, text }) => show({ name: phase, text }),
    }),
  );
  for (const { message } of report.warnings) output.error(`warning: ${message}`);
  const { differences, applied, unseen } = report;
  // For the others drizzle's table speaks.
  const marked = unseen.filter(({ tag }) => flags.markApplied?.includes(tag));
  for (const line of unseenLines(marked)) output.error(line);
  if (differences.length === 0) {
    output.note(
      `Proven on a scratch database: ${applied === 1 ? "the migration leads" : `the ${applied} migrations lead`} to this database.`,
    );
    return;
  }
  output.note(await differencesText(differences, output));
  if (flags.acceptDifferences) return;
  throw new MigrateError({
    code: "drift",
    fact: `${applied === 1 ? "The migration to be recorded as applied does" : `The ${applied} migrations to be recorded as applied do`} not lead to this database: ${plural(differences.length, "difference")}.`,
    outcome: "nothing-written",
    remedy:
      "Find out which of them did not run here, or what was changed by hand. " +
      "Leave out what may differ with --ignore, or take the differences as they are with --accept-differences.",
  });
}
