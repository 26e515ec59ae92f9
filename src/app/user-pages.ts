import type { Context, Hono } from "hono";
import { html } from "hono/html";
import type { EventView, UserView } from "../users/index.ts";
import type { Services } from "./api/index.ts";
import { layOut, type Markup } from "./layout.ts";

interface Sources {
  readonly services: () => Services | undefined;
  /** For pages that name none (`?instance=`). */
  readonly instance: string;
}

const USERS_A_PAGE = 50;
const EVENTS_A_PAGE = 100;

/** Pages on users, for a person with a browser; a program that asks for `/users` gets JSON. */
export function addUserPages(app: Hono, { services, instance: usual }: Sources): void {
  const show = async (
    context: Context,
    what: (services: Services, instanceId: string) => Promise<Response>,
  ) => {
    const found = services();
    const headline = { text: "not ready", tone: "busy" } as const;
    const footer = html`<a href="/">Migrations</a>`;
    if (found === undefined) {
      return context.html(layOut({ headline, refreshes: true, main: "", footer }), 503);
    }
    return what(found, context.req.query("instance") ?? usual);
  };

  app.get("/users", async (context, next) => {
    if (!/\btext\/html\b/.test(context.req.header("accept") ?? "")) return next();
    return show(context, async ({ reads }, instanceId) => {
      const after = context.req.query("after");
      const page = await reads.users.list({ instanceId, after, limit: USERS_A_PAGE });
      return context.html(usersPage(instanceId, page.items, page.next));
    });
  });

  app.get("/users/:id/events", (context) =>
    show(context, async ({ reads }, instanceId) => {
      const id = context.req.param("id");
      const asked = Number(context.req.query("after") ?? 0);
      const after = Number.isSafeInteger(asked) && asked > 0 ? asked : 0;
      const limit = EVENTS_A_PAGE;
      const events = await reads.users.events({ instanceId, id }, { after, limit });
      const isThere = events.length > 0 || after > 0;
      return context.html(eventsPage(instanceId, id, events), isThere ? 200 : 404);
    }),
  );
}

function usersPage(instance: string, users: readonly UserView[], next: string | null): Markup {
  const rows = users.map(
    (user) => html`<tr>
      <td><a href="${link(`/users/${encodeURIComponent(user.id)}/events`, { instance })}">${user.id}</a></td>
      <td>${user.username}</td>
      <td>${user.human?.displayName ?? user.machine?.name}</td>
      <td>${user.type}</td>
      <td>${user.state}</td>
      <td>${user.org}</td>
      <td>${user.version}</td>
      <td>${timeText(user.changedAt)}</td>
    </tr>`,
  );
  const columns = [
    "id",
    "user name",
    "name",
    "type",
    "state",
    "organisation",
    "version",
    "changed",
  ];
  return layOut({
    headline: { text: `users of ${instance}`, tone: "good" },
    refreshes: false,
    main: html`<main>
      <h2>Users</h2>
      ${rows.length === 0 ? html`<p>No users.</p>` : table(columns, rows)}
      ${next === null ? "" : html`<p><a href="${link("/users", { instance, after: next })}">Next page</a></p>`}
    </main>`,
    footer: html`<a href="/">Migrations</a>; for programs: <a href="/openapi.json">/openapi.json</a>`,
  });
}

function eventsPage(instance: string, id: string, events: readonly EventView[]): Markup {
  const rows = events.map(
    (event) => html`<tr>
      <td>${event.sequence}</td>
      <td>${event.position}</td>
      <td>${timeText(event.createdAt.toISOString())}</td>
      <td>${event.type}</td>
      <td>${event.creator}</td>
      <td class="text">${payloadText(event.payload)}</td>
    </tr>`,
  );
  const last = events.length === EVENTS_A_PAGE ? events.at(-1)?.sequence : undefined;
  const path = `/users/${encodeURIComponent(id)}/events`;
  const columns = ["sequence", "position", "when", "event", "by", "payload"];
  return layOut({
    headline: { text: `user ${id} of ${instance}`, tone: "good" },
    refreshes: false,
    main: html`<main>
      <h2>Events</h2>
      ${rows.length === 0 ? html`<p>No events.</p>` : table(columns, rows)}
      ${last === undefined ? "" : html`<p><a href="${link(path, { instance, after: String(last) })}">Next page</a></p>`}
    </main>`,
    footer: html`<a href="${link("/users", { instance })}">Users</a>, <a href="/">Migrations</a>. Passwords
      and secrets are kept as hashes, which are not shown.`,
  });
}

/** With spaces, at which a browser can break the line. */
function payloadText(payload: EventView["payload"]): string {
  const fields = Object.entries(payload).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}`,
  );
  return fields.join(", ");
}

/** `2026-11-27 10:28:47Z`. */
function timeText(iso: string): string {
  return `${iso.slice(0, 19).replace("T", " ")}Z`;
}

function table(columns: readonly string[], rows: readonly Markup[]): Markup {
  return html`<div class="scroll">
    <table>
      <thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${rows}</tbody>
    </table>
  </div>`;
}

function link(path: string, query: Readonly<Record<string, string>>): string {
  return `${path}?${new URLSearchParams(query)}`;
}
