import stringWidth from "string-width";
import {
  type MigrationStatus,
  type RepeatableStatus,
  repeatableCells,
  STATUS_COLUMNS,
  statusCells,
} from "../../db/migrate/index.ts";
import type { Colors } from "./colors.ts";

const GAP = "  ";
const SHORTEST_TAG = 12;
const STATE_COLUMN = STATUS_COLUMNS.indexOf("state");

/**
 * The status table.
 *
 * @param most characters per line; if it does not fit, columns are dropped from the right, and
 * then tags are shortened. Default: no bound
 */
export function statusTable(
  migrations: readonly MigrationStatus[],
  colors: Colors,
  most = Number.POSITIVE_INFINITY,
  repeatables: readonly RepeatableStatus[] = [],
): string {
  const { rows, widths } = fitted(
    [STATUS_COLUMNS, ...migrations.map(statusCells), ...repeatables.map(repeatableCells)],
    most,
  );
  const lineOf = (cells: readonly string[], paint: (cell: string, column: number) => string) =>
    cells
      .map((cell, i) => paint(cell, i) + " ".repeat((widths[i] ?? 0) - stringWidth(cell)))
      .join(GAP)
      .trimEnd();
  const [head = [], ...body] = rows;
  return [
    lineOf(head, (cell) => colors.dim(cell)),
    ...[...migrations, ...repeatables].map((one, i) =>
      lineOf(body[i] ?? [], (cell, column) =>
        column === STATE_COLUMN ? paintState(one, cell, colors) : cell,
      ),
    ),
  ].join("\n");
}

/** Rows of cells as lines, each column as wide as its widest cell; made to fit as the status table is. */
export function columnsOf(all: Rows, most = Number.POSITIVE_INFINITY): readonly string[] {
  const { rows, widths } = fitted(all, most);
  return rows.map((cells) =>
    cells
      .map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - stringWidth(cell)))
      .join(GAP)
      .trimEnd(),
  );
}

/** Undefined in a pipe, where nothing is cut off. */
export function terminalWidth(): number | undefined {
  const { isTTY, columns } = process.stdout;
  return isTTY && columns > 0 ? columns : undefined;
}

type Rows = readonly (readonly string[])[];

/** The state is the last column to go, and is never shortened. */
function fitted(
  rows: Rows,
  most: number,
): { readonly rows: Rows; readonly widths: readonly number[] } {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map((row) => stringWidth(row[i] ?? ""))),
  );
  const tooMuch = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - most;
  if (tooMuch <= 0) return { rows, widths };
  if (widths.length > STATE_COLUMN + 1)
    return fitted(
      rows.map((row) => row.slice(0, -1)),
      most,
    );
  const [tags = 0] = widths;
  const room = Math.max(tags - tooMuch, SHORTEST_TAG);
  if (room >= tags) return { rows, widths };
  return fitted(
    rows.map(([tag = "", ...rest]) => [shortened(tag, room), ...rest]),
    Number.POSITIVE_INFINITY,
  );
}

/** Keeps the number at the start, and most of the end, which tells it from others. */
function shortened(text: string, room: number): string {
  if (stringWidth(text) <= room) return text;
  const start = Math.ceil((room - 1) / 2);
  const characters = [...text];
  return `${characters.slice(0, start).join("")}…${characters.slice(start + 1 - room).join("")}`;
}

function paintState(
  { state, flags }: MigrationStatus | RepeatableStatus,
  text: string,
  colors: Colors,
): string {
  const kind = typeof state === "string" ? state : state.kind;
  // A repeatable that has changed, or that always runs, is nothing unusual.
  const odd = flags.filter(
    (flag) => flag !== "ALWAYS" && flag !== "HELD_BACK" && typeof state !== "string",
  );
  const isLeft = flags.some((flag) => flag === "OLDER" || flag === "MISSING");
  if (kind === "FAILED" || kind === "STUCK" || odd.length > 0 || isLeft) return colors.red(text);
  if (kind === "DONE") return colors.green(text);
  return kind === "STARTED" ? colors.cyan(text) : colors.yellow(text);
}
