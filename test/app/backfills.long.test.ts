import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useApp } from "../helpers/app-fixture.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { backfillText } from "../helpers/backfill.ts";
import { writeStep } from "../helpers/code-steps.ts";

const app = useApp();

/** Rows that take a while, each counted. */
const SLOWLY = `table: "people", background: true, batch: { size: 100, max: 100 },
  set: "n = n + 1 + 0 * length(pg_sleep(0.0005)::text)"`;

async function release(rows = 4_000): Promise<void> {
  await app.release({
    "0000_people": `create table people (id int primary key, n int not null default 0);
      insert into people select i from generate_series(1, ${rows}) i; analyze people;`,
    "0001_fill": "select 1;",
    "0002_use": "-- tidemark: requires 0001_fill\nalter table people add check (n = 1);",
  });
  await writeStep(app.dir, "0001_fill", backfillText(SLOWLY));
}

const migrator = () => new DatabaseMigrator({ url: app.database.url, dir: app.dir });
const filled = async () => (await migrator().backfills.list())[0];
const counts = () =>
  app.database.sql`select n, count(*)::int as rows from people group by n order by n`;
const engines = () =>
  app.database.sql`select nspname from pg_namespace where nspname = 'graphile_worker'`;

test("a boot waits for a backfill that its own worker runs, shows it, migrates the rest and is ready", async () => {
  await release();
  const process = app.start();
  await expect
    .poll(async () => (await process.readyz()).body, { timeout: 20_000 })
    .toMatchObject({
      status: "waiting",
      reason: "for the backfill 0001_fill, which 0002_use requires",
      backfills: [{ tag: "0001_fill", state: "RUNNING", isRunning: true, rowsExpected: 4_000 }],
    });
  const page = await (await fetch(`${await process.url}/`)).text();
  expect(page).toMatch(/<td>0001_fill<\/td><td>public.people<\/td><td class="busy">RUNNING<\/td>/);
  expect(page).toMatch(/of about 4,000 \(\d+ %\)/);
  await process.isReady();
  expect((await process.readyz()).body).toMatchObject({ status: "ready", version: "0002_use" });
  expect(await counts()).toEqual([{ n: 1, rows: 4_000 }]);
  expect((await engines()).length).toBe(1);
});

test("a boot that runs a backfill itself shows how far it is", async () => {
  await release();
  await writeStep(app.dir, "0001_fill", backfillText(SLOWLY.replace("background: true, ", "")));
  const process = app.start();
  await expect
    .poll(async () => (await process.readyz()).body, { timeout: 20_000 })
    .toMatchObject({
      status: "migrating",
      tag: "0001_fill",
      backfills: [{ tag: "0001_fill", background: false, state: "RUNNING", isRunning: true }],
    });
  await process.isReady();
});

test("without a backfill in the background the job engine makes no schema", async () => {
  await release(200);
  await writeStep(app.dir, "0001_fill", backfillText(`table: "people", set: "n = n + 1"`));
  const process = app.start();
  await process.isReady();
  process.child.kill("SIGTERM");
  await process.end;
  expect(await engines()).toEqual([]);
});

test("another process takes up within seconds what one that was killed has left, and each row is filled once", {
  timeout: 60_000,
}, async () => {
  await release(12_000);
  await migrator().migrate();
  for (let kills = 0; kills < 2; kills += 1) {
    const workers = [app.start({}, ["work"]), app.start({}, ["work"])];
    await expect.poll(isRunBy(workers), { timeout: 15_000, interval: 50 }).toBeDefined();
    const killed = (await isRunBy(workers)()) ?? workers[0];
    killed?.child.kill("SIGKILL");
    await killed?.end;
    const rest = workers.filter((worker) => worker !== killed);
    const at = performance.now();
    await expect.poll(isRunBy(rest), { timeout: 15_000, interval: 50 }).toBeDefined();
    expect(performance.now() - at).toBeLessThan(12_000);
    for (const { child } of rest) child.kill("SIGKILL");
    await Promise.all(rest.map(({ end }) => end));
  }
  app.start({}, ["work"]);
  await expect.poll(filled, { timeout: 30_000 }).toMatchObject({ state: "DONE" });
  expect(await counts()).toEqual([{ n: 1, rows: 12_000 }]);
});

/** The one of these that runs the backfill now. */
function isRunBy(workers: readonly AppProcess[]): () => Promise<AppProcess | undefined> {
  return async () => {
    const { isRunning, worker } = (await filled()) ?? {};
    if (!isRunning) return undefined;
    return workers.find(({ child }) => worker?.endsWith(`:${child.pid}`));
  };
}

test("one that is told to stop ends its batch and gives the backfill back", async () => {
  await release();
  await migrator().migrate();
  const worker = app.start({}, ["work"]);
  await expect.poll(isRunBy([worker]), { timeout: 15_000 }).toBeDefined();
  const at = performance.now();
  worker.child.kill("SIGTERM");
  expect(await worker.end).toMatchObject({ code: 0 });
  expect(performance.now() - at).toBeLessThan(5_000);
  expect(await filled()).toMatchObject({ state: "PENDING", isRunning: false });
  const next = app.start({}, ["work"]);
  await expect.poll(isRunBy([next]), { timeout: 15_000 }).toBeDefined();
});

test("one whose connections are ended by the server goes on, and fills no row twice", {
  timeout: 60_000,
}, async () => {
  await release(6_000);
  await migrator().migrate();
  const worker = app.start({}, ["work"]);
  for (let losses = 0; losses < 2; losses += 1) {
    await expect.poll(isRunBy([worker]), { timeout: 20_000 }).toBeDefined();
    await app.database.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'tidemark%' and pid <> pg_backend_pid()`;
  }
  await expect.poll(filled, { timeout: 30_000 }).toMatchObject({ state: "DONE" });
  expect(await counts()).toEqual([{ n: 1, rows: 6_000 }]);
  worker.child.kill("SIGTERM");
  expect(await worker.end).toMatchObject({ code: 0 });
});
