import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { errorCode } from "../base/problem.ts";

const run = promisify(execFile);

/** The holder of a pid file's number. */
export type PidHolder = "nobody" | "server" | "someone-else";

/** Whether a process with that number exists; one that ended and was not waited for still does. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** Who has `pid` now: the server of `dataDir`, nobody, or a process that got the number later. */
export async function identifyProcess(pid: number, dataDir: string): Promise<PidHolder> {
  if (!processExists(pid)) return "nobody";
  const isServer =
    process.platform === "linux"
      ? await worksIn(pid, dataDir)
      : /^postgres/i.test(basename(await commandOf(pid)));
  if (isServer) return "server";
  return processExists(pid) ? "someone-else" : "nobody";
}

/** A postmaster works in its data folder: the one sure sign, whatever path it was started with. */
async function worksIn(pid: number, dataDir: string): Promise<boolean> {
  try {
    if (await isZombie(pid)) return false;
    const [cwd, data] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(dataDir)]);
    return cwd.dev === data.dev && cwd.ino === data.ino;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH") return false;
    // Root in a container may not look into other users' processes: then the name must do.
    return (await readFile(`/proc/${pid}/comm`, "utf8")).trim() === "postgres";
  }
}

/** Ended, but nobody waited for it: it stays, in a container whose first process is no init. */
async function isZombie(pid: number): Promise<boolean> {
  // "<pid> (<name>) <state> …", and the name may hold anything.
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return /\) [ZX] [^)]*$/.test(stat);
}

/** The program of a process; empty if it has ended meanwhile. */
async function commandOf(pid: number): Promise<string> {
  const [program, args] =
    process.platform === "win32"
      ? ["tasklist", ["/FI", `PID eq ${pid}`, "/FO", "CSV", "/NH"]]
      : ["ps", ["-o", "comm=", "-p", String(pid)]];
  try {
    const { stdout } = await run(program, args);
    return stdout.trim().replace(/^"([^"]*)".*$/s, "$1");
  } catch (error) {
    // ps exits with 1 if there is no such process; a machine without ps must not lose its server.
    return errorCode(error) === "ENOENT" ? "postgres" : "";
  }
}
