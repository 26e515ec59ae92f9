import { plural } from "../db/base/text.ts";
import {
  type AdoptAnswers,
  type AdoptOptions,
  type AdoptReport,
  DatabaseMigrator,
  doubtText,
  errorJson,
  type JudgedRow,
  MigrateError,
} from "../db/migrate/index.ts";
import { type EvidenceFlags, proveApplied, proveBaseline } from "./adopt-evidence.ts";
import {
  type DatabaseContext,
  errorText,
  PATIENCE_SECONDS,
  withDatabase,
} from "./support/command.ts";
import type { Output } from "./support/output.ts";
import { NO_MIRROR, withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

interface AdoptFlags extends CommonFlags, EvidenceFlags {
  readonly acceptEdited?: boolean;
  readonly acceptMarked?: boolean;
  readonly forget?: readonly string[];
  readonly mirror?: boolean;
  readonly dryRun?: boolean;
  readonly baseline?: string | true;
  readonly verify?: boolean;
}

/** `tidemark adopt`: takes over a database that has a past, and shows what of it is known. */
export function runAdopt(flags: AdoptFlags): Promise<number> {
  const patient = { ...flags, waitTimeout: flags.waitTimeout ?? PATIENCE_SECONDS };
  return withDatabase(patient, (context) => adopt(context, flags));
}

async function adopt(context: DatabaseContext, flags: AdoptFlags): Promise<number> {
  const { output, signal, next } = context;
  const migrator = new DatabaseMigrator({ ...context.migrator, url: context.url });
  const { dryRun = false } = flags;
  const options = { ...(await provenAnswers(context, migrator, flags)), signal };
  const report = await withProgress(output, (onProgress) =>
    migrator.adopt({
      ...options,
      ...(flags.mirror === false && { mirror: false }),
      ...{ dryRun, onProgress },
    }),
  );
  output.json(reportJson(report));
  if (output.mode === "text") await printRows(report, output);
  const problem = report.problems.find(forbids);
  if (problem !== undefined) {
    output.error(errorText(problem, output));
    return problem.exitCode;
  }
  if (flags.mirror === false && !dryRun) output.note(NO_MIRROR);
  output.print(summary(report));
  next(report.pending.length > 0 ? "`tidemark migrate`" : "`tidemark status`");
  return 0;
}

/** A person's answers; with --baseline and --verify, what a comparison says to them. */
async function provenAnswers(
  context: DatabaseContext,
  migrator: DatabaseMigrator,
  flags: AdoptFlags,
): Promise<AdoptOptions> {
  const { signal } = context;
  const answers = answersOf(flags);
  if (flags.baseline !== undefined) {
    await refuseKnown(migrator, signal);
    const markApplied = await proveBaseline(context, flags.baseline, flags);
    return { markApplied, evidence: "comparison" };
  }
  if (!flags.verify) return answers;
  const preview = await migrator.adopt({ ...answers, signal, dryRun: true });
  if (preview.problems.some(forbids)) return answers;
  const { migrations } = await migrator.status({ signal });
  const done = migrations.filter(({ state }) => state.kind === "DONE").map(({ tag }) => tag);
  await proveApplied(context, preview, done, flags);
  return answers;
}

const forbids = ({ code }: MigrateError) => code !== "out_of_order";

/** A baseline is for a database of which nothing is known. */
async function refuseKnown(migrator: DatabaseMigrator, signal: AbortSignal): Promise<void> {
  const { drizzle, migrations } = await migrator.status({ signal });
  const done = migrations.filter(({ state }) => state.kind === "DONE").length;
  if (drizzle === undefined && done === 0) return;
  throw new MigrateError({
    code: "usage",
    fact:
      drizzle === undefined
        ? `The ledger has ${plural(done, "applied migration")} already.`
        : `drizzle's table ${drizzle.table} has ${plural(drizzle.rows, "row")}: it tells what was applied.`,
    outcome: "nothing-written",
    remedy:
      drizzle === undefined
        ? "`tidemark drift` compares the database with them; --mark-applied <tag> adds one."
        : "Leave out --baseline; `tidemark adopt --verify` compares its rows with the database.",
  });
}

function answersOf({ acceptEdited, acceptMarked, markApplied, forget }: AdoptFlags): AdoptAnswers {
  return {
    ...(acceptEdited && { acceptEdited }),
    ...(acceptMarked && { acceptMarked }),
    ...(markApplied && { markApplied }),
    ...(forget && { forget: forget.map(rowsMeant) }),
  };
}

function rowsMeant(text: string): number | "unknown" | "duplicate" {
  if (text === "unknown" || text === "duplicate") return text;
  if (/^\d+$/.test(text)) return Number(text);
  throw new MigrateError({
    code: "usage",
    fact: `--forget takes the number of a row, \`unknown\` or \`duplicate\`, not ${JSON.stringify(text)}.`,
    outcome: "nothing-written",
    remedy: "`tidemark adopt --dry-run` shows the rows with their numbers.",
  });
}

function reportJson({ rows, problems, ...report }: AdoptReport) {
  return {
    ...report,
    rows: rows.map(({ id, hash, createdAt, name, verdict, tag }) => ({
      ...{ row: id, hash, createdAt, name, verdict, tag: tag ?? null },
    })),
    problems: problems.map((problem) => errorJson(problem).error),
  };
}

const COLUMNS = ["row", "time", "migration", "verdict"] as const;

async function printRows({ table, rows }: AdoptReport, output: Output): Promise<void> {
  if (table === null || rows.length === 0) return;
  const { columnsOf } = await import("./support/table.ts");
  const isSure = rows.every(({ verdict }) => verdict === "matched");
  output.print(
    `${table} has ${plural(rows.length, "row")}${isSure ? ", each of one migration" : ""}:\n`,
  );
  const { red, green, dim } = output.colors;
  const lines = columnsOf([COLUMNS, ...rows.map(cellsOf)]);
  output.print(
    lines
      .map((line, i) => {
        const row = rows[i - 1];
        if (row === undefined) return dim(line);
        return row.verdict === "matched" ? green(line) : red(line);
      })
      .join("\n"),
  );
  output.print("");
}

function cellsOf(row: JudgedRow): readonly string[] {
  const { id, createdAt, tag, verdict } = row;
  return [
    String(id),
    createdAt === null ? "" : timeOf(createdAt),
    tag ?? "",
    verdict === "matched" ? verdict : doubtText(row),
  ];
}

function timeOf(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return String(ms);
  return date
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

function summary({ adopted, passedOver, pending, mirrored, dryRun, table }: AdoptReport): string {
  const took = adopted.length === 0 ? "Nothing to take over." : taken(adopted.length, dryRun);
  return [
    took,
    ...passedOver.map(
      (tag) => `drizzle passed over ${tag}: it runs only with --allow-out-of-order.`,
    ),
    ...(mirrored && table !== null
      ? [`${table} is kept up to date: drizzle can go on from here.`]
      : []),
    `${pending.length} pending${pending.length > 0 ? `: ${pending.join(", ")}` : ""}.`,
  ].join("\n");
}

function taken(count: number, dryRun: boolean): string {
  const what = plural(count, "migration");
  return dryRun
    ? `${what} would be recorded as applied. Nothing was written.`
    : `${what} recorded as applied. None was run.`;
}
