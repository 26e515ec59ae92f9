import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Catalog, compareCatalogs, readCatalog } from "../../src/db/catalog/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";

const database = useDatabase();

const catalog = (): Promise<Catalog> =>
  readCatalog({ url: database.url, leaveOut: ["tidemark"], signal: undefined });

async function expectSame(expected: Catalog): Promise<void> {
  expect((await compareCatalogs(expected, await catalog())).differences).toEqual([]);
}

/** The project's folder as an image had it when its first migration was the newest. */
async function firstImage(): Promise<{ readonly dir: string; readonly tag: string }> {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-image-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const journal = JSON.parse(await readFile("drizzle/meta/_journal.json", "utf8"));
  const [entry] = journal.entries;
  await cp("drizzle/meta", join(dir, "meta"), { recursive: true });
  await writeFile(
    join(dir, "meta/_journal.json"),
    JSON.stringify({ ...journal, entries: [entry] }),
  );
  for (const file of [`${entry.tag}.sql`, `${entry.tag}.down.sql`]) {
    await cp(join("drizzle", file), join(dir, file));
  }
  return { dir, tag: entry.tag };
}

test("the project's whole history goes down to nothing and up again to the same catalog", {
  timeout: 120_000,
}, async () => {
  const migrator = new DatabaseMigrator({ url: database.url, dir: "drizzle" });
  const empty = await catalog();
  await migrator.migrate();
  const full = await catalog();
  const report = await migrator.rollback({ steps: "all", allowDataLoss: true });
  expect(report.version).toBeUndefined();
  await expectSame(empty);
  await expectFoldToMatch(database.url);
  await migrator.migrate();
  await expectSame(full);
  await expectFoldToMatch(database.url);
});

test("so does an image that has only the first of its files", { timeout: 120_000 }, async () => {
  const { dir, tag } = await firstImage();
  const older = new DatabaseMigrator({ url: database.url, dir });
  const newer = new DatabaseMigrator({ url: database.url, dir: "drizzle" });
  const empty = await catalog();
  await older.migrate();
  const first = await catalog();
  await newer.migrate();
  const full = await catalog();
  const plan = await older.planRollback({ to: tag });
  expect(plan.steps.every(({ source }) => source === "ledger")).toBe(true);
  expect(await older.rollback({ to: tag, allowDataLoss: true })).toMatchObject({ version: tag });
  await expectSame(first);
  expect(await older.migrate()).toMatchObject({ outcome: "current" });
  await newer.migrate();
  await expectSame(full);
  await older.rollback({ steps: "all", allowDataLoss: true });
  await expectSame(empty);
});

test("the event store has the copy of each event of a rollback", async () => {
  const migrator = new DatabaseMigrator({ url: database.url, dir: "drizzle" });
  await migrator.migrate();
  const { reverted } = await migrator.rollback();
  const copied = await database.sql`
    select aggregate_id as tag, event_type as type from eventstore.events
    where event_type = 'migration.reverted'`;
  expect(copied).toEqual(reverted.map(({ tag }) => ({ tag, type: "migration.reverted" })));
});
