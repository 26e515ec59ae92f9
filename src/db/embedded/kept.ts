import { rm } from "node:fs/promises";
import { readIfThere } from "../base/files.ts";
import { type RunningServer, readServerState } from "./pid-file.ts";
import { type Layout, writeLayoutFile } from "./server-folder.ts";

/**
 * Marks the running server as one that its last user leaves running. The mark names this process:
 * after a crash or a restart of the machine it no longer counts.
 */
export async function markKept(layout: Layout, server: RunningServer): Promise<void> {
  await writeLayoutFile(layout, layout.keepFile, nameOf(server));
}

export async function unmarkKept(layout: Layout): Promise<void> {
  await rm(layout.keepFile, { force: true });
}

/** Whether the running server is marked so. */
export async function isKept(layout: Layout): Promise<boolean> {
  const state = await readServerState(layout.dataDir);
  if (state.kind !== "ready") return false;
  return (await readIfThere(layout.keepFile)) === nameOf(state);
}

function nameOf({ pid, startedAt }: RunningServer): string {
  return `${pid} ${startedAt}\n`;
}
