import stringWidth from "string-width";
import { type MigrationStatus, STATUS_COLUMNS, statusCells } from "../../db/migrate/index.ts";
import type { Colors } from "./colors.ts";

const GAP = "  ";
const STATE_COLUMN = STATUS_COLUMNS.indexOf("state");

/** The status table: the same columns on a terminal, with colour, and in a pipe, without. */
export function statusTable(migrations: readonly MigrationStatus[], colors: Colors): string {
  const rows = migrations.map(statusCells);
  const widths = STATUS_COLUMNS.map((name, i) =>
    Math.max(...[name, ...rows.map((row) => row[i] ?? "")].map((cell) => stringWidth(cell))),
  );
  const lineOf = (cells: readonly string[], paint: (cell: string, column: number) => string) =>
    cells
      .map((cell, i) => paint(cell, i) + " ".repeat((widths[i] ?? 0) - stringWidth(cell)))
      .join(GAP)
      .trimEnd();
  return [
    lineOf(STATUS_COLUMNS, (cell) => colors.dim(cell)),
    ...migrations.map((migration, i) =>
      lineOf(rows[i] ?? [], (cell, column) =>
        column === STATE_COLUMN ? paintState(migration, cell, colors) : cell,
      ),
    ),
  ].join("\n");
}

function paintState({ state, flags }: MigrationStatus, text: string, colors: Colors): string {
  if (state.kind === "FAILED" || state.kind === "STUCK" || flags.length > 0) {
    return colors.red(text);
  }
  if (state.kind === "DONE") return colors.green(text);
  return state.kind === "STARTED" ? colors.cyan(text) : colors.yellow(text);
}
