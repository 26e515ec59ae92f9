import { html, raw } from "hono/html";
import {
  duration,
  eventCells,
  type LedgerEvent,
  MigrateError,
  type MigrationStatus,
  STATUS_COLUMNS,
  type StatusReport,
  statusCells,
} from "../db/migrate/index.ts";
import type { BootState } from "./boot.ts";

interface PageData {
  readonly boot: BootState;
  readonly status: StatusReport | MigrateError;
  readonly events: readonly LedgerEvent[];
}

const STYLE = `
:root { color-scheme: light dark; --page: #fff; --text: #1f2328; --quiet: #59636e; --line: #d1d9e0;
  --good: #1a7f37; --bad: #cf222e; --busy: #9a6700; --link: #0969da; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --quiet: #9198a1;
  --line: #3d444d; --good: #3fb950; --bad: #f85149; --busy: #d29922; --link: #4493f8; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--page); color: var(--text); }
header { border-bottom: 1px solid var(--line); padding-bottom: 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; } a { color: var(--link); }
.state { margin: .25rem 0 0; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .busy { color: var(--busy); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; }
th { font-size: .875rem; font-weight: 600; color: var(--quiet); }
td.text { white-space: normal; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid currentColor; border-radius: .4rem; }
footer { margin-top: 2rem; font-size: .875rem; color: var(--quiet); }`;

// Without one the browser asks for /favicon.ico, which is not there.
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath d='M0 3q2-2 4 0t4 0v5H0z' fill='%230969da'/%3E%3C/svg%3E";

/** The migrations and the latest events, for a person with a browser. */
export function migrationsPage({ boot, status, events }: PageData) {
  const { text, tone } = headline(boot);
  const settled = ["ready", "failed", "pending"].includes(boot.kind);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${settled ? "" : html`<meta http-equiv="refresh" content="2" />`}
        <title>Tidemark: ${text}</title>
        <link rel="icon" href="${ICON}" />
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <header>
          <h1>Tidemark</h1>
          <p class="state ${tone}" role="status">${text}</p>
        </header>
        <main>
          ${boot.kind === "failed" ? errorBlock(boot.error) : ""}
          <h2>Migrations</h2>
          ${status instanceof MigrateError ? errorBlock(status) : migrations(status)}
          <h2>Latest events</h2>
          ${eventTable(events)}
        </main>
        <footer>
          As JSON: <a href="/migrations">/migrations</a>, <a href="/readyz">/readyz</a>,
          <a href="/healthz">/healthz</a>
        </footer>
      </body>
    </html>`;
}

function headline(boot: BootState): { readonly text: string; readonly tone: string } {
  switch (boot.kind) {
    case "ready": {
      const ahead = boot.newer ? ", ahead of this release" : "";
      return { text: `ready at ${boot.version ?? "an empty history"}${ahead}`, tone: "good" };
    }
    case "failed":
      return { text: `failed: ${boot.error.code}`, tone: "bad" };
    case "pending":
      return { text: `not started: ${boot.tags.length} migrations are pending`, tone: "bad" };
    case "migrating": {
      const { tag, number, total, since } = boot;
      const took = duration(Date.now() - since.getTime());
      return { text: `migrating: ${tag} (${number} of ${total}, ${took})`, tone: "busy" };
    }
    case "connecting":
    case "waiting":
      return { text: `waiting ${boot.what}`, tone: "busy" };
    case "starting":
      return { text: `starting: ${boot.what}`, tone: "busy" };
    case "stopping":
      return { text: "stopping", tone: "busy" };
  }
}

function errorBlock(error: MigrateError) {
  return html`<pre class="bad">${error.fact}
${error.remedy}</pre>`;
}

function migrations({ migrations: list, problems, pending }: StatusReport) {
  if (list.length === 0) return html`<p>There are no migrations.</p>`;
  const summary = pending === 0 ? "Nothing is pending." : `${pending} pending.`;
  return html`<p>${summary}</p>
    ${problems.map(errorBlock)}
    <div class="scroll">
      <table>
        <thead><tr>${STATUS_COLUMNS.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${list.map(migrationRow)}</tbody>
      </table>
    </div>`;
}

function migrationRow(migration: MigrationStatus) {
  const { state, flags } = migration;
  const cells = statusCells(migration).map((cell, column) =>
    STATUS_COLUMNS[column] === "state"
      ? html`<td class="${toneOf(state.kind, flags.length > 0)}">${cell}</td>`
      : html`<td>${cell}</td>`,
  );
  const details =
    state.kind === "FAILED"
      ? html`<tr><td class="text" colspan="${STATUS_COLUMNS.length}"><pre>${state.error.text}</pre></td></tr>`
      : "";
  return html`<tr>${cells}</tr>${details}`;
}

function toneOf(kind: MigrationStatus["state"]["kind"], flagged: boolean): string {
  if (flagged || kind === "FAILED" || kind === "STUCK") return "bad";
  return kind === "DONE" ? "good" : "busy";
}

function eventTable(events: readonly LedgerEvent[]) {
  if (events.length === 0) return html`<p>There are none.</p>`;
  const rows = events.map((event) => {
    const [when, what, tag, ...rest] = eventCells(event);
    const details = rest.filter((cell) => cell !== "").join(", ");
    return html`<tr><td>${when}</td><td>${what}</td><td>${tag}</td><td class="text">${details}</td></tr>`;
  });
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>${["when", "what", "migration", "details"].map((name) => html`<th scope="col">${name}</th>`)}</tr>
      </thead>
      <tbody>${rows}</tbody>
    </table>
  </div>`;
}
