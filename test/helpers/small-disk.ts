import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  destroyEmbeddedServer,
  keepEmbeddedServer,
  stopEmbeddedServer,
} from "../../src/db/embedded/index.ts";

const run = promisify(execFile);

/** What of a server lies on the small disk; the other part is on the machine's own. */
export type OnSmallDisk = "data" | "wal";

export interface SmallServer {
  readonly url: string;
  /** Leaves no more than that on the disk. */
  readonly fill: (leftKb: number) => Promise<void>;
  /** Takes back what `fill` took. */
  readonly free: () => Promise<void>;
  readonly resize: (megabytes: number) => Promise<void>;
  /** Starts it where it does not run. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const SETTINGS = { max_wal_size: "32MB", min_wal_size: "32MB", autovacuum: "off" };

/** An embedded server with a part of it on a tmpfs of its own, for which it takes root. */
export async function startOnSmallDisk(part: OnSmallDisk, megabytes: number): Promise<SmallServer> {
  const root = await mkdtemp(join(tmpdir(), "tidemark-disk-"));
  const disk = await mkdtemp(join(tmpdir(), "tidemark-small-"));
  // The server's user goes through them.
  await chmod(root, 0o755);
  await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", disk]);
  const [data, wal] = part === "data" ? [disk, root] : [root, disk];
  const options = { dir: join(data, "server"), database: "postgres", settings: SETTINGS };
  const start = async () => (await keepEmbeddedServer(options)).url;
  const stop = async () => {
    await destroyEmbeddedServer({ dir: options.dir });
    await run("umount", [disk]);
    await rm(disk, { recursive: true });
    await rm(root, { recursive: true, force: true });
  };
  try {
    await start();
    await stopEmbeddedServer(options);
    const from = join(options.dir, "data/pg_wal");
    await run("cp", ["--archive", from, join(wal, "pg_wal")]);
    await rm(from, { recursive: true });
    await symlink(join(wal, "pg_wal"), from);
    const ballast = join(disk, "ballast");
    return {
      url: await start(),
      fill: async (leftKb) => {
        const { stdout } = await run("df", ["--output=avail", "--block-size=1K", disk]);
        const bytes = Math.max(0, Number(stdout.split("\n")[1]) - leftKb) * 1024;
        await writeFile(ballast, Buffer.alloc(bytes));
      },
      free: () => rm(ballast),
      resize: async (size) => {
        await run("mount", ["-o", `remount,size=${size}m`, disk]);
      },
      start: async () => {
        await start();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
