import { Hono } from "hono";
import { html } from "hono/html";
import { secureHeaders } from "hono/secure-headers";
import { errorJson, MigrateError, statusJson } from "../db/migrate/index.ts";
import { type ApiOptions, createApi, statusOf } from "./api/index.ts";
import { isPrivateHost } from "./hosts.ts";
import { layOut, STYLE_HASH } from "./layout.ts";
import { migrationsPage } from "./page.ts";
import type { Reader } from "./reader.ts";
import { detailedState, publicState, readinessOf, toneOf } from "./readiness.ts";
import { addUserPages } from "./user-pages.ts";

/** `state`: what anybody may know. `details`: also errors with their SQL, rows, users, hosts. */
export type Shown = "state" | "details";

/**
 * The application's HTTP side: whether it is alive, whether it is ready, and why not; the
 * aggregates where the details are, and for the public only with a token.
 */
export function createRoutes(reader: Reader, shown: Shown, api: ApiOptions): Hono {
  const app = new Hono();
  app.use(SECURE_HEADERS);
  app.use(async (context, next) => {
    await next();
    context.header("cache-control", "no-store");
  });
  // Hono's own handler would print the error, and with Drizzle's the values of the query.
  app.onError((error, context) => {
    const { method, path } = context.req;
    const status = statusOf(error);
    if (status === 500) api.onDefect(error, { method, path });
    return context.text(`${FAILED[status] ?? "Not understood."}\n`, status);
  });
  // Only says that it is alive: a probe must not kill a process in the middle of a migration.
  app.get("/healthz", (context) => context.json({ status: "alive" }));
  // Routes of your own belong here.
  if (shown === "details") {
    addDetails(app, reader);
    // users:start
    addUserPages(app, api);
    // users:end
    app.route("/", createApi({ ...api, token: undefined }));
  } else {
    addState(app, reader);
    if (api.token !== undefined) app.route("/", createApi(api));
  }
  return app;
}

const FAILED: Readonly<Record<number, string>> = {
  500: "Unexpected error: it was logged.",
  503: "The database is not available: try again in a moment.",
};

const NONE = ["'none'"];

// A route with its own policy keeps it. Whether a domain is always HTTPS is for the proxy
// that terminates TLS to say.
const SECURE_HEADERS = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: NONE,
    styleSrc: [`'${STYLE_HASH}'`],
    imgSrc: ["data:"],
    baseUri: NONE,
    formAction: NONE,
    frameAncestors: NONE,
  },
  xFrameOptions: "DENY",
  strictTransportSecurity: false,
  overwrite: false,
});

function addState(app: Hono, reader: Reader): void {
  app.get("/readyz", async (context) => {
    const readiness = await readinessOf(reader);
    return context.json(publicState(readiness), readiness.kind === "ready" ? 200 : 503);
  });
  app.get("/", async (context) => {
    const readiness = await readinessOf(reader);
    const { status, version, tag } = publicState(readiness);
    const at =
      readiness.kind === "ready" ? ` at ${version ?? "an empty history"}` : tag && `: ${tag}`;
    const page = layOut({
      headline: { text: `${status}${at ?? ""}`, tone: toneOf(readiness) },
      refreshes: !["ready", "failed", "pending"].includes(readiness.kind),
      main: "",
      footer: html`As JSON: <a href="/readyz">/readyz</a>, <a href="/healthz">/healthz</a>. The details are
        on the management port.`,
    });
    return context.html(page);
  });
}

function addDetails(app: Hono, reader: Reader): void {
  app.use(async (context, next) => {
    if (isPrivateHost(context.req.header("host"))) return next();
    return context.text(
      "The details are shown only under localhost, an IP address or a name of a private network. " +
        "A proxy in front must set the Host header to one of these.\n",
      403,
    );
  });
  app.get("/readyz", async (context) => {
    const readiness = await readinessOf(reader);
    const body = await detailedState(readiness, reader);
    return context.json(body, readiness.kind === "ready" ? 200 : 503);
  });
  app.get("/migrations", async (context) => {
    const status = await reader.status();
    if (status instanceof MigrateError) return context.json(errorJson(status), 503);
    return context.json(statusJson(status));
  });
  app.get("/", async (context) => {
    // First: a page that no longer refreshes must not show something older.
    const readiness = await readinessOf(reader);
    const [status, events, projections] = await Promise.all([
      reader.status(),
      reader.events(),
      reader.projections(),
    ]);
    return context.html(migrationsPage({ readiness, status, events, projections }));
  });
}
