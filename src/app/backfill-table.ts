import { html } from "hono/html";
import { type BackfillStatus, duration } from "../db/migrate/index.ts";
import type { Markup, Tone } from "./layout.ts";

const COLUMNS = ["backfill", "table", "state", "rows", "per second", "left", "put aside"];

/** The backfills that are not done, and why they wait or have failed; nothing where there are none. */
export function backfillTable(backfills: readonly BackfillStatus[]): Markup | "" {
  if (backfills.length === 0) return "";
  return html`<h2>Backfills</h2>
    <div class="scroll">
      <table>
        <thead><tr>${COLUMNS.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${backfills.map(backfillRow)}</tbody>
      </table>
    </div>`;
}

function backfillRow(backfill: BackfillStatus): Markup {
  const { tag, table, rowsPerSecond, leftMs, quarantined, reason, error } = backfill;
  const why = error?.text ?? (reason === null ? undefined : `waits: ${reason}`);
  return html`<tr>
      <td>${tag}</td><td>${table}</td><td class="${toneOf(backfill)}">${stateOf(backfill)}</td><td>${rowsOf(backfill)}</td>
      <td>${rowsPerSecond?.toLocaleString("en-US") ?? ""}</td><td>${leftMs === null ? "" : duration(leftMs)}</td><td>${quarantined}</td>
    </tr>${why === undefined ? "" : html`<tr><td class="text" colspan="${COLUMNS.length}"><pre>${why}</pre></td></tr>`}`;
}

/** RUNNING with nobody behind it is what a killed worker leaves. */
function stateOf({ state, isRunning, wanted }: BackfillStatus): string {
  if (state === "RUNNING" && !isRunning) return "STOPPED";
  return wanted === null ? state : `${state} (to ${wanted})`;
}

function toneOf({ state }: BackfillStatus): Tone {
  return state === "FAILED" || state === "CANCELED" ? "bad" : "busy";
}

function rowsOf({ rowsDone, rowsExpected }: BackfillStatus): string {
  const done = rowsDone.toLocaleString("en-US");
  if (rowsExpected === null || rowsExpected < rowsDone || rowsExpected === 0) return done;
  const percent = Math.floor((rowsDone / rowsExpected) * 100);
  return `${done} of about ${rowsExpected.toLocaleString("en-US")} (${percent} %)`;
}
