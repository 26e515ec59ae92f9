import { type ChildProcess, spawn } from "node:child_process";
import { open, rename, stat } from "node:fs/promises";
import { ifThere } from "../base/files.ts";
import type { Binaries } from "./binaries.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import { lastLines, notExecuted } from "./initdb.ts";
import { launchIn } from "./launch.ts";
import { type RunningServer, readServerState } from "./pid-file.ts";
import { type Deadline, pollUntil } from "./poll.ts";
import { HOST } from "./port.ts";
import { giveToFolderOwner, type Layout } from "./server-folder.ts";
import type { ServerUser } from "./server-user.ts";

export interface ServerOptions {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly deadline: Deadline;
}

export type StartOutcome =
  | { readonly kind: "ready"; readonly server: RunningServer }
  /** It ended by itself: another server has the folder or the port, or there is an error. */
  | ({ readonly kind: "ended" } & FailedStart);

export interface FailedStart {
  readonly pid: number | undefined;
  /** "ended with 1" */
  readonly how: string;
  readonly log: string;
  readonly cause?: unknown;
}

/**
 * Starts the server and waits until it accepts connections. It gets a process session of its own,
 * so that Ctrl-C and a closed terminal reach the commands and never PostgreSQL.
 */
export async function startServer(options: ServerOptions, port: number): Promise<StartOutcome> {
  const { layout, deadline } = options;
  const log = await openLog(layout);
  const logStart = (await log.stat()).size;
  const child = spawnServer(options, port, log.fd);
  const ended = observeEnd(child);
  try {
    const outcome = await pollUntil(deadline, async () => {
      const end = ended();
      if (end !== undefined) {
        const log = await readLog(layout, logStart);
        return { kind: "ended" as const, pid: child.pid, log, ...end };
      }
      const state = await readServerState(layout.dataDir);
      return state.kind === "ready" && state.pid === child.pid
        ? { kind: "ready" as const, server: state }
        : undefined;
    });
    if (outcome === undefined) {
      // No server may stay that no command knows of.
      child.kill("SIGQUIT");
      throw startTimeout(deadline, await readLog(layout, logStart));
    }
    return outcome;
  } finally {
    child.unref();
    await log.close();
  }
}

/** The error of a start that took too long; `log` shows where it hung. */
export function startTimeout(
  deadline: Deadline,
  log: string,
  cause?: unknown,
): EmbeddedServerError {
  return new EmbeddedServerError("start_timeout", {
    fact: `PostgreSQL was not ready after ${deadline.timeoutMs} ms. Its log ends with:`,
    output: log,
    cause,
  });
}

function spawnServer(options: ServerOptions, port: number, logFd: number): ChildProcess {
  const launch = launchIn(options.layout.dataDir, options.user);
  return spawn(
    options.binaries.postgres,
    [
      "-D",
      launch.dataDir,
      ...settingArguments({ ...DEFAULTS, ...options.settings, ...fixed(port) }),
    ],
    { ...launch.options, detached: true, stdio: ["ignore", logFd, logFd] },
  );
}

const DEFAULTS: Readonly<Record<string, string>> = {
  // Many replicas and their pools on one laptop.
  max_connections: "200",
  log_line_prefix: "%m [%p] %q%a ",
  cluster_name: "tidemark",
};

// Sharing and safety depend on these: they cannot be overridden.
const fixed = (port: number): Readonly<Record<string, string>> => ({
  port: String(port),
  listen_addresses: HOST,
  unix_socket_directories: "",
  logging_collector: "off",
});

function settingArguments(settings: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function observeEnd(child: ChildProcess): () => { how: string; cause?: unknown } | undefined {
  let end: { how: string; cause?: unknown } | undefined;
  child.once("error", (error) => {
    end = { how: notExecuted(error), cause: error };
  });
  child.once("exit", (code, signal) => {
    end = { how: `ended with ${signal ?? code}` };
  });
  return () => end;
}

const LOG_LIMIT_BYTES = 10_000_000;

async function openLog(layout: Layout) {
  const { logFile } = layout;
  const old = await ifThere(stat(logFile));
  // Another starter may have shelved it.
  if (old && old.size > LOG_LIMIT_BYTES) await ifThere(rename(logFile, `${logFile}.1`));
  const log = await open(logFile, "a", 0o600);
  await giveToFolderOwner(layout, logFile);
  return log;
}

/** The end of the server's log, starting at a byte. */
export async function readLog(layout: Layout, from: number): Promise<string> {
  const log = await open(layout.logFile, "r");
  try {
    const { size } = await log.stat();
    const begin = Math.max(from, size - LOG_TAIL_BYTES);
    const { buffer, bytesRead } = await log.read(
      Buffer.alloc(Math.max(0, size - begin)),
      0,
      null,
      begin,
    );
    return lastLines(buffer.subarray(0, bytesRead).toString());
  } finally {
    await log.close();
  }
}

const LOG_TAIL_BYTES = 8_000;
