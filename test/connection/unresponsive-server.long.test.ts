import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { beforeAll, describe, expect, type TestContext, test } from "vitest";
import { acquireEmbeddedServer, destroyEmbeddedServer } from "../../src/db/embedded/index.ts";
import { replaceDatabase } from "../../src/db/migrate/index.ts";
import { startApp } from "../helpers/app-process.ts";
import { type RunningCli, startTidemark } from "../helpers/cli.ts";
import { historyFolder } from "../helpers/history.ts";
import { tcpProxy } from "../helpers/network.ts";

// A server of its own: what it waits for is a setting of the whole server.
const HISTORY = {
  "0000_table": "create table t (id integer);",
  "0001_slow": "select pg_sleep(60);",
};
const INDEX = "create index concurrently t_idx on t (id);";
/** Five seconds for the server's answer, and something for a busy machine. */
const GRACE_MS = 9_000;
const SOON = { timeout: 10_000 };

let serverUrl: string;
let admin: postgres.Sql;
let dir: string;
let count = 0;

beforeAll(async () => {
  const home = await mkdtemp(join(tmpdir(), "tidemark-unresponsive-"));
  const server = await acquireEmbeddedServer({ dir: home });
  serverUrl = server.url;
  admin = postgres(serverUrl, {
    max: 4,
    onnotice: () => undefined,
    connection: { synchronous_commit: "local" },
  });
  const folder = await historyFolder(HISTORY);
  dir = folder.dir;
  return async () => {
    await admin.end({ timeout: 2 });
    await folder.remove();
    await server.release();
    await destroyEmbeddedServer({ dir: home });
    await rm(home, { recursive: true, force: true });
  };
});

async function createDatabase(): Promise<{ readonly url: string; readonly name: string }> {
  count += 1;
  const name = `shop_${count}`;
  await admin.unsafe(`create database ${name}`);
  return { url: replaceDatabase(serverUrl, name), name };
}

/** Of one test: tests that run side by side have hooks of their own. */
function start(
  { onTestFinished }: TestContext,
  url: string,
  ...more: readonly string[]
): RunningCli {
  const args = ["migrate", "--url", url, "--dir", dir, ...more];
  const running = startTidemark(args, { cwd: dir });
  onTestFinished(() => {
    running.child.kill("SIGKILL");
  });
  return running;
}

async function backends(database: string, condition: string): Promise<readonly number[]> {
  const rows = await admin.unsafe<{ pid: number }[]>(
    `select pid from pg_stat_activity where datname = '${database}' and ${condition}`,
  );
  return rows.map(({ pid }) => pid);
}

async function expectToEnd(
  { child, end }: RunningCli,
  signal: "SIGINT" | "SIGTERM",
  codes = [signal === "SIGINT" ? 130 : 143],
): Promise<string> {
  const at = performance.now();
  child.kill(signal);
  const { code, stderr } = await end;
  expect(performance.now() - at).toBeLessThan(GRACE_MS);
  expect(codes).toContain(code);
  return stderr;
}

describe.concurrent("a run that is told to stop ends in time, whatever the server does:", () => {
  test("it has stopped, in the middle of a migration", async (context) => {
    const { expect, onTestFinished } = context;
    const { url, name } = await createDatabase();
    const running = start(context, url);
    await expect.poll(() => backends(name, "wait_event = 'PgSleep'"), SOON).toHaveLength(1);
    const [pid = 0] = await backends(name, "wait_event = 'PgSleep'");
    process.kill(pid, "SIGSTOP");
    onTestFinished(() => {
      process.kill(pid, "SIGCONT");
    });
    const stderr = await expectToEnd(running, "SIGTERM");
    expect(stderr).toContain("Canceled: the server did not answer for 5 s after the cancel.");
  });

  test("it has stopped, and another runner waits for it", async (context) => {
    const { expect, onTestFinished } = context;
    const { url, name } = await createDatabase();
    const first = start(context, url);
    await expect.poll(() => backends(name, "wait_event = 'PgSleep'"), SOON).toHaveLength(1);
    const [holder = 0] = await backends(name, "wait_event = 'PgSleep'");
    const second = start(context, url);
    await second.stderrMatches(/waiting for another runner/);
    const [pid = 0] = await backends(name, `pid <> ${holder} and application_name = 'tidemark'`);
    process.kill(pid, "SIGSTOP");
    onTestFinished(() => {
      process.kill(pid, "SIGCONT");
    });
    await Promise.all([expectToEnd(second, "SIGINT"), expectToEnd(first, "SIGINT")]);
  });

  test("nothing of what it says arrives, in the middle of a migration", async (context) => {
    const { expect, onTestFinished } = context;
    const { url, name } = await createDatabase();
    const proxy = await tcpProxy(url);
    onTestFinished(proxy.close);
    const running = start(context, proxy.url);
    await expect.poll(() => backends(name, "wait_event = 'PgSleep'"), SOON).toHaveLength(1);
    proxy.mute();
    await expectToEnd(running, "SIGTERM");
  });

  test("nothing of what it says arrives, while the run connects", async (context) => {
    const { onTestFinished } = context;
    const { url } = await createDatabase();
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const proxy = await tcpProxy(url, { onConnection: () => asked() });
    onTestFinished(proxy.close);
    proxy.mute();
    const running = start(context, proxy.url, "--connect-timeout", "600");
    await isAsked;
    await expectToEnd(running, "SIGINT");
  });
});

describe.concurrent("an application that is told to stop ends in time", () => {
  test("while it migrates, its readers asked, and nothing of what the server says arrives", async (context) => {
    const { expect, onTestFinished } = context;
    const { url, name } = await createDatabase();
    const proxy = await tcpProxy(url);
    onTestFinished(proxy.close);
    const home = await mkdtemp(join(tmpdir(), "tidemark-app-"));
    onTestFinished(() => rm(home, { recursive: true, force: true }));
    await cp(dir, join(home, "drizzle"), { recursive: true });
    const app = startApp(home, { DATABASE_URL: proxy.url, SHUTDOWN_SECONDS: "1" });
    onTestFinished(() => {
      app.child.kill("SIGKILL");
    });
    await expect.poll(() => backends(name, "wait_event = 'PgSleep'"), SOON).toHaveLength(1);
    proxy.mute();
    const asked = fetch(await app.url).catch(() => undefined);
    const at = performance.now();
    app.child.kill("SIGTERM");
    expect((await app.end).code).toBe(143);
    expect(performance.now() - at).toBeLessThan(GRACE_MS);
    await asked;
  });

  test("once it is ready, its projections and a request under way, and nothing of what the server says arrives", async (context) => {
    const { expect, onTestFinished } = context;
    const { url } = await createDatabase();
    let asked = 0;
    const proxy = await tcpProxy(url, { onMessage: () => (asked += 1) });
    onTestFinished(proxy.close);
    // With the application's own tables, its projections run.
    const app = startApp(process.cwd(), { DATABASE_URL: proxy.url, SHUTDOWN_SECONDS: "1" });
    onTestFinished(() => {
      app.child.kill("SIGKILL");
    });
    await app.isReady();
    proxy.mute();
    const before = asked;
    const page = fetch(await app.url).catch(() => undefined);
    await expect.poll(() => asked, SOON).toBeGreaterThan(before + 1);
    const at = performance.now();
    app.child.kill("SIGTERM");
    expect((await app.end).code).toBe(0);
    expect(performance.now() - at).toBeLessThan(GRACE_MS);
    await page;
  });
});

describe("a commit that waits for a standby which is not there", () => {
  beforeAll(async () => {
    await admin.unsafe("alter system set synchronous_standby_names = 'nobody'");
    await admin.unsafe("select pg_reload_conf()");
    return async () => {
      await admin.unsafe("alter system reset synchronous_standby_names");
      await admin.unsafe("select pg_reload_conf()");
    };
  });

  test("is no reason to stay: of the ledger, of the first record, of the record before a concurrent index", async (context) => {
    const { onTestFinished } = context;
    const histories = [
      { "0000_table": HISTORY["0000_table"] },
      { "0000_table": HISTORY["0000_table"], "0001_more": "create table more (id integer);" },
      { "0000_table": HISTORY["0000_table"], "0001_index": INDEX },
    ];
    const ends = histories.map(async (history, index) => {
      const { url, name } = await createDatabase();
      const folder = await historyFolder(history);
      onTestFinished(folder.remove);
      if (index > 0) await migrateFirst(url, name, folder.dir);
      const running = start(context, url, "--dir", folder.dir);
      await expect.poll(() => backends(name, "wait_event = 'SyncRep'"), SOON).toHaveLength(1);
      // What was sent before the signal may be all that there was to do.
      await expectToEnd(running, "SIGTERM", [143, 0]);
    });
    await Promise.all(ends);
  });
});

/** The first migration, without waiting for the standby. */
async function migrateFirst(url: string, name: string, folder: string): Promise<void> {
  await admin.unsafe(`alter database ${name} set synchronous_commit = 'local'`);
  const args = ["migrate", "--url", url, "--dir", folder, "--to", "0000_table"];
  expect((await startTidemark(args, { cwd: folder }).end).code).toBe(0);
  await admin.unsafe(`alter database ${name} reset synchronous_commit`);
}
