import { plural } from "../../db/base/text.ts";
import {
  ended,
  type Forecast,
  type ForecastLock,
  type ForecastStep,
} from "../../db/forecast/index.ts";
import { describeBlocker, heldBackText, type PlanReport } from "../../db/migrate/index.ts";
import { codeText } from "./code-text.ts";
import { WHY } from "./progress.ts";
import { columnsOf } from "./table.ts";

/** The statements of a plan, as SQL with comments. */
export function statementsText(plan: Pick<PlanReport, "steps" | "drizzle">): string {
  const steps = plan.steps.map(({ tag, file, statements, resumeAt, segments, code }) => {
    const from = resumeAt > 0 ? `, from statement ${resumeAt + 1}` : "";
    const starts = new Map(
      segments.map(({ kind, statements: [first] }) => [first, kind === "outside" ? OUTSIDE : ONE]),
    );
    const sql = statements
      .map((text, i) => {
        const border = starts.get(resumeAt + i + 1);
        const isShown = border === OUTSIDE || (border !== undefined && segments.length > 1);
        return `${isShown ? border : ""}${ended(text)}`;
      })
      .join("\n");
    const step = code === null ? "" : `-- then ${codeText(code)}\n`;
    return `-- ${tag} (${file}, ${plural(statements.length, "statement")}${from})\n${sql}\n${step}\n`;
  });
  const first =
    plan.drizzle === undefined
      ? ""
      : `-- First, ${plural(plan.drizzle.matched, "migration")} that ${plan.drizzle.table} has as applied would be taken over.\n`;
  return `${first}${steps.join("")}`;
}

/** What stays pending after the steps, and why. */
export function heldBackLine({ heldBack }: Pick<PlanReport, "heldBack">): string {
  return heldBack === undefined ? "" : `-- ${heldBackText(heldBack)}\n`;
}

/** What runs after the steps, likewise, and why. */
export function repeatablesText({ repeatables }: Pick<PlanReport, "repeatables">): string {
  return repeatables
    .map(({ tag, file, why, statements }) => {
      const sql = statements.map(ended).join("\n");
      return `-- ${tag} (${file}, ${WHY[why]})\n${sql}\n\n`;
    })
    .join("");
}

const OUTSIDE = "-- outside a transaction:\n";
const ONE = "-- in one transaction:\n";

const HEAD = ["statement", "lock", "on", "for", "rows", "size", "writes/s"];

/**
 * The locks of a forecast, and who is in the way, each line an SQL comment.
 *
 * @param most characters a line; columns are dropped from the right until the table fits
 */
export function forecastText(forecast: Forecast, most = Number.POSITIVE_INFINITY): string {
  const rows = forecast.steps.flatMap((step) => stepRows(step, forecast));
  const table =
    rows.length === 0 ? ["No statement locks a table."] : columnsOf([HEAD, ...rows], most - 3);
  const lines = [...table, "", ...wayLines(forecast), ...forecast.notes];
  return lines.map((line) => `-- ${line}`.trimEnd()).join("\n");
}

function stepRows({ tag, forecast }: ForecastStep, all: Forecast): readonly (readonly string[])[] {
  return forecast.flatMap(({ statement, locks, unseen }) => {
    const rows = locks.map((lock) => [
      lock.held === null ? lock.mode : `${lock.held} (held)`,
      shortName(lock.table),
      lock.work,
      ...figures(lock, all),
    ]);
    if (unseen !== null) rows.push(["not known", unseen, "", "", "", ""]);
    return rows.map((row, i) => [i === 0 ? `${tag} ${statement}` : "", ...row]);
  });
}

function figures({ table, isNew }: ForecastLock, { tables }: Forecast): readonly string[] {
  const found = tables.find((one) => one.table === table);
  if (found === undefined) return [isNew ? "new" : "", "", ""];
  const { rows, isExact, bytes, isBytesEstimated, writesPerSecond } = found;
  // Never analyzed: its pages are not known either.
  const isUnknown = isBytesEstimated && rows === null;
  return [
    rows === null ? "?" : `${isExact ? "" : "~"}${rows.toLocaleString("en-US")}`,
    isUnknown ? "?" : `${isBytesEstimated ? "~" : ""}${sizeText(bytes)}`,
    writesPerSecond === null ? "?" : String(writesPerSecond),
  ];
}

function wayLines(forecast: Forecast): readonly string[] {
  const { sessions, steps, longTransactions, sampleMs, tables } = forecast;
  const isEstimated = tables.some(
    ({ rows, isExact, isBytesEstimated }) => rows !== null && (!isExact || isBytesEstimated),
  );
  const lines = sessions.flatMap((session) => {
    const waits = steps.flatMap(({ tag, forecast: statements }) =>
      statements.flatMap(({ statement, locks, waitsForSnapshots }) => {
        const on = locks.flatMap(({ table, waitsFor }) =>
          waitsFor.includes(session.pid) ? shortName(table) : [],
        );
        if (on.length > 0) return [`${tag} ${statement} (${on.join(", ")})`];
        return waitsForSnapshots.includes(session.pid)
          ? [`${tag} ${statement} (its snapshot)`]
          : [];
      }),
    );
    return [`  ${describeBlocker(session)}`, `    in the way of ${waits.join("; ")}`];
  });
  const others = longTransactions.filter(({ pid }) => sessions.every((one) => one.pid !== pid));
  return [
    lines.length === 0 ? "Nobody is in the way now." : "In the way now:",
    ...lines,
    ...(others.length === 0 ? [] : ["Open for longer than a second, and not in the way now:"]),
    ...others.map((blocker) => `  ${describeBlocker(blocker)}`),
    `${isEstimated ? "~ is the server's estimate. " : ""}Writes were counted for ${sampleMs / 1000} s.`,
  ];
}

function shortName(table: string): string {
  return table.replace(/^public\./, "");
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

function sizeText(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`;
}
