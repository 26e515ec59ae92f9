import { setTimeout as sleep } from "node:timers/promises";
import { exists } from "../base/files.ts";
import { throwAfter } from "../base/problem.ts";
import { deleteDataFolder, readPassword } from "./data-folder.ts";
import { type Deadline, deadlineIn } from "./deadline.ts";
import { isKept, markKept, unmarkKept } from "./keep.ts";
import { inLayout, type Layout } from "./layout.ts";
import { type RunningServer, readServerState } from "./pid-file.ts";
import { HOST } from "./port.ts";
import { ensureRunning } from "./run.ts";
import { readLog, startTimeout } from "./server.ts";
import { refuseForeignData } from "./server-user.ts";
import { type JoinOutcome, joinServer, type Share } from "./share.ts";
import { stopServer } from "./stop.ts";

export { EmbeddedServerError } from "./errors.ts";

export interface EmbeddedOptions {
  /** Folder of everything the server owns, e.g. <project>/.tidemark. Created when absent. */
  readonly dir: string;
  /** Name of the database that `url` points to; created when absent. Default "tidemark". */
  readonly database?: string;
  /**
   * Settings of postgresql.conf for the server that this call starts, e.g. `{ fsync: "off" }`.
   * A server that runs already keeps its own.
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default 30 s; making the data folder counts. */
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
  /** As the server says it: "18.4". */
  readonly version: string;
  readonly dataDir: string;
  /** Whether this call started it; false when it joined a running one. */
  readonly started: boolean;
  /** Stops the server when nobody else uses it. Close your own connections before. Idempotent. */
  release(): Promise<void>;
}

/**
 * Starts the server of `dir`, or joins the one that runs. Any number of processes share it; the
 * last one to release it stops it. A process that is killed simply counts no more, and the server
 * it may leave behind is joined by the next. Throws EmbeddedServerError.
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
      // Under the shared lock: nobody can be stopping it now.
      await markKept(layout, server);
    } catch (error) {
      await throwAfter(error, () => leave(layout, share));
    }
    await leave(layout, share);
    return { url, port, version, started };
  });
}

/** Stops the server of `dir`, whoever uses it. */
export function stopEmbeddedServer(
  options: Pick<EmbeddedOptions, "dir">,
): Promise<"stopped" | "not-running"> {
  return inLayout(options.dir, async (layout) => {
    await refuseForeignData(layout);
    await unmarkKept(layout);
    return stopServer(layout);
  });
}

/** The address of the server of `dir` if it runs; starts nothing. */
export function findEmbeddedServer(
  options: Pick<EmbeddedOptions, "dir" | "database">,
): Promise<EmbeddedAddress | undefined> {
  return inLayout(options.dir, async (layout) => {
    await refuseForeignData(layout);
    const state = await readServerState(layout.dataDir);
    if (state.kind !== "ready") {
      return undefined;
    }
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

const DEFAULT_DATABASE = "tidemark";
const DEFAULT_START_TIMEOUT_MS = 30_000;
const RETRY_MS = 10;

interface Acquired extends EmbeddedAddress {
  readonly server: RunningServer;
  readonly started: boolean;
  readonly share: Share;
  readonly version: string;
}

async function acquire(layout: Layout, options: EmbeddedOptions): Promise<Acquired> {
  const { database = DEFAULT_DATABASE, settings = {}, onProgress = () => undefined } = options;
  const deadline = deadlineIn(options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS);
  // Between finding a server and joining it, its last user may stop it: then from the start.
  for (;;) {
    const { server, started } = await ensureRunning({ layout, deadline, settings, onProgress });
    const outcome = await join(layout, server, started, deadline);
    if (outcome.kind === "joined") {
      return { server, started, ...(await enter(layout, server, outcome.share, database)) };
    }
    if (deadline.remainingMs() === 0) {
      throw startTimeout(deadline, await readLog(layout, 0), outcome.cause);
    }
    await sleep(RETRY_MS);
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
    if (!(await isKept(layout))) {
      await stopServer(layout);
    }
  });
}

function urlOf(server: RunningServer, password: string, database = DEFAULT_DATABASE): string {
  return `postgres://postgres:${password}@${HOST}:${server.port}/${encodeURIComponent(database)}`;
}
