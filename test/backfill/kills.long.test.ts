import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { backfillText } from "../helpers/backfill.ts";
import { writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const ROWS = 300_000;
const KILLS = 20;

const database = useDatabase();
const folder = useHistory({
  "0000_people": `create table people (org int, id int, n int not null default 0, primary key (org, id));
    insert into people select i % 50, i, 0 from generate_series(1, ${ROWS}) i;`,
  "0001_fill": "alter table people add column name text;",
});

test.each([
  ["SQL", `set: "n = n + 1, name = 'p' || t.id",`],
  [
    "code",
    `run: async ({ sql, rows }) => {
      await sql.query("update people t set n = n + 1, name = 'p' || id where " + rows);
    },`,
  ],
])(
  "killed at random %s-filled rows get their value once, and the last run ends it",
  async (_, how) => {
    const definition = `table: "people", batch: { size: 500, max: 2_000, targetMs: 20 }, ${how}`;
    await writeStep(folder.dir, "0001_fill", backfillText(definition));
    const options = { url: database.url, dir: folder.dir };
    let kills = 0;
    let done = 0;
    while (kills < KILLS) {
      const runner = await startRunner();
      runner.start({ options });
      const first = await Promise.race([runner.seen("backfill"), runner.end]);
      if ("progress" in first)
        throw new Error(`it ended too early: ${first.error?.message ?? "done"}`);
      await sleep(Math.random() * 60);
      runner.child.kill("SIGKILL");
      await runner.end;
      kills += 1;
      const [row] = await database.sql`select rows_done::int as rows from tidemark.backfills`;
      expect(Number(row?.rows)).toBeGreaterThanOrEqual(done);
      done = Number(row?.rows);
    }
    expect(done).toBeGreaterThan(0);
    const { applied } = await new DatabaseMigrator(options).migrate();
    expect(applied.map(({ tag }) => tag)).toEqual(["0001_fill"]);
    expect(
      await database.sql`select n, count(*)::int as rows, count(name)::int as names from people group by n`,
    ).toEqual([{ n: 1, rows: ROWS, names: ROWS }]);
  },
  240_000,
);
