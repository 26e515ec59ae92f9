import { html } from "hono/html";
import { plural } from "../db/base/text.ts";
import {
  duration,
  eventCells,
  type LedgerEvent,
  MigrateError,
  type MigrationStatus,
  type RepeatableStatus,
  repeatableCells,
  STATUS_COLUMNS,
  type StatusReport,
  statusCells,
} from "../db/migrate/index.ts";
import { lagText, type ProjectionStatus } from "../projections/index.ts";
import { backfillTable } from "./backfill-table.ts";
import { layOut, type Markup, type Tone } from "./layout.ts";
import { BEHIND, type Readiness } from "./readiness.ts";

interface PageData {
  /** As it was before the rest was read: the probe's. */
  readonly readiness: Readiness;
  readonly status: StatusReport | MigrateError;
  readonly events: readonly LedgerEvent[];
  /** Undefined where it cannot be read. */
  readonly projections: readonly ProjectionStatus[] | undefined;
}

/** The migrations and the latest events, for a person with a browser. */
export function migrationsPage({ readiness, status, events, projections }: PageData): Markup {
  return layOut({
    headline: headline(readiness),
    refreshes: !["ready", "failed", "pending"].includes(readiness.kind),
    main: html`<main>
      ${readiness.kind === "failed" ? errorBlock(readiness.error) : ""}
      ${readiness.kind === "behind" ? html`<p class="bad">${BEHIND}</p>` : ""}
      <h2>Migrations</h2>
      ${status instanceof MigrateError ? errorBlock(status) : migrations(status)}
      ${status instanceof MigrateError ? "" : backfillTable(status.backfills)}
      <h2>Latest events</h2>
      ${eventTable(events)}
      ${projections?.length ? projectionTable(projections) : ""}
    </main>`,
    footer: html`${projections === undefined ? "" : LINKS}As JSON:
      <a href="/migrations">/migrations</a>, <a href="/readyz">/readyz</a>, <a href="/healthz">/healthz</a>`,
  });
}

const LINKS: readonly Markup[] = [
  // users:start
  html`<a href="/users">Users</a>. `,
  // users:end
];

function headline(readiness: Readiness): { readonly text: string; readonly tone: Tone } {
  switch (readiness.kind) {
    case "ready": {
      const ahead = readiness.newer ? ", ahead of this release" : "";
      return { text: `ready at ${readiness.version ?? "an empty history"}${ahead}`, tone: "good" };
    }
    case "failed":
      return { text: `failed: ${readiness.error.code}`, tone: "bad" };
    case "pending":
      return { text: `not started: ${readiness.tags.length} migrations are pending`, tone: "bad" };
    case "migrating": {
      const { tag, number, total, since } = readiness;
      const took = duration(Date.now() - since.getTime());
      return { text: `migrating: ${tag} (${number} of ${total}, ${took})`, tone: "busy" };
    }
    case "connecting":
    case "waiting":
      return { text: `waiting ${readiness.what}`, tone: "busy" };
    case "starting":
      return { text: `starting: ${readiness.what}`, tone: "busy" };
    case "unavailable":
      return { text: `database unavailable: ${readiness.reason}`, tone: "bad" };
    case "behind": {
      const count = plural(readiness.tags.length, "migration");
      return { text: `database behind this release: ${count} pending`, tone: "bad" };
    }
    case "unusable":
      return { text: `database differs from this release: ${readiness.error.code}`, tone: "bad" };
    case "stopping":
      return { text: "stopping", tone: "busy" };
  }
}

function errorBlock(error: MigrateError) {
  return html`<pre class="bad">${error.message}</pre>`;
}

function migrations(report: StatusReport) {
  const { migrations: list, repeatables, problems, pending, pendingRepeatables } = report;
  if (list.length + repeatables.length === 0) return html`<p>No migrations.</p>`;
  const summary =
    pending + pendingRepeatables === 0
      ? "Nothing pending."
      : `${pending} pending${pendingRepeatables === 0 ? "" : `, and ${plural(pendingRepeatables, "repeatable")} to run`}.`;
  return html`<p>${summary}</p>
    ${problems.map(errorBlock)}
    <div class="scroll">
      <table>
        <thead><tr>${STATUS_COLUMNS.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${list.map(migrationRow)}${repeatables.map(repeatableRow)}</tbody>
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

function repeatableRow(repeatable: RepeatableStatus) {
  const { state, flags, error } = repeatable;
  const isOdd = flags.some((flag) => flag === "OLDER" || flag === "MISSING");
  const cells = repeatableCells(repeatable).map((cell, column) =>
    STATUS_COLUMNS[column] === "state"
      ? html`<td class="${toneOf(state, isOdd)}">${cell}</td>`
      : html`<td>${cell}</td>`,
  );
  const details =
    error === null
      ? ""
      : html`<tr><td class="text" colspan="${STATUS_COLUMNS.length}"><pre>${error.text}</pre></td></tr>`;
  return html`<tr>${cells}</tr>${details}`;
}

function toneOf(kind: MigrationStatus["state"]["kind"], flagged: boolean): Tone {
  if (flagged || kind === "FAILED" || kind === "STUCK") return "bad";
  return kind === "DONE" ? "good" : "busy";
}

function eventTable(events: readonly LedgerEvent[]) {
  if (events.length === 0) return html`<p>No events.</p>`;
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

function projectionTable(projections: readonly ProjectionStatus[]) {
  const rows = projections.map(({ name, state, quarantined, worst }) => {
    const tone =
      state === "halted" || quarantined > 0 ? "bad" : state === "behind" ? "busy" : "good";
    const lag =
      worst === undefined ? "" : `${lagText(worst)} (${duration(worst.lagSeconds * 1_000)})`;
    return html`<tr><td>${name}</td><td class="${tone}">${state}</td><td>${lag}</td><td>${quarantined}</td></tr>`;
  });
  const columns = ["projection", "state", "events behind", "quarantined"];
  return html`<h2>Projections</h2>
    <div class="scroll">
      <table>
        <thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${rows}</tbody>
      </table>
    </div>`;
}
