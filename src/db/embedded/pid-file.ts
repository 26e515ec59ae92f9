import { link, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ifThere, readIfThere } from "../base/files.ts";
import { identifyProcess } from "./os-process.ts";

export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  /** Differs between two servers that had the same pid. */
  readonly startedAt: string;
}

/** The state of the data folder's server, as postmaster.pid and the process table show it. */
export type ServerState =
  | { readonly kind: "absent" }
  /** Without a pid while PostgreSQL is still writing the file. */
  | { readonly kind: "starting"; readonly pid: number | undefined }
  | ({ readonly kind: "ready" } & RunningServer)
  | { readonly kind: "stopping"; readonly pid: number }
  /** Its process is gone: PostgreSQL replaces such a file itself. */
  | { readonly kind: "dead"; readonly formerPid: number }
  /** Its number belongs to something else now: PostgreSQL would refuse to start for ever. */
  | { readonly kind: "foreign"; readonly text: string };

/** Reads which server has the data folder. */
export async function readServerState(dataDir: string): Promise<ServerState> {
  const file = pidFile(dataDir);
  const text = await readIfThere(file);
  if (text === undefined) return { kind: "absent" };
  const parsed = parsePidFile(text);
  if (parsed === undefined) return readUnfinished(file, text);
  switch (await identifyProcess(parsed.pid, dataDir)) {
    case "nobody":
      return { kind: "dead", formerPid: parsed.pid };
    case "someone-else":
      return { kind: "foreign", text };
    case "server":
      return stateOf(parsed);
  }
}

interface PidFile extends RunningServer {
  readonly status: string;
}

/** postmaster.pid: pid, folder, start, port, socket folder, address, shared memory, status; one per line. */
export function parsePidFile(text: string): PidFile | undefined {
  const [pid, , startedAt, port, , , , status] = text.split("\n").map((line) => line.trim());
  if (!/^\d+$/.test(pid ?? "")) return undefined;
  return {
    pid: Number(pid),
    port: Number(port ?? ""),
    startedAt: startedAt ?? "",
    status: status ?? "",
  };
}

function stateOf({ status, ...server }: PidFile): ServerState {
  switch (status) {
    case "ready":
      return { kind: "ready", ...server };
    case "stopping":
      return { kind: "stopping", pid: server.pid };
    default:
      return { kind: "starting", pid: server.pid };
  }
}

// PostgreSQL creates the file and then writes it: in between it is empty for microseconds.
const UNFINISHED_MS = 2_000;

async function readUnfinished(file: string, text: string): Promise<ServerState> {
  const found = await ifThere(stat(file));
  if (found === undefined) return { kind: "absent" };
  return Date.now() - found.mtimeMs < UNFINISHED_MS
    ? { kind: "starting", pid: undefined }
    : { kind: "foreign", text };
}

/**
 * Removes a pid file whose process is not the server, unless the file was replaced meanwhile.
 * PostgreSQL then no longer has its note of the shared memory, but is still protected: the memory's
 * key comes from the data folder, and a server whose predecessor's children live refuses to start.
 */
export async function discardPidFile(dataDir: string, text: string): Promise<void> {
  const file = pidFile(dataDir);
  const aside = `${file}.${process.pid}`;
  const isMoved = await ifThere(rename(file, aside).then(() => true));
  if (isMoved === undefined) return;
  // Another starter may have replaced the file since it was read: then it goes back.
  if ((await readFile(aside, "utf8")) !== text) await link(aside, file);
  await rm(aside);
}

function pidFile(dataDir: string): string {
  return join(dataDir, "postmaster.pid");
}
