import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { literal } from "../base/quote.ts";
import { processExists } from "../embedded/os-process.ts";
import { withAdmin } from "../server/admin.ts";

export interface EmbeddedScratch {
  readonly dir: string;
  readonly onProgress?: (line: string) => void;
}

// Nothing here is worth keeping: durability would only cost time.
const SETTINGS = { fsync: "off", full_page_writes: "off", synchronous_commit: "off" };
const HOUR_MS = 3_600_000;

/** Makes a server for this call only, and deletes it. @throws EmbeddedServerError */
export async function withEmbedded<T>(
  { dir, onProgress }: EmbeddedScratch,
  use: (url: string) => Promise<T>,
): Promise<T> {
  // Loaded only when needed: it is most of the code.
  const { acquireEmbeddedServer, destroyEmbeddedServer, EmbeddedServerError } = await import(
    "../embedded/index.ts"
  );
  const all = join(dir, "scratch");
  const destroy = async (folder: string) => {
    await destroyEmbeddedServer({ dir: folder });
    await rm(folder, { recursive: true, force: true });
  };
  await clearLeftBehind(all, destroy);
  const own = join(all, `${process.pid}-${randomBytes(4).toString("hex")}-${hostname()}`);
  await mkdir(all, { recursive: true });
  try {
    const server = await acquireEmbeddedServer({
      dir: own,
      database: "postgres",
      settings: SETTINGS,
      isTemporary: true,
      ...(onProgress && { onProgress }),
    }).catch((error: unknown) => {
      throw error instanceof EmbeddedServerError ? error.instead("scratch") : error;
    });
    try {
      return await use(await createWorker(server.url));
    } finally {
      await server.release();
    }
  } finally {
    await destroy(own);
  }
}

/**
 * Objects belong to the role that makes them: a name that no other role has tells them from those
 * that belong to `postgres` because the SQL says so.
 */
const WORKER = "tidemark_worker";

async function createWorker(url: string): Promise<string> {
  const worker = new URL(url);
  worker.username = WORKER;
  await withAdmin({ url }, (admin) =>
    admin.ask(`create role ${WORKER} superuser login password ${literal(worker.password)}`),
  );
  return worker.href;
}

/** Removes the servers of killed processes. */
async function clearLeftBehind(all: string, destroy: (dir: string) => Promise<void>) {
  const names = await readdir(all).catch(() => []);
  for (const name of names) {
    const folder = join(all, name);
    const pid = Number.parseInt(name, 10);
    const info = await stat(folder).catch(() => undefined);
    if (!info || Number.isNaN(pid) || processExists(pid)) continue;
    // A recent one may be another machine's, in a shared folder.
    if (!name.endsWith(`-${hostname()}`) && Date.now() - info.mtimeMs < HOUR_MS) continue;
    // Another process may be removing it.
    await destroy(folder).catch(() => undefined);
  }
}
