import { randomBytes } from "node:crypto";
import { chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exists, ifThere } from "../base/files.ts";
import { errorCode } from "../base/problem.ts";
import type { Binaries } from "./binaries.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import { runInitdb } from "./initdb.ts";
import { processExists } from "./os-process.ts";
import { type Deadline, pollUntil } from "./poll.ts";
import { type Layout, PASSWORD_FILE } from "./server-folder.ts";
import type { ServerUser } from "./server-user.ts";

const RESET = "If you do not need its content, start over: npm run db:reset";

/** Throws if the data folder exists and this major version cannot serve it. */
export async function checkDataFolder(layout: Layout, major: string): Promise<void> {
  if (!(await exists(layout.dataDir))) return;
  const found = await readDataFile(layout, "PG_VERSION");
  if (found !== major) {
    throw new EmbeddedServerError("data_version", {
      fact: `${layout.dataDir} was written by PostgreSQL ${found}; the embedded one is ${major}.`,
      remedy: `To keep its content, dump it with PostgreSQL ${found}. ${RESET}`,
    });
  }
}

/** The superuser's password. */
export function readPassword(layout: Layout): Promise<string> {
  return readDataFile(layout, PASSWORD_FILE);
}

async function readDataFile(layout: Layout, name: string): Promise<string> {
  try {
    return (await readFile(join(layout.dataDir, name), "utf8")).trim();
  } catch (cause) {
    throw new EmbeddedServerError("data_broken", {
      fact: `${layout.dataDir} is not a complete data folder: ${name} cannot be read (${errorCode(cause)}).`,
      remedy: RESET,
      cause,
    });
  }
}

/**
 * Makes the data folder if it is missing: as `data.<pid>.<random>`, which is then renamed, so that
 * exactly one of several first starters wins and nobody ever sees half a folder.
 */
export async function createDataFolder(
  layout: Layout,
  binaries: Binaries,
  user: ServerUser | undefined,
  deadline: Deadline,
): Promise<void> {
  if (await comesFromAnotherBuilder(layout, deadline, () => true)) return;
  const name = `data.${process.pid}.${randomBytes(4).toString("hex")}`;
  const draft = join(layout.dir, name);
  const passwordFile = `${draft}.password`;
  try {
    await mkdir(draft, { mode: 0o700 });
    // Builders that began at the same instant: the one with the lowest name goes on, the others wait.
    const isLower = (other: string) => other < name;
    if (await comesFromAnotherBuilder(layout, deadline, isLower)) return;
    await writeFile(passwordFile, randomBytes(24).toString("base64url"), { mode: 0o600 });
    if (user !== undefined) await giveToServer([draft, passwordFile], user);
    await runInitdb({ dataDir: draft, passwordFile, binaries, user, deadline });
    await rename(passwordFile, join(draft, PASSWORD_FILE));
    await moveIntoPlace(draft, layout.dataDir);
  } finally {
    await rm(draft, REMOVE);
    await rm(passwordFile, REMOVE);
  }
}

async function giveToServer(paths: readonly string[], user: ServerUser): Promise<void> {
  for (const path of paths) {
    try {
      await chown(path, user.uid, user.gid);
    } catch (cause) {
      // A container's root may own nothing but its own user id.
      throw new EmbeddedServerError("no_server_user", {
        fact: `PostgreSQL refuses to run as root, and ${path} cannot be given to user ${user.uid} (${errorCode(cause)}).`,
        remedy: "Run the command as an ordinary user.",
        cause,
      });
    }
  }
}

async function moveIntoPlace(draft: string, dataDir: string): Promise<void> {
  try {
    await rename(draft, dataDir);
  } catch (error) {
    // Another starter was first. (The code varies: ENOTEMPTY, EEXIST, on Windows EPERM.)
    if (await exists(dataDir)) return;
    throw error;
  }
}

/** Deletes the data folder; its server must have been stopped. */
export async function deleteDataFolder(layout: Layout): Promise<void> {
  await removeLeftOvers(layout);
  if (await exists(layout.dataDir)) {
    // Renamed first: a starter must see the whole folder or none.
    const aside = join(layout.dir, `data.${process.pid}.${randomBytes(4).toString("hex")}`);
    await rename(layout.dataDir, aside);
    await rm(aside, REMOVE);
  }
}

const REMOVE = { recursive: true, force: true, maxRetries: 3 } as const;

const DRAFT = /^data\.(\d+)\.[0-9a-f]+(\.password)?$/;

// initdb takes under a second; a pid that another process has got since must not hold us up for ever.
const BUILDER_TIMEOUT_MS = 10_000;

/** Waits while another process builds; true if the data folder is there now. */
async function comesFromAnotherBuilder(
  layout: Layout,
  deadline: Deadline,
  matters: (name: string) => boolean,
): Promise<boolean> {
  const until = performance.now() + Math.min(BUILDER_TIMEOUT_MS, deadline.remainingMs());
  const answer = await pollUntil(deadline, async () => {
    if (await exists(layout.dataDir)) return "there";
    const others = (await drafts(layout)).filter((draft) => draft.isLive && matters(draft.name));
    return others.length === 0 || performance.now() > until ? "free" : undefined;
  });
  return answer === "there";
}

/** Removes what killed builders left behind. */
export async function removeLeftOvers(layout: Layout): Promise<void> {
  for (const draft of await drafts(layout)) {
    // The killed builder's initdb may still be writing there; the next start tries again.
    if (!draft.isLive) await rm(join(layout.dir, draft.name), REMOVE).catch(() => undefined);
  }
}

async function drafts(layout: Layout): Promise<readonly { name: string; isLive: boolean }[]> {
  const found = [];
  for (const name of await readdir(layout.dir)) {
    const pid = DRAFT.exec(name)?.[1];
    if (pid !== undefined) {
      found.push({ name, isLive: await isLive(join(layout.dir, name), Number(pid)) });
    }
  }
  return found;
}

async function isLive(draft: string, pid: number): Promise<boolean> {
  if (pid !== process.pid) return processExists(pid);
  // Containers reuse the same few pids: it is ours if it is younger than this process.
  const file = await ifThere(stat(draft));
  return file !== undefined && file.mtimeMs >= Date.now() - process.uptime() * 1000;
}
