import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { measureLoss } from "../helpers/loss.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";

const SECONDS = Number(process.env.LOSS_SECONDS ?? 10);

const database = useDatabase({ template: "migrated" });

test("behind PgBouncer in transaction mode every committed event is projected once and in order, whoever is killed", {
  timeout: SECONDS * 1_000 + 90_000,
}, async () => {
  const pooler = await startPgBouncer([database.url], { default_pool_size: 20 });
  onTestFinished(pooler.stop);
  const through = pooler.through(database.url);
  const report = await measureLoss({ url: database.url, through, seconds: SECONDS });
  console.log(JSON.stringify(report));
  expect(report).toMatchObject({ missing: 0, repeated: 0, outOfOrder: 0 });
  expect(report.events).toBeGreaterThan(50 * SECONDS);
  expect(report.kills).toBeGreaterThan(SECONDS);
  expect(report.naiveMissed).toBeGreaterThan(0);
});
