import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { findEmbeddedServer, stopEmbeddedServer } from "../../src/db/embedded/index.ts";
import { acquire, comeAndGo, failure, useData } from "../helpers/embedded-data.ts";
import {
  deadPid,
  eventually,
  isListening,
  postmasterPid,
  queryOne,
  withFolder,
} from "../helpers/embedded-folder.ts";

const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
const withData = useData();

describe("recovery", () => {
  const pidFile = (dir: string) => join(dir, "data", "postmaster.pid");

  async function writePidFile(dir: string, pid: number): Promise<void> {
    await writeFile(
      pidFile(dir),
      `${pid}\n${dir}/data\n1700000000\n5432\n\n127.0.0.1\n  1  2\nready   \n`,
    );
  }

  test("from the pid file of a process that is gone", () =>
    withData(async (dir) => {
      await writePidFile(dir, await deadPid());
      expect(await findEmbeddedServer({ dir })).toBeUndefined();
      const server = await acquire(dir);
      expect(server.started).toBe(true);
      await server.release();
    }));

  test("from a pid file whose number another program has now, and spares that program", () =>
    withData(async (dir) => {
      const stranger = spawn("sleep", ["60"]);
      try {
        await writePidFile(dir, stranger.pid ?? 0);
        expect(await stopEmbeddedServer({ dir })).toBe("not-running");
        const server = await acquire(dir);
        expect(server.started).toBe(true);
        await server.release();
        expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
      } finally {
        stranger.kill();
      }
    }));

  test("from a pid file whose process ended but was never waited for", () =>
    withData(async (dir) => {
      // The shell becomes a sleep that knows nothing of the child it inherits.
      const parent = spawn("sh", ["-c", "sh -c 'exit' & echo $!; exec sleep 60"]);
      try {
        const [line] = await once(parent.stdout, "data");
        await writePidFile(dir, Number(line));
        await comeAndGo(dir);
      } finally {
        parent.kill();
      }
    }));

  test("from a pid file that was never written to its end", () =>
    withData(async (dir) => {
      await writeFile(pidFile(dir), "");
      await utimes(pidFile(dir), 1_700_000_000, 1_700_000_000);
      await comeAndGo(dir);
    }));

  test("from a killed server, without an error in the process that used it", () =>
    withData(async (dir) => {
      const before = await acquire(dir);
      await queryOne(before.url, "create table kept ()");
      process.kill(await postmasterPid(dir), "SIGKILL");
      const after = await acquire(dir);
      expect(after.started).toBe(true);
      expect(await queryOne(after.url, "select to_regclass('kept')::text as kept")).toEqual({
        kept: "kept",
      });
      await before.release();
      await after.release();
      expect(await isListening(after.port)).toBe(false);
    }));

  test.skipIf(process.platform === "win32")("from a killed server whose children live on", () =>
    withData(async (dir) => {
      const before = await acquire(dir);
      const sql = postgres(before.url, { max: 1, fetch_types: false, onclose: () => undefined });
      const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      // Stopped, it cannot notice that its server is gone, and keeps the shared memory.
      process.kill(backend?.pid ?? 0, "SIGSTOP");
      process.kill(await postmasterPid(dir), "SIGKILL");
      const starting = acquire(dir);
      await eventually("starts are refused again and again", async () => {
        const log = await readFile(join(dir, "server.log"), "utf8");
        return log.split("is still in use").length > 6;
      });
      process.kill(backend?.pid ?? 0, "SIGCONT");
      const after = await starting;
      expect(after.started).toBe(true);
      await after.release();
      await before.release();
      await sql.end({ timeout: 0 });
    }),
  );
});

describe("what cannot start says why", () => {
  test("a data folder of another major version", () =>
    withData(async (dir) => {
      await writeFile(join(dir, "data", "PG_VERSION"), "17\n");
      const error = await failure(acquire(dir));
      expect(error.code).toBe("data_version");
      expect(error.message).toContain("was written by PostgreSQL 17; the embedded one is 18");
      expect(error.message).toContain("npm run db:reset");
    }));

  test("a data folder that is not whole", () =>
    withFolder(async (dir) => {
      await mkdir(join(dir, "data"), { recursive: true });
      if (isRoot) {
        await chown(join(dir, "data"), NOBODY, NOBODY);
      }
      const error = await failure(acquire(dir));
      expect(error.code).toBe("data_broken");
      expect(error.message).toContain("PG_VERSION cannot be read (ENOENT)");
      expect(error.message).toContain("npm run db:reset");
    }));

  test("a corrupted data folder, by the end of the server's log", () =>
    withData(async (dir) => {
      await writeFile(join(dir, "data", "global", "pg_control"), "nonsense");
      const error = await failure(acquire(dir, { startTimeoutMs: 5_000 }));
      expect(error.code).toBe("start_failed");
      expect(error.message).toMatch(/server\.log\) ends with:\n {2}\| .*PANIC: .*pg_control/);
      expect(error.message).toContain("npm run db:reset");
    }));

  test("a setting that the server refuses", () =>
    withData(async (dir) => {
      const error = await failure(
        acquire(dir, { settings: { shared_preload_libraries: "no_such_library" } }),
      );
      expect(error.code).toBe("start_failed");
      expect(error.message).toContain('could not access file "no_such_library"');
    }));

  test("a start that takes too long, and leaves nothing behind", () =>
    withFolder(async (dir) => {
      const error = await failure(acquire(dir, { startTimeoutMs: 50 }));
      expect(error.code).toBe("start_timeout");
      expect(error.message).toContain("within 50 ms");
      expect((await readdir(dir)).filter((name) => name.startsWith("data"))).toEqual([]);
    }));

  test("a folder that cannot be made", () =>
    withData(async (dir) => {
      const inFile = join(dir, "server.log", ".tidemark");
      const error = await failure(acquire(inFile));
      expect(error.code).toBe("folder_unusable");
      expect(error.message).toContain(`${inFile} cannot be used: ENOTDIR`);
    }));

  test("a password that is not the server's", () =>
    withData(async (dir) => {
      await writeFile(join(dir, "data", "tidemark.password"), "another");
      const error = await failure(acquire(dir));
      expect(error.code).toBe("connect_failed");
      expect(error.message).toContain("password authentication failed");
      expect(error.message).toContain("npm run db:reset");
      expect(await findEmbeddedServer({ dir })).toBeUndefined();
    }));
});
