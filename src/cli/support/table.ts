import Table from "cli-table3";
import { type MigrationStatus, STATUS_COLUMNS, statusCells } from "../../db/migrate/index.ts";
import type { Colors } from "./colors.ts";

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

/** The status table: the same columns on a terminal, with colour, and in a pipe, without. */
export function statusTable(migrations: readonly MigrationStatus[], colors: Colors): string {
  const table = new Table({
    head: STATUS_COLUMNS.map((name) => colors.dim(name)),
    chars: NO_BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  for (const migration of migrations) {
    const [tag = "", state = "", ...rest] = statusCells(migration);
    table.push([tag, paint(migration, state, colors), ...rest]);
  }
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function paint({ state, flags }: MigrationStatus, text: string, colors: Colors): string {
  if (state.kind === "FAILED" || state.kind === "STUCK" || flags.length > 0)
    return colors.red(text);
  if (state.kind === "DONE") return colors.green(text);
  return state.kind === "STARTED" ? colors.cyan(text) : colors.yellow(text);
}
