import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { errorCode } from "../base/problem.ts";
import { locateBinaries } from "./binaries.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import { readServerState, type ServerState } from "./pid-file.ts";
import { deadlineIn, pollUntil } from "./poll.ts";
import type { Layout } from "./server-folder.ts";

const run = promisify(execFile);

// "Fast" ends the connections and writes a checkpoint; "immediate" ends at once and recovers next time.
const FAST = { signal: "SIGINT", timeoutMs: 10_000 } as const;
const IMMEDIATE = { signal: "SIGQUIT", timeoutMs: 5_000 } as const;

/** Stops the folder's server, even if it is in use, and waits until it is gone. */
export async function stopServer(layout: Layout): Promise<"stopped" | "not-running"> {
  const pid = pidOf(await readServerState(layout.dataDir));
  if (pid === undefined) return "not-running";
  for (const way of [FAST, IMMEDIATE]) {
    await signal(pid, way.signal);
    const isGone = async () => pidOf(await readServerState(layout.dataDir)) !== pid || undefined;
    if (await pollUntil(deadlineIn(way.timeoutMs), isGone)) return "stopped";
  }
  throw new EmbeddedServerError("stop_failed", {
    fact: `The server of ${layout.dataDir} (process ${pid}) did not stop.`,
    remedy: `See ${layout.logFile}, and end the process by hand.`,
  });
}

function pidOf(state: ServerState): number | undefined {
  return "pid" in state ? state.pid : undefined;
}

async function signal(pid: number, name: "SIGINT" | "SIGQUIT"): Promise<void> {
  if (process.platform === "win32") {
    // Windows has no signals, and Node.js would end the process without a shutdown.
    const pgCtl = join(dirname((await locateBinaries()).postgres), "pg_ctl.exe");
    await run(pgCtl, ["kill", name.slice("SIG".length), String(pid)]);
    return;
  }
  try {
    process.kill(pid, name);
  } catch (cause) {
    if (errorCode(cause) !== "ESRCH") {
      throw new EmbeddedServerError("stop_failed", {
        fact: `The server (process ${pid}) cannot be stopped (${errorCode(cause)}).`,
        remedy: "Stop it as the user who started it, or as root.",
        cause,
      });
    }
  }
}
