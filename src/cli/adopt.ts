import { plural } from "../db/base/text.ts";
import {
  type AdoptReport,
  doubtText,
  errorJson,
  type JudgedRow,
  MigrateError,
} from "../db/migrate/index.ts";
import {
  type CommandContext,
  errorText,
  PATIENCE_SECONDS,
  withMigrator,
} from "./support/command.ts";
import type { Output } from "./support/output.ts";
import { withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

interface AdoptFlags extends CommonFlags {
  readonly acceptEdited?: boolean;
  readonly markApplied?: readonly string[];
  readonly forget?: readonly string[];
  readonly mirror?: boolean;
  readonly dryRun?: boolean;
}

/** `tidemark adopt`: takes over a database that drizzle's migrator has filled, and shows each row of its table. */
export function runAdopt(flags: AdoptFlags): Promise<number> {
  const patient = { ...flags, waitTimeout: flags.waitTimeout ?? PATIENCE_SECONDS };
  return withMigrator(patient, (context) => adopt(context, flags));
}

async function adopt({ output, migrator, signal, next }: CommandContext, flags: AdoptFlags) {
  const report = await withProgress(output, (onProgress) =>
    migrator.adopt({
      ...answersOf(flags),
      ...(flags.mirror === false && { mirror: false }),
      dryRun: flags.dryRun ?? false,
      ...{ signal, onProgress },
    }),
  );
  output.json(reportJson(report));
  if (output.mode === "text") await printRows(report, output);
  const [problem] = report.problems.filter(({ code }) => code !== "out_of_order");
  if (problem !== undefined) {
    output.error(errorText(problem, output));
    return problem.exitCode;
  }
  output.print(summary(report));
  next(report.pending.length > 0 ? "`tidemark migrate`" : "`tidemark status`");
  return 0;
}

function answersOf({ acceptEdited, markApplied, forget }: AdoptFlags) {
  const bad = forget?.filter((text) => !/^\d+$/.test(text)) ?? [];
  if (bad.length > 0) {
    throw new MigrateError({
      code: "usage",
      fact: `--forget takes the number of a row, not ${JSON.stringify(bad[0])}.`,
      outcome: "nothing-written",
      remedy: "`tidemark adopt --dry-run` shows the rows with their numbers.",
    });
  }
  return {
    ...(acceptEdited && { acceptEdited }),
    ...(markApplied && { markApplied }),
    ...(forget && { forget: forget.map(Number) }),
  };
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
    ...(mirrored && table !== null ? [`${table} is kept true: drizzle can go on from here.`] : []),
    `${pending.length} pending${pending.length > 0 ? `: ${pending.join(", ")}` : ""}.`,
  ].join("\n");
}

function taken(count: number, dryRun: boolean): string {
  const what = plural(count, "migration");
  return dryRun
    ? `${what} would be recorded as applied. Nothing was written.`
    : `${what} recorded as applied. None was run.`;
}
