import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { backfillText } from "../helpers/backfill.ts";
import { writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_people": `create table people (id int primary key, n int not null default 0);
    insert into people select i from generate_series(1, 2000) i;`,
  "0001_fill": "select 1;",
});
const options = () => ({ url: database.url, dir: folder.dir });
const migrator = () => new DatabaseMigrator(options());
const define = (more: string) =>
  writeStep(
    folder.dir,
    "0001_fill",
    backfillText(`table: "people", set: "n = n + 1", batch: { size: 400, max: 400 }${more}`),
  );
const FREEZE = { phase: "after", message: "backfill:0001_fill", signal: "SIGSTOP" } as const;
const counts = () => database.sql`select n, count(*)::int as rows from people group by n`;

test("a worker that is frozen in a batch and overtaken stops when it wakes up, and nothing is filled twice", async () => {
  await define(", background: true");
  await migrator().migrate();
  const frozen = await startRunner();
  frozen.start({ options: options(), worksFor: 5_000, failpoint: FREEZE });
  await frozen.atFailpoint;
  expect(await migrator().backfills.run()).toEqual([]);
  // As if its time had run out.
  await database.sql`update tidemark.backfills set expires_at = now() - interval '1 minute'`;
  expect(await migrator().backfills.run()).toEqual([{ tag: "0001_fill", end: "done" }]);
  frozen.resume();
  await frozen.end;
  expect(await counts()).toEqual([{ n: 1, rows: 2_000 }]);
});

test("with the lease a backfill is taken over at once, whatever is left of an earlier claim", async () => {
  await define("");
  const frozen = await startRunner();
  frozen.start({ options: options(), failpoint: FREEZE });
  await frozen.atFailpoint;
  await database.sql`update tidemark.runner set expires_at = now() - interval '1 minute', backend_pid = null, direct = false`;
  expect(await migrator().backfills.list()).toMatchObject([{ isRunning: true }]);
  const reasons: (string | null)[] = [];
  await migrator().migrate({
    onProgress: (progress) => {
      if (progress.kind === "backfill") reasons.push(progress.reason);
    },
  });
  expect(reasons.filter((reason) => reason !== null)).toEqual([]);
  frozen.resume();
  await frozen.end;
  expect(await counts()).toEqual([{ n: 1, rows: 2_000 }]);
});
