import { describe, expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useApp } from "../helpers/app-fixture.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { THREE } from "../helpers/history.ts";
import { readLedgerContent, storyOf } from "../helpers/ledger.ts";
import { tcpProxy } from "../helpers/network.ts";

const fixture = useApp();
const { release, start } = fixture;

const slow = (seconds: number) =>
  release({
    ...THREE,
    "0001_add_author": `select pg_sleep(${seconds}); ${THREE["0001_add_author"]}`,
  });
const migrator = () => new DatabaseMigrator({ url: fixture.database.url, dir: fixture.dir });

async function stop(app: AppProcess, signal: NodeJS.Signals = "SIGTERM") {
  app.child.kill(signal);
  return app.end;
}

const statusOf = async (app: AppProcess) => (await app.readyz()).body.status;

describe("an application that migrates at boot", () => {
  test("three at once on an empty database: one migrates, all become ready", async () => {
    const apps = [start(), start(), start()];
    await Promise.all(apps.map((app) => app.isReady()));
    const { events } = await readLedgerContent(fixture.database.url);
    expect(new Set(events.map(({ runId }) => runId)).size).toBe(1);
    expect(storyOf(events)).toHaveLength(6);
    for (const app of apps) expect((await stop(app)).code).toBe(0);
  });

  test("lives and is not ready while it migrates, and says what it runs", async () => {
    await slow(3);
    const app = start();
    await expect
      .poll(() => app.readyz(), { timeout: 20_000, interval: 20 })
      .toMatchObject({
        status: 503,
        body: { status: "migrating", tag: "0001_add_author", number: 2, total: 3 },
      });
    expect((await fetch(`${await app.url}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${await app.url}/`)).text()).toContain("migrating: 0001_add_author");
    await app.isReady();
    expect((await app.readyz()).body).toEqual({
      status: "ready",
      version: "0002_first_note",
      newer: false,
    });
  });

  test("ends with the migrator's code where a migration fails, shows it before, and nobody retries it", async () => {
    await release({ ...THREE, "0001_add_author": "select pg_sleep(1); select 1 / 0;" });
    const apps = [start({ FAILURE_LINGER_SECONDS: "2" }), start({ FAILURE_LINGER_SECONDS: "2" })];
    await Promise.all(
      apps.map((app) =>
        expect.poll(() => statusOf(app), { timeout: 20_000, interval: 50 }).toBe("failed"),
      ),
    );
    for (const app of apps) {
      const { status, body } = await app.readyz();
      expect(status).toBe(503);
      expect(body.error).toMatchObject({
        code: "migration_failed",
        fact: expect.stringContaining("division by zero"),
        remedy: expect.stringMatching(/Next: correct|it was not tried again/),
      });
    }
    for (const app of apps) {
      const { code, log } = await app.end;
      expect(code).toBe(1);
      expect(log).toContain("division by zero");
    }
    const { events } = await readLedgerContent(fixture.database.url);
    expect(events.filter(({ type }) => type === "migration.failed")).toHaveLength(1);
  });

  test("stops in the middle of a migration within seconds, and the next one starts clean", async () => {
    await slow(30);
    const app = start();
    await expect.poll(() => statusOf(app), { timeout: 20_000 }).toBe("migrating");
    const at = Date.now();
    expect((await stop(app)).code).toBe(143);
    expect(Date.now() - at).toBeLessThan(5_000);
    await slow(0);
    const next = start();
    await next.isReady();
    expect((await stop(next, "SIGINT")).code).toBe(0);
    expect(await fixture.database.sql`select body from notes`).toEqual([{ body: "hello" }]);
  });

  test("ends with exit code 4 on a database that is not empty, and migrates it when told to", async () => {
    await fixture.database.sql`create table somebodys (id integer)`;
    const { code, log } = await start().end;
    expect(code).toBe(4);
    expect(log).toContain("table public.somebodys");
    expect(log).toContain("MIGRATE_ALLOW_EXISTING=true");
    expect(await fixture.database.sql`select to_regclass('tidemark.runner') as ledger`).toEqual([
      { ledger: null },
    ]);
    await start({ MIGRATE_ALLOW_EXISTING: "true" }).isReady();
  });

  test("starts against a database that is ahead of it", async () => {
    await release({ ...THREE, "0003_newer": "create table newer (id integer)" });
    await migrator().migrate();
    await release(THREE);
    const app = start();
    await app.isReady();
    expect((await app.readyz()).body).toEqual({
      status: "ready",
      version: "0003_newer",
      newer: true,
    });
  });

  test("waits for a database that is not up yet", async () => {
    const proxy = await tcpProxy(fixture.database.url);
    onTestFinished(proxy.close);
    proxy.refuse();
    const app = start({ DATABASE_URL: proxy.url });
    await expect.poll(() => statusOf(app), { timeout: 20_000 }).toBe("waiting");
    expect((await app.readyz()).body.reason).toMatch(/^for the database: .*ECONNREFUSED/);
    await proxy.accept();
    await app.isReady();
  });

  test("is not ready any more when its database is gone, and again when it is back", async () => {
    const proxy = await tcpProxy(fixture.database.url);
    onTestFinished(proxy.close);
    const app = start({ DATABASE_URL: proxy.url });
    await app.isReady();
    proxy.refuse();
    proxy.reset();
    await expect.poll(async () => (await app.readyz()).status, { timeout: 10_000 }).toBe(503);
    expect((await fetch(`${await app.url}/healthz`)).status).toBe(200);
    await proxy.accept();
    await app.isReady();
  });
});

describe("MIGRATE_ON_BOOT=wait", () => {
  test("is ready once another process has migrated, and migrates nothing itself", async () => {
    const app = start({ MIGRATE_ON_BOOT: "wait" });
    await expect.poll(() => statusOf(app), { timeout: 20_000 }).toBe("waiting");
    expect(await fixture.database.sql`select to_regclass('tidemark.runner') as ledger`).toEqual([
      { ledger: null },
    ]);
    await migrator().migrate();
    await app.isReady();
  });

  test("shows what another process has failed at, and goes on waiting", async () => {
    await release({ ...THREE, "0001_add_author": "select 1 / 0;" });
    await migrator()
      .migrate()
      .catch(() => undefined);
    const app = start({ MIGRATE_ON_BOOT: "wait" });
    await expect.poll(() => statusOf(app), { timeout: 20_000 }).toBe("waiting");
    expect((await app.readyz()).body.failed).toEqual([
      {
        tag: "0001_add_author",
        error: expect.objectContaining({ text: expect.stringContaining("division by zero") }),
      },
    ]);
    await release(THREE);
    await migrator().migrate();
    // Its own files are those of the broken release: no run can make them fit.
    expect((await app.end).code).toBe(4);
  });

  test("gives up after its bound with exit code 5", async () => {
    const { code, log } = await start({
      MIGRATE_ON_BOOT: "wait",
      MIGRATE_TIMEOUT_SECONDS: "0.5",
    }).end;
    expect(code).toBe(5);
    expect(log).toContain("3 of 3 migrations are still pending");
  });
});

test("a run that takes longer than its deadline ends the boot with exit code 5", async () => {
  await release({ ...THREE, "0002_first_note": "select pg_sleep(60);" });
  const { code, log } = await start({ MIGRATE_DEADLINE_SECONDS: "1.5" }).end;
  expect(code).toBe(5);
  expect(log).toContain("the run's deadline of 1.5 s was reached");
});

describe("MIGRATE_ON_BOOT=check", () => {
  test("refuses to start with exit code 3 where something is pending, and runs nothing", async () => {
    const app = start({ MIGRATE_ON_BOOT: "check", FAILURE_LINGER_SECONDS: "1" });
    await expect.poll(() => statusOf(app), { timeout: 20_000, interval: 50 }).toBe("pending");
    expect((await app.readyz()).body).toEqual({
      status: "pending",
      pending: ["0000_create_notes", "0001_add_author", "0002_first_note"],
      remedy: "Run `tidemark migrate`, then start again (MIGRATE_ON_BOOT=check).",
    });
    const { code, log } = await app.end;
    expect(code).toBe(3);
    expect(log).toContain("3 migrations are pending: 0000_create_notes");
    expect(await fixture.database.sql`select to_regclass('tidemark.runner') as ledger`).toEqual([
      { ledger: null },
    ]);
  });

  test("starts where nothing is pending", async () => {
    await migrator().migrate();
    const app = start({ MIGRATE_ON_BOOT: "check" });
    await app.isReady();
  });
});

describe("over HTTP", () => {
  test("the status is what the command line prints, and the page shows migrations and events", async () => {
    const app = start();
    await app.isReady();
    const status = await (await fetch(`${await app.url}/migrations`)).json();
    expect(status).toMatchObject({
      version: "0002_first_note",
      pending: 0,
      migrations: [{ state: "DONE" }, { state: "DONE" }, { tag: "0002_first_note" }],
    });
    const page = await (await fetch(`${await app.url}/`)).text();
    expect(page).toContain("ready at 0002_first_note");
    expect(page.match(/<td>started<\/td>/g)).toHaveLength(3);
    expect((await fetch(`${await app.url}/nothing`)).status).toBe(404);
  });

  test("what a migration says is text on the page, whatever it holds", async () => {
    await release({ ...THREE, "0001_add_author": `select '<script>alert(1)</script>'::integer;` });
    const app = start({ FAILURE_LINGER_SECONDS: "10" });
    await expect.poll(() => statusOf(app), { timeout: 20_000 }).toBe("failed");
    const page = await (await fetch(`${await app.url}/`)).text();
    expect(page).toContain("&lt;script&gt;");
    expect(page).not.toContain("<script>");
  });
});

describe("a configuration that cannot be used", () => {
  test("is refused with every mistake at once, before anything starts", async () => {
    const { code, log } = await start({
      DATABASE_URL: "mysql://x",
      PORT: "http",
      MIGRATE_ON_BOOT: "maybe",
      LOG_LEVEL: "loud",
    }).end;
    expect(log).toBe(`error (config) The environment cannot be used:
  DATABASE_URL starts with mysql:// where postgres:// is expected
  PORT is not a port
  MIGRATE_ON_BOOT is not one of run, wait, check
  LOG_LEVEL is not one of fatal, error, warn, info, debug, trace, silent
Nothing was started. Correct these variables (or the file .env) and start again.
`);
    expect(code).toBe(2);
  });

  test("is one without a database in production", async () => {
    const { code, log } = await start({ DATABASE_URL: "", NODE_ENV: "production" }).end;
    expect(log).toContain(
      "DATABASE_URL is not set, and in production no embedded server is started",
    );
    expect(code).toBe(2);
  });

  test("is a port that another process has", async () => {
    const first = start();
    const { port } = new URL(await first.url);
    const { code, log } = await start({ PORT: port }).end;
    expect(log).toContain(`Cannot listen on 127.0.0.1:${port}`);
    expect(code).toBe(2);
  });
});
