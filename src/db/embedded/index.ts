import { pause } from "../base/backoff.ts";
import { exists } from "../base/files.ts";
import { throwAfter } from "../base/problem.ts";
import { deleteDataFolder, readPassword } from "./data-folder.ts";
import { ensureRunning } from "./ensure-running.ts";
import { isKept, markKept, unmarkKept } from "./kept.ts";
import { type RunningServer, readServerState } from "./pid-file.ts";
import { type Deadline, deadlineIn } from "./poll.ts";
import { HOST } from "./port.ts";
import { inLayout, type Layout } from "./server-folder.ts";
import { refuseForeignData } from "./server-user.ts";
import { type JoinOutcome, joinServer, type Share } from "./share.ts";
import { readLog, startTimeout } from "./start-server.ts";
import { stopServer } from "./stop.ts";

export { EmbeddedServerError } from "./embedded-error.ts";

export interface EmbeddedOptions {
  /** Folder of all the server's files, e.g. <project>/.tidemark. Created if it is missing. */
  readonly dir: string;
  /** Name of the database that `url` points to; created if it is missing. Default "tidemark". */
  readonly database?: string;
  /**
   * Settings of postgresql.conf for the server that this call starts, e.g. `{ fsync: "off" }`.
   * A server that is already running keeps its own.
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Says in the progress that the data is deleted afterwards. */
  readonly isTemporary?: boolean;
  /** Default 30,000; includes making the data folder. */
  readonly startTimeoutMs?: number;
  /** Takes a line of progress for people: "starting PostgreSQL 18.4". */
  readonly onProgress?: (line: string) => void;
}

export interface EmbeddedAddress {
  /** `postgres://…` of the superuser. */
  readonly url: string;
  readonly port: number;
}

export interface EmbeddedServer extends EmbeddedAddress {
  /** As the server has it: "18.4". */
  readonly version: string;
  readonly dataDir: string;
  /** Whether this call started it; false when it joined a running one. */
  readonly started: boolean;
  /** Stops the server if nobody else uses it. Close your own connections first. Idempotent. */
  release(): Promise<void>;
}

/**
 * Starts the server of `dir`, or joins the running one. Any number of processes share it; the last
 * to release it stops it. A killed process no longer counts, and the next one joins the server that
 * it may leave behind. Throws EmbeddedServerError.
 */
export function acquireEmbeddedServer(options: EmbeddedOptions): Promise<EmbeddedServer> {
  return inLayout(options.dir, async (layout) => {
    const { started, share, url, port, version } = await acquire(layout, options);
    let released: Promise<void> | undefined;
    const release = () => {
      released ??= inLayout(options.dir, () => leave(layout, share));
      return released;
    };
    return { url, port, version, dataDir: layout.dataDir, started, release };
  });
}

/** Starts the server, or joins it, and leaves it running until `stopEmbeddedServer`. */
export function keepEmbeddedServer(
  options: EmbeddedOptions,
): Promise<EmbeddedAddress & { readonly version: string; readonly started: boolean }> {
  return inLayout(options.dir, async (layout) => {
    const { server, started, share, url, port, version } = await acquire(layout, options);
    try {
      // Under the shared lock: nobody can stop it now.
      await markKept(layout, server);
    } catch (error) {
      await throwAfter(error, () => leave(layout, share));
    }
    await leave(layout, share);
    return { url, port, version, started };
  });
}

/** Stops the server of `dir`, even if it is in use. */
export function stopEmbeddedServer(
  options: Pick<EmbeddedOptions, "dir">,
): Promise<"stopped" | "not-running"> {
  return inLayout(options.dir, async (layout) => {
    await refuseForeignData(layout);
    await unmarkKept(layout);
    return stopServer(layout);
  });
}

/** The address of the server of `dir` if it is running; starts nothing. */
export function findEmbeddedServer(
  options: Pick<EmbeddedOptions, "dir" | "database">,
): Promise<EmbeddedAddress | undefined> {
  return inLayout(options.dir, async (layout) => {
    await refuseForeignData(layout);
    const state = await readServerState(layout.dataDir);
    if (state.kind !== "ready") return undefined;
    const url = urlOf(state, await readPassword(layout), options.database);
    return { url, port: state.port };
  });
}

/** Stops the server of `dir` and deletes its data. */
export function destroyEmbeddedServer(options: Pick<EmbeddedOptions, "dir">): Promise<void> {
  return inLayout(options.dir, async (layout) => {
    if (await exists(layout.dir)) {
      await stopEmbeddedServer(options);
      await deleteDataFolder(layout);
    }
  });
}

/** Name of the database of a server that is asked for none. */
export const DEFAULT_DATABASE = "tidemark";
const DEFAULT_START_TIMEOUT_MS = 30_000;
const RETRY_MS = 10;

async function acquire(layout: Layout, options: EmbeddedOptions) {
  const { database = DEFAULT_DATABASE, settings = {}, isTemporary = false } = options;
  const { onProgress = () => undefined } = options;
  const deadline = deadlineIn(options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS);
  const running = { layout, deadline, settings, isTemporary, onProgress };
  // Between finding a server and joining it, its last user may stop it: then start again.
  for (;;) {
    const { server, started } = await ensureRunning(running);
    const outcome = await join(layout, server, started, deadline);
    if (outcome.kind === "joined") {
      return { server, started, ...(await enter(layout, server, outcome.share, database)) };
    }
    if (deadline.remainingMs() === 0) {
      throw startTimeout(deadline, await readLog(layout, 0), outcome.cause);
    }
    await pause(RETRY_MS);
  }
}

async function join(
  layout: Layout,
  server: RunningServer,
  started: boolean,
  deadline: Deadline,
): Promise<JoinOutcome> {
  try {
    return await joinServer({
      url: urlOf(server, await readPassword(layout), "postgres"),
      connectTimeoutMs: deadline.remainingMs(),
    });
  } catch (error) {
    return throwAfter(error, async () => started && stopServer(layout));
  }
}

async function enter(layout: Layout, server: RunningServer, share: Share, database: string) {
  try {
    const version = await share.prepareDatabase(database);
    const url = urlOf(server, await readPassword(layout), database);
    return { share, version, url, port: server.port };
  } catch (error) {
    return throwAfter(error, () => leave(layout, share));
  }
}

function leave(layout: Layout, share: Share): Promise<void> {
  return share.leave(async () => {
    if (!(await isKept(layout))) await stopServer(layout);
  });
}

function urlOf(server: RunningServer, password: string, database = DEFAULT_DATABASE): string {
  return `postgres://postgres:${password}@${HOST}:${server.port}/${encodeURIComponent(database)}${ownSettings()}`;
}

/** It speaks no TLS, and the shell's PG variables are meant for other servers. */
function ownSettings(env: NodeJS.ProcessEnv = process.env): string {
  const isMisled = MISLEADING.some((name) => env[name]);
  return isMisled ? "?sslmode=disable&options=&target_session_attrs=any&service=" : "";
}

const MISLEADING =
  `PGSERVICE PGSSLMODE PGSSL PGOPTIONS PGTARGETSESSIONATTRS PGTZ PGDATESTYLE PGGEQO`.split(" ");
