import { dirname } from "node:path";
import { expect, inject, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useApp } from "../helpers/app-fixture.ts";
import { backfillText } from "../helpers/backfill.ts";
import { tidemark } from "../helpers/cli.ts";
import { writeStep } from "../helpers/code-steps.ts";
import { unprepared } from "../helpers/prepared-database.ts";

const app = useApp();

test("an application whose role may not says so once and waits; a worker of the owner's fills; nothing stumbles over the job engine's schema", {
  timeout: 60_000,
}, async () => {
  const prepared = unprepared();
  await prepared.init();
  await app.release({
    "0000_people": `create table people (id int primary key, n int not null default 0);
      insert into people select i from generate_series(1, 500) i;`,
    "0001_fill": "select 1;",
    "0002_use": "-- tidemark: requires 0001_fill\nupdate people set n = n;",
  });
  await writeStep(
    app.dir,
    "0001_fill",
    backfillText(`table: "people", set: "n = n + 1", background: true`),
  );
  const owner = new DatabaseMigrator({ url: prepared.migrationUrl, dir: app.dir });
  expect(await owner.migrate()).toMatchObject({ heldBack: { tag: "0002_use" } });

  const asApp = { DATABASE_URL: prepared.appUrl, MIGRATE_ON_BOOT: "wait" };
  const waiting = app.start(asApp);
  await expect
    .poll(async () => (await waiting.readyz()).body, { timeout: 15_000 })
    .toMatchObject({
      status: "waiting",
      reason: "for the backfill 0001_fill, which 0002_use requires",
      backfills: [{ tag: "0001_fill", state: "PENDING" }],
    });
  await expect.poll(() => waiting.log()).toContain("this role may not run backfills");
  expect(await app.start(asApp, ["work"]).end).toMatchObject({ code: 1 });

  const asOwner = { ...asApp, MIGRATION_DATABASE_URL: prepared.migrationUrl };
  const worker = app.start(asOwner, ["work"]);
  await expect
    .poll(async () => (await owner.backfills.list())[0], { timeout: 15_000 })
    .toMatchObject({ state: "DONE", rowsDone: 500 });
  await owner.migrate();
  await waiting.isReady();
  expect(waiting.log().split("this role may not run backfills")).toHaveLength(2);
  worker.child.kill("SIGTERM");
  expect(await worker.end).toMatchObject({ code: 0 });

  const sql = prepared.as(prepared.superuserUrl);
  expect(
    await sql`select pg_get_userbyid(nspowner) as owner from pg_namespace where nspname = 'graphile_worker'`,
  ).toEqual([{ owner: prepared.owner.name }]);
  const drift = await tidemark(["drift", "--scratch-url", inject("serverUrl")], {
    cwd: dirname(app.dir),
    env: { DATABASE_URL: prepared.migrationUrl },
  });
  expect(drift).toMatchObject({ code: 0, stdout: expect.stringContaining("No drift") });
  const again = await prepared.init();
  expect(JSON.stringify(again)).not.toContain("graphile_worker");
  // A ledger that is lost leaves only that schema: there is nothing that somebody has made.
  await sql`drop schema tidemark cascade`;
  await sql`drop table people`;
  expect(await owner.migrate()).toMatchObject({ outcome: "applied" });
});
