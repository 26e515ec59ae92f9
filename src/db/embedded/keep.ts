import { readFile, rm } from "node:fs/promises";
import { errorCode } from "./errors.ts";
import { type Layout, writeLayoutFile } from "./layout.ts";
import { type RunningServer, readServerState } from "./pid-file.ts";

/**
 * Marks the server that runs as one that the last user leaves running. The mark names this very
 * server: after a crash or a restart of the machine it means nothing any more.
 */
export async function markKept(layout: Layout, server: RunningServer): Promise<void> {
  await writeLayoutFile(layout, layout.keepFile, nameOf(server));
}

export async function unmarkKept(layout: Layout): Promise<void> {
  await rm(layout.keepFile, { force: true });
}

/** Whether the server that runs is to be left running. */
export async function isKept(layout: Layout): Promise<boolean> {
  const state = await readServerState(layout.dataDir);
  if (state.kind !== "ready") {
    return false;
  }
  try {
    return (await readFile(layout.keepFile, "utf8")) === nameOf(state);
  } catch (error) {
    if (errorCode(error) === "ENOENT") {
      return false;
    }
    throw error;
  }
}

function nameOf({ pid, startedAt }: RunningServer): string {
  return `${pid} ${startedAt}\n`;
}
