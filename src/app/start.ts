import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { BackfillWorker } from "../backfills/index.ts";
import { urlWarnings } from "../db/connection/driver-options.ts";
import {
  DatabaseMigrator,
  describeHolder,
  EXIT_PENDING,
  type Progress,
} from "../db/migrate/index.ts";
import { DatabasePool } from "../db/pool/index.ts";
import { backfillLog, startBackfills, stopBackfills } from "./backfill-work.ts";
import { type BootState, bringUpToDate } from "./boot.ts";
import type { AppConfig } from "./config.ts";
import { openListeners } from "./listeners.ts";
import type { Log } from "./log.ts";
import { createReader } from "./reader.ts";
import { MIGRATE_FIRST } from "./readiness.ts";
import { startWork, type Work } from "./work.ts";

/** Where the application's database is, and how to release it. */
export interface DatabaseAddress {
  readonly url: string;
  readonly migrationUrl: string;
  readonly release: () => Promise<void>;
}

export interface AppOptions {
  readonly config: AppConfig;
  readonly log: Log;
  /** Tells the application to stop. */
  readonly signal: AbortSignal;
  /** Finds the database; starts an embedded one if none is configured. */
  readonly openDatabase: () => Promise<DatabaseAddress>;
}

// HTTP requests are answered with or without a database.
const READER_CONNECT_MS = 1_000;
// For connections that are idle: their good-bye takes a moment.
const LEAST_GOODBYE_MS = 250;

/**
 * Runs the application: listens, migrates the database, serves until told to
 * stop, and cleans up. HTTP starts first, so that a probe sees a live process.
 *
 * @returns the exit code, apart from that of a signal
 * @throws MigrateError if it cannot listen
 */
export async function runApp(options: AppOptions): Promise<number> {
  const { config, log, signal } = options;
  let boot: BootState = { kind: "starting", what: "looking for the database" };
  let forReading: DatabaseMigrator | undefined;
  let pool: DatabasePool | undefined;
  let work: Work | undefined;
  let worker: BackfillWorker | undefined;
  const reader = createReader({
    boot: () => (signal.aborted ? { kind: "stopping" } : boot),
    migrator: () => forReading,
    pool: () => pool,
    projections: () => work?.status,
  });
  const listeners = await openListeners(config, reader, log, {
    services: () => work?.services,
    instance: config.instance,
    token: config.apiToken,
    onDefect: (error, request) => log.error({ ...request, ...withoutValues(error) }, "defect"),
  });
  let database: DatabaseAddress | undefined;
  try {
    database = await options.openDatabase();
    const { url, migrationUrl } = database;
    const asOwner = migratorOptions(config, migrationUrl);
    const settings = config.ownerMigrates ? { ...asOwner, url } : asOwner;
    forReading = new DatabaseMigrator({ ...settings, connectTimeoutMs: READER_CONNECT_MS });
    for (const { message } of urlWarnings(migrationUrl)) log.warn(message);
    pool = new DatabasePool({ url });
    // Before the migrations: some may have to wait for it.
    worker = await startBackfills(asOwner, log);
    const tell = progressLog(log);
    const end = await bringUpToDate({
      ...(config.ownerMigrates && { owner: new DatabaseMigrator(asOwner) }),
      migrator: new DatabaseMigrator(settings),
      mode: config.migrateOnBoot,
      allowExisting: config.migrateAllowExisting,
      timeoutMs: config.migrateTimeoutMs,
      signal,
      onState: (state) => {
        // Not at each poll of another runner, which happens several times a second.
        if (state.kind !== boot.kind) reader.forget();
        boot = state;
      },
      onProgress: (progress) => {
        tell(progress);
        if (progress.kind === "migration-done") worker?.wake();
      },
    });
    if (end.kind === "failed" || end.kind === "pending") {
      if (!signal.aborted) await showFailure(options, end);
      return end.kind === "failed" ? end.error.exitCode : EXIT_PENDING;
    }
    if (end.kind === "ready") {
      log.info({ version: end.version, newer: end.newer }, "ready");
      if (!signal.aborted) work = startWork({ pool, log, checkReads: config.checkReads });
    }
    if (!signal.aborted) await once(signal, "abort");
    return 0;
  } finally {
    log.info("stopping");
    const stoppingAt = performance.now();
    // Requests may still wait for the projections, which may wait for nothing.
    await Promise.all([
      listeners.close(config.shutdownMs),
      work?.stop(config.shutdownMs),
      worker && stopBackfills(worker, config.shutdownMs, log),
    ]);
    // One bound for all of it: whoever stops the process does not wait for its parts one by one.
    const leftMs = config.shutdownMs - (performance.now() - stoppingAt);
    await pool?.close({ timeoutMs: Math.max(leftMs, LEAST_GOODBYE_MS) });
    await database?.release();
    log.info("stopped");
  }
}

export function migratorOptions(config: AppConfig, url: string) {
  const { connectTimeoutMs, migrateTimeoutMs, migrateDeadlineMs, appVersion } = config;
  const { migrateRecordRowValues: recordRowValues } = config;
  return {
    url,
    dir: "drizzle",
    connectTimeoutMs,
    waitTimeoutMs: migrateTimeoutMs,
    recordRowValues,
    ...(migrateDeadlineMs !== undefined && { deadlineMs: migrateDeadlineMs }),
    ...(appVersion !== undefined && { appVersion }),
  };
}

/** Gives probes and people time to read it. */
async function showFailure(
  { config, log, signal }: AppOptions,
  end: Extract<BootState, { kind: "failed" | "pending" }>,
): Promise<void> {
  if (end.kind === "failed") {
    const { code, tag, exitCode, message } = end.error;
    log.error({ code, tag, exitCode }, message);
  } else {
    const tags = end.tags.join(", ");
    log.error(
      { exitCode: EXIT_PENDING },
      `${end.tags.length} migrations are pending: ${tags}. ${MIGRATE_FIRST}`,
    );
  }
  await sleep(config.failureLingerMs, undefined, { signal }).catch(() => undefined);
}

function progressLog(log: Log): (progress: Progress) => void {
  const tellBackfill = backfillLog(log);
  return (progress) => {
    if (progress.kind === "backfill") tellBackfill(progress);
    else logProgress(log, progress);
  };
}

function logProgress(log: Log, progress: Progress): void {
  switch (progress.kind) {
    case "ledger-created":
      log.info({ schema: progress.schema }, "created the ledger");
      return;
    case "planned":
      log.info({ pending: progress.tags.length }, "migrations pending");
      return;
    case "migration-started":
      log.info(
        { tag: progress.tag, number: progress.index + 1, total: progress.total },
        "migrating",
      );
      return;
    case "migration-done":
      log.info({ tag: progress.tag, durationMs: progress.durationMs }, "migrated");
      return;
    case "waiting":
      log.info({ holder: describeHolder(progress.holder) }, "waiting for another runner");
      return;
    case "behind":
      log.info({ pending: progress.pending }, "waiting for another process to migrate");
      return;
    case "warning":
      log.warn({ kind: progress.warning.kind }, progress.warning.message);
      return;
    default: {
      const { kind, ...details } = progress;
      log.info(details, kind);
    }
  }
}

/** What a log may keep of an error: drizzle's message holds the values of its query, the cause's does not. */
function withoutValues(error: unknown): { readonly error: string; readonly stack?: string } {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  if (!(root instanceof Error)) return { error: typeof root };
  const { name, message, stack } = root;
  return { error: `${name}: ${message}`, ...(stack !== undefined && { stack }) };
}
