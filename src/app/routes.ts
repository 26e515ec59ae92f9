import { Hono } from "hono";
import {
  type DatabaseMigrator,
  errorJson,
  type LedgerEvent,
  MigrateError,
  migrationJson,
  type StatusReport,
  statusJson,
} from "../db/migrate/index.ts";
import type { BootState } from "./boot.ts";
import { migrationsPage } from "./page.ts";

/** What the routes are told of the process; it changes under them. */
export interface AppState {
  readonly boot: () => BootState;
  /** For reading, quick to give up. Undefined until it is known where the database is. */
  readonly migrator: () => DatabaseMigrator | undefined;
  /** Rejects where the application's own pool cannot be used. */
  readonly ping: () => Promise<void>;
}

/** What to do where the process may not migrate itself. */
export const MIGRATE_FIRST = "Run `tidemark migrate`, then start again (MIGRATE_ON_BOOT=check).";

const LATEST_EVENTS = 30;
const PING_MS = 2_000;

/** The application's HTTP side: whether it lives, whether it is ready, and why not. */
export function createRoutes(state: AppState): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.header("cache-control", "no-store");
  });
  // Alive says only that: a probe must not kill a process in the middle of a migration.
  app.get("/healthz", (context) => context.json({ status: "alive" }));
  app.get("/readyz", async (context) => {
    const { ready, ...body } = await readiness(state);
    return context.json(body, ready ? 200 : 503);
  });
  app.get("/migrations", async (context) => {
    const status = await readStatus(state);
    if (status instanceof MigrateError) return context.json(errorJson(status), 503);
    return context.json(statusJson(status));
  });
  app.get("/", async (context) => {
    const [status, events] = await Promise.all([readStatus(state), readEvents(state)]);
    const page = migrationsPage({ boot: state.boot(), status, events });
    return context.html(page);
  });
  return app;
}

async function readiness(state: AppState) {
  const boot = state.boot();
  switch (boot.kind) {
    case "ready": {
      const { version, newer } = boot;
      const down = await pingProblem(state);
      if (down !== undefined) return { ready: false, status: "database unavailable", reason: down };
      return { ready: true, status: "ready", version: version ?? null, newer };
    }
    case "failed":
      return { ready: false, status: "failed", ...errorJson(boot.error) };
    case "pending":
      return { ready: false, status: "pending", pending: boot.tags, remedy: MIGRATE_FIRST };
    case "migrating": {
      const { tag, number, total, since } = boot;
      return { ready: false, status: "migrating", tag, number, total, since: since.toISOString() };
    }
    case "waiting":
      return {
        ready: false,
        status: "waiting",
        reason: boot.what,
        holder: boot.holder ?? null,
        failed: await failedMigrations(state),
      };
    case "connecting":
      return { ready: false, status: "waiting", reason: boot.what };
    case "starting":
      return { ready: false, status: "starting", reason: boot.what };
    case "stopping":
      return { ready: false, status: "stopping" };
  }
}

/** What another process has failed at while this one waits for it. */
async function failedMigrations(state: AppState) {
  const status = await readStatus(state);
  if (status instanceof MigrateError) return [];
  return status.migrations
    .filter((migration) => migration.state.kind === "FAILED")
    .map(migrationJson)
    .map(({ tag, error }) => ({ tag, error }));
}

async function pingProblem({ ping }: AppState): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PING_MS} ms`)), PING_MS);
  });
  try {
    await Promise.race([ping(), late]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

async function readStatus({ migrator, boot }: AppState): Promise<StatusReport | MigrateError> {
  return orError(migrator(), boot(), (found) => found.status());
}

async function readEvents({ migrator, boot }: AppState): Promise<readonly LedgerEvent[]> {
  const events = await orError(migrator(), boot(), (found) => found.events());
  return events instanceof MigrateError ? [] : events.slice(-LATEST_EVENTS).toReversed();
}

async function orError<T>(
  migrator: DatabaseMigrator | undefined,
  boot: BootState,
  read: (migrator: DatabaseMigrator) => Promise<T>,
): Promise<T | MigrateError> {
  if (migrator === undefined) {
    const fact = boot.kind === "starting" ? `Starting: ${boot.what}.` : "Starting.";
    return new MigrateError({ code: "connect", fact, remedy: "Ask again in a moment." });
  }
  try {
    return await read(migrator);
  } catch (error) {
    if (error instanceof MigrateError) return error;
    throw error;
  }
}
