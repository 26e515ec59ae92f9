import { expect, test } from "vitest";
import { DatabaseMigrator, eventCells } from "../../src/db/migrate/index.ts";
import { backfillText } from "../helpers/backfill.ts";
import { writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { foldEvents } from "../helpers/fold.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_people": `create table people (id int primary key, n int not null default 0);
    insert into people select i from generate_series(1, 2000) i;`,
  "0001_fill": "select 1;",
});
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const define = (more: string) =>
  writeStep(
    folder.dir,
    "0001_fill",
    backfillText(
      `table: "people", set: "n = n + 1 + length(pg_sleep(0.0005)::text)", batch: { size: 100, max: 100 }${more}`,
    ),
  );
const ofBackfill = async () =>
  (await migrator().events()).filter(({ type }) => type.startsWith("backfill."));

test("the log has each start and end of a backfill, with how far it was", async () => {
  await define(", background: true");
  await migrator().migrate();
  let asked = false;
  const pauseOnce = () => {
    if (!asked) void migrator().backfills.pause("0001_fill");
    asked = true;
  };
  await migrator().backfills.run({ onProgress: pauseOnce });
  await migrator().backfills.cancel("0001_fill");
  // Asked twice, it happened once.
  await migrator().backfills.cancel("0001_fill");
  await migrator().backfills.resume("0001_fill");
  await database.sql`alter table people add constraint low check (n < 1 or id <> 1999)`;
  await migrator().backfills.run();
  await database.sql`alter table people drop constraint low`;
  await migrator().backfills.resume("0001_fill");
  await migrator().backfills.run();

  const events = await ofBackfill();
  expect(events.map(({ type, tag }) => `${type} ${tag}`)).toEqual([
    "backfill.started 0001_fill",
    "backfill.paused 0001_fill",
    "backfill.canceled 0001_fill",
    "backfill.resumed 0001_fill",
    "backfill.started 0001_fill",
    "backfill.failed 0001_fill",
    "backfill.resumed 0001_fill",
    "backfill.started 0001_fill",
    "backfill.done 0001_fill",
  ]);
  expect(events[0]?.payload).toEqual({ rows: 0, batches: 0, quarantined: 0 });
  expect(events[5]?.payload).toMatchObject({
    rows: 2_000,
    quarantined: 1,
    error: { sqlState: "23514" },
  });
  expect(events[8]?.payload).toMatchObject({ rows: 2_000, quarantined: 0 });
  const failed = events[5] && eventCells(events[5]).join(" ");
  expect(failed).toMatch(/backfill failed 0001_fill .*2000 rows, 1 put aside .*23514: new row for/);
});

test("of one that migrate waits for too, and the state of its migration is folded as before", async () => {
  await define("");
  await migrator().migrate();
  expect((await ofBackfill()).map(({ type }) => type)).toEqual([
    "backfill.started",
    "backfill.done",
  ]);
  const all = await migrator().events();
  expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).toSorted((a, b) => a - b));
  expect(foldEvents(all).get("0001_fill")?.state).toBe("DONE");
});

test("while a migration's transaction holds the log, the end of a backfill waits for it and keeps its claim", {
  timeout: 30_000,
}, async () => {
  await define(", background: true");
  await migrator().migrate();
  const reasons = new Set<string | null>();
  let running: Promise<unknown> | undefined;
  await database.sql.begin(async (sql) => {
    await new Promise<void>((begun) => {
      running = migrator().backfills.run({
        onProgress: (progress) => {
          if (progress.kind !== "backfill") return;
          reasons.add(progress.reason);
          begun();
        },
      });
    });
    await sql`select from tidemark.runner for update`;
    await expect.poll(() => [...reasons], { timeout: 15_000 }).toContain("a migration runs");
    expect(await migrator().backfills.list()).toMatchObject([
      { state: "RUNNING", rowsDone: 2_000, isRunning: true },
    ]);
  });
  expect(await running).toEqual([{ tag: "0001_fill", end: "done" }]);
});
