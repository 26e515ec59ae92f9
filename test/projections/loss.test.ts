import { expect, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { measureLoss } from "../helpers/loss.ts";

const SECONDS = Number(process.env.LOSS_SECONDS ?? 10);

const database = useDatabase({ template: "migrated" });

test("every committed event is projected once and in order, whoever is killed; a reader without a barrier misses some", {
  timeout: SECONDS * 1_000 + 90_000,
}, async () => {
  const report = await measureLoss({ url: database.url, seconds: SECONDS });
  console.log(JSON.stringify(report));
  expect(report).toMatchObject({ missing: 0, repeated: 0, outOfOrder: 0 });
  expect(report.events).toBeGreaterThan(10 * SECONDS);
  expect(report.rolledBackNumbers).toBeGreaterThan(0);
  expect(report.kills).toBeGreaterThan(SECONDS);
  expect(report.naiveMissed).toBeGreaterThan(0);
});
