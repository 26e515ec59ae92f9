import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  destroyEmbeddedServer,
  findEmbeddedServer,
  keepEmbeddedServer,
  stopEmbeddedServer,
} from "../../src/db/embedded/index.ts";
import { acquire, comeAndGo, useData } from "../helpers/embedded-data.ts";
import {
  deadPid,
  eventually,
  isListening,
  occupy,
  postmasterPid,
  queryOne,
  withFolder,
} from "../helpers/embedded-folder.ts";
import { startEmbeddedUser } from "../helpers/embedded-users.ts";

const settings = { fsync: "off" };
const withData = useData();

describe("the first start", () => {
  test("makes a cluster, says so, and gives a database to work with", () =>
    withFolder(async (dir) => {
      const progress: string[] = [];
      const server = await acquire(dir, {
        database: "it's.mine",
        onProgress: (line) => progress.push(line),
      });

      expect(progress).toEqual([
        "starting PostgreSQL 18.4 (first start: creating the data folder)",
      ]);
      expect(server).toMatchObject({ started: true, version: "18.4", dataDir: join(dir, "data") });
      const row = await queryOne(
        server.url,
        `select current_database() as name, pg_encoding_to_char(encoding) as encoding,
           datlocprovider as provider, datlocale as locale, current_user as role
         from pg_database where datname = current_database()`,
      );
      expect(row).toEqual({
        name: "it's.mine",
        encoding: "UTF8",
        provider: "b",
        locale: "C.UTF-8",
        role: "postgres",
      });

      await server.release();
      expect(await isListening(server.port)).toBe(false);
      expect((await readdir(dir)).sort()).toEqual([".gitignore", "data", "port", "server.log"]);
    }));

  test("lets nobody in from elsewhere or without the password", () =>
    withFolder(async (dir) => {
      const server = await acquire(dir);
      const own = await queryOne(
        server.url,
        "select current_setting('listen_addresses') as hosts, current_setting('unix_socket_directories') as sockets",
      );
      expect(own).toEqual({ hosts: "127.0.0.1", sockets: "" });
      for (const { address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
        expect([address, await isListening(server.port, address)]).toEqual([
          address,
          address === "127.0.0.1",
        ]);
      }
      const stranger = new URL(server.url);
      stranger.password = "guess";
      await expect(queryOne(stranger.href, "select 1")).rejects.toMatchObject({ code: "28P01" });
      if (process.platform !== "win32") {
        expect((await stat(join(dir, "data", "tidemark.password"))).mode & 0o777).toBe(0o600);
        expect((await stat(join(dir, "data"))).mode & 0o777).toBe(0o700);
        expect((await stat(join(dir, "server.log"))).mode & 0o777).toBe(0o600);
      }
      await server.release();
    }));

  test("is not misled by PG variables and the locale of the shell", () =>
    withFolder(async (dir) => {
      const env = {
        PGDATA: "/nowhere",
        PGPORT: "1",
        PGHOST: "db.invalid",
        PGUSER: "someone",
        PGOPTIONS: "-c nonsense=1",
        PGSSLMODE: "require",
        PGCLIENTENCODING: "LATIN1",
        LC_ALL: "de_XX.UTF-8",
      };
      const user = await startEmbeddedUser({ dir, settings }, { env });
      expect(await user.tell("acquire")).toMatchObject({ started: true });
      expect(await user.tell("release")).toEqual({});
      await user.kill("SIGTERM");
    }));
});

describe("a later start", () => {
  test("removes what a builder that was killed left, and nothing else", () =>
    withData(async (dir) => {
      const dead = `data.${await deadPid()}.0a1b2c3d`;
      await mkdir(join(dir, dead, "base"), { recursive: true });
      await writeFile(join(dir, `${dead}.password`), "secret");
      await mkdir(join(dir, "data.backup"));
      await comeAndGo(dir);
      const names = (await readdir(dir)).filter((name) => name.startsWith("data"));
      expect(names.sort()).toEqual(["data", "data.backup"]);
    }));

  test("finds the data again, on the same port", () =>
    withData(async (dir) => {
      const first = await acquire(dir);
      await queryOne(first.url, "create table kept as select 42 as answer");
      await first.release();
      const second = await acquire(dir);
      expect(await queryOne(second.url, "select answer from kept")).toEqual({ answer: 42 });
      expect(second.url).toBe(first.url);
      await second.release();
    }));

  test("takes another port when the old one is taken, and stays there", () =>
    withData(async (dir) => {
      const first = await acquire(dir);
      await first.release();
      const squatter = await occupy(first.port);
      const second = await acquire(dir);
      expect(second.port).not.toBe(first.port);
      await second.release();
      squatter.close();
      const third = await acquire(dir);
      expect(third.port).toBe(second.port);
      await third.release();
    }));
});

describe("sharing", () => {
  test("eight first starters at once share one server, and the last one out stops it", () =>
    withFolder(async (dir) => {
      const users = await Promise.all(
        Array.from({ length: 8 }, () => startEmbeddedUser({ dir, settings })),
      );
      const answers = await Promise.all(users.map((user) => user.tell("acquire")));
      expect(answers.filter((answer) => answer.started)).toHaveLength(1);
      expect(new Set(answers.map((answer) => answer.port)).size).toBe(1);
      const port = answers[0]?.port ?? 0;

      const [last, ...others] = users;
      await Promise.all(others.map((user) => user.tell("release")));
      expect(await isListening(port)).toBe(true);
      await last?.tell("release");
      expect(await isListening(port)).toBe(false);
      expect(await readdir(dir)).not.toContainEqual(expect.stringMatching(/^data\./));
      await Promise.all(users.map((user) => user.kill("SIGTERM")));
    }));

  test("users that come and go all find a server, and none is left", () =>
    withData(async (dir) => {
      const users = await Promise.all(
        Array.from({ length: 4 }, () => startEmbeddedUser({ dir, settings })),
      );
      const answers = await Promise.all(users.map((user) => user.tell("churn")));
      expect(answers.flatMap((answer) => answer.error ?? [])).toEqual([]);
      expect(answers.reduce((sum, answer) => sum + (answer.starts ?? 0), 0)).toBeGreaterThan(0);
      expect(await findEmbeddedServer({ dir })).toBeUndefined();
      await Promise.all(users.map((user) => user.kill("SIGTERM")));
    }));

  test("after a SIGKILL the next one joins the server and stops it in the end", () =>
    withData(async (dir) => {
      const user = await startEmbeddedUser({ dir, settings });
      await user.tell("acquire");
      await user.kill("SIGKILL");
      const next = await acquire(dir);
      expect(next.started).toBe(false);
      await next.release();
      expect(await isListening(next.port)).toBe(false);
    }));

  test("Ctrl-C ends the command and not the server", () =>
    withData(async (dir) => {
      const user = await startEmbeddedUser({ dir, settings });
      const { port } = await user.tell("acquire");
      const pid = await postmasterPid(dir);
      await user.kill("SIGINT");
      const next = await acquire(dir);
      expect([next.started, next.port, await postmasterPid(dir)]).toEqual([false, port, pid]);
      await next.release();
    }));

  test("a share whose connection was ended is taken again", () =>
    withData(async (dir) => {
      const server = await acquire(dir);
      const holders = "from pg_locks where locktype = 'advisory' and granted";
      const before = await queryOne<{ pid: number }>(server.url, `select pid ${holders}`);
      await queryOne(server.url, `select pg_terminate_backend(${before.pid})`);
      await eventually("the lock is held by another connection", async () => {
        const now = await queryOne<{ pid: number } | undefined>(
          server.url,
          `select pid ${holders}`,
        );
        return now !== undefined && now.pid !== before.pid;
      });
      await comeAndGo(dir);
      expect(await isListening(server.port)).toBe(true);
      await server.release();
      expect(await isListening(server.port)).toBe(false);
    }));

  test("two that leave at once do not leave the server behind", () =>
    withData(async (dir) => {
      for (let round = 0; round < 5; round++) {
        const [one, other] = await Promise.all([acquire(dir), acquire(dir)]);
        await Promise.all([one.release(), other.release()]);
        expect(await isListening(one.port)).toBe(false);
      }
    }));

  test("releasing twice counts once", () =>
    withData(async (dir) => {
      const [one, other] = await Promise.all([acquire(dir), acquire(dir)]);
      await Promise.all([one.release(), one.release()]);
      await one.release();
      expect(await isListening(other.port)).toBe(true);
      await other.release();
      expect(await isListening(other.port)).toBe(false);
    }));
});

describe("keeping and stopping", () => {
  test("a kept server outlives its users until it is stopped", () =>
    withData(async (dir) => {
      expect(await findEmbeddedServer({ dir })).toBeUndefined();
      const kept = await keepEmbeddedServer({ dir, settings });
      const user = await acquire(dir);
      expect(user).toMatchObject({ started: false, url: kept.url });
      await user.release();
      expect(await findEmbeddedServer({ dir })).toEqual({ url: kept.url, port: kept.port });

      expect(await stopEmbeddedServer({ dir })).toBe("stopped");
      expect(await isListening(kept.port)).toBe(false);
      expect(await findEmbeddedServer({ dir })).toBeUndefined();
      expect(await stopEmbeddedServer({ dir })).toBe("not-running");
      await comeAndGo(dir);
      expect(await findEmbeddedServer({ dir })).toBeUndefined();
    }));

  test("the mark of a kept server that was killed means nothing to the next one", () =>
    withData(async (dir) => {
      await keepEmbeddedServer({ dir, settings });
      process.kill(await postmasterPid(dir), "SIGKILL");
      await comeAndGo(dir);
      expect(await findEmbeddedServer({ dir })).toBeUndefined();
    }));

  test("destroying stops the server whoever uses it, and starts afresh", () =>
    withData(async (dir) => {
      const user = await acquire(dir);
      await queryOne(user.url, "create table lost ()");
      await destroyEmbeddedServer({ dir });
      expect(await isListening(user.port)).toBe(false);
      expect(await readdir(dir)).not.toContain("data");
      await user.release();

      const next = await acquire(dir);
      expect(await queryOne(next.url, "select to_regclass('lost') as lost")).toEqual({
        lost: null,
      });
      await next.release();
    }));
});
