import { pause } from "../base/backoff.ts";
import { exists } from "../base/files.ts";
import { type Binaries, locateBinaries } from "./binaries.ts";
import { checkDataFolder, createDataFolder, removeLeftOvers } from "./data-folder.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import { discardPidFile, type RunningServer, readServerState } from "./pid-file.ts";
import { freePort, rememberedPort, rememberPort } from "./port.ts";
import { makeReachable } from "./reachable.ts";
import { createLayout } from "./server-folder.ts";
import { chooseServerUser, type ServerUser } from "./server-user.ts";
import {
  type FailedStart,
  readLog,
  type ServerOptions,
  startServer,
  startTimeout,
} from "./start-server.ts";

export interface RunOptions extends Omit<ServerOptions, "binaries" | "user"> {
  readonly isTemporary: boolean;
  readonly onProgress: (line: string) => void;
}

const WAIT_MS = 10;
const LAST_TRY = 2;

/** The folder's server: the running one, else a new one. */
export async function ensureRunning(
  options: RunOptions,
): Promise<{ readonly server: RunningServer; readonly started: boolean }> {
  const { layout, deadline } = options;
  await createLayout(layout);
  const attempts: Attempts = { failed: 0, crashed: false, tooEarlySince: undefined };
  while (deadline.remainingMs() > 0) {
    const user = await chooseServerUser(layout);
    const state = await readServerState(layout.dataDir);
    switch (state.kind) {
      case "ready":
        return { server: state, started: false };
      case "starting":
      case "stopping":
        await pause(WAIT_MS);
        break;
      case "foreign":
        await discardPidFile(layout.dataDir, state.text);
        attempts.crashed = true;
        break;
      case "dead":
      case "absent": {
        const server = await tryStart(options, user, state.kind === "dead", attempts);
        if (server !== undefined) return { server, started: true };
      }
    }
  }
  throw startTimeout(deadline, await readLog(layout, 0));
}

interface Attempts {
  failed: number;
  /** We removed the pid file of a killed server. */
  crashed: boolean;
  /** When the first start failed that may only have come too early. */
  tooEarlySince: number | undefined;
}

/** One start; undefined if the state has changed and must be read again. */
async function tryStart(
  options: RunOptions,
  user: ServerUser | undefined,
  afterCrash: boolean,
  attempts: Attempts,
): Promise<RunningServer | undefined> {
  const { layout, deadline, isTemporary, onProgress } = options;
  const binaries = await makeReachable(await locateBinaries(), user);
  await removeLeftOvers(layout);
  if (!(await exists(layout.dataDir))) {
    onProgress(
      isTemporary
        ? `starting a temporary PostgreSQL ${binaries.version}`
        : `starting PostgreSQL ${binaries.version} (first start: creating the data folder)`,
    );
    await createDataFolder(layout, binaries, user, deadline);
    return undefined;
  }
  await checkDataFolder(layout, binaries.major);
  if (afterCrash && attempts.tooEarlySince === undefined) {
    onProgress(`starting PostgreSQL ${binaries.version} (the last one was killed: recovering)`);
  }
  // The last try takes another port: somebody may hold ours without listening on it.
  const wanted = attempts.failed < LAST_TRY ? await rememberedPort(layout) : undefined;
  const port = wanted ?? (await freePort());
  const outcome = await startServer({ ...options, binaries, user }, port);
  if (outcome.kind === "ready") {
    await rememberPort(layout, outcome.server.port);
    return outcome.server;
  }
  await judgeFailure(options, binaries, outcome, attempts);
  return undefined;
}

// The children of a killed server end with their statements; until then they hold its memory.
const CHILDREN_TIMEOUT_MS = 10_000;
const CHILDREN_WAIT_MS = 50;

/** Throws if another start would not help. */
async function judgeFailure(
  { layout }: RunOptions,
  binaries: Binaries,
  failed: FailedStart,
  attempts: Attempts,
): Promise<void> {
  const after = await readServerState(layout.dataDir);
  if (after.kind !== "absent" && after.kind !== "dead") {
    return; // Another starter was faster.
  }
  // A server that fails in its first steps leaves a pid file of its own: that does not count.
  const isStillOld = after.kind === "dead" && after.formerPid !== failed.pid;
  if (isStillOld || attempts.crashed) {
    attempts.tooEarlySince ??= performance.now();
    if (performance.now() - attempts.tooEarlySince < CHILDREN_TIMEOUT_MS) {
      await pause(CHILDREN_WAIT_MS);
      return;
    }
  }
  // Try again: another starter may have been in the way and have gone.
  attempts.failed++;
  if (attempts.failed > LAST_TRY) {
    throw new EmbeddedServerError("start_failed", {
      fact: `PostgreSQL ${binaries.version} did not start: ${binaries.postgres} ${failed.how}. Its log (${layout.logFile}) ends with:`,
      output: failed.log,
      remedy: "If you do not need the content of its data folder, start over: npm run db:reset",
      cause: failed.cause,
    });
  }
}
