import { expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { countingHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { outcomeOf } from "../helpers/outcome.ts";
import { numbersOf, SEED } from "../helpers/seed.ts";
import { startReplication } from "../helpers/standby.ts";

const COUNT = 60;
const HISTORY = Object.entries(countingHistory(COUNT)).map(([tag, sql]) => ({
  tag,
  sql: `${sql}\nselect pg_sleep(0.02);`,
}));

// What is replicated late is lost with the primary, its record with it: the next run does it again.
test("a primary that is lost in the middle of a run, and its standby that takes over: each migration is there once", {
  timeout: 120_000,
}, async () => {
  const replication = await startReplication();
  onTestFinished(() => replication.stop());
  await replication.createDatabase("app");
  await replication.catchUp();
  const [first, second] = [replication.primaryUrl("app"), replication.standbyUrl("app")];
  const moment = 3 + Math.floor(numbersOf(SEED)() * (COUNT - 20));
  let done = 0;
  let failing: Promise<void> | undefined;
  const lost = await outcomeOf(
    new DatabaseMigrator({ url: first, history: HISTORY, connectTimeoutMs: 1_000 }).migrate({
      onProgress: ({ kind }) => {
        if (kind !== "migration-done") return;
        done += 1;
        if (done === moment) failing = replication.failOver();
      },
    }),
  );
  await failing;
  expect([SEED, lost]).toEqual([SEED, "connect"]);
  const migrator = new DatabaseMigrator({ url: second, history: HISTORY });
  expect(await outcomeOf(migrator.migrate())).toMatch(/^applied /);
  const { events, rows } = await expectFoldToMatch(second);
  expect(rows.every(({ state }) => state === "DONE")).toBe(true);
  expect(events.filter(({ type }) => type === "migration.done")).toHaveLength(COUNT);
});
