import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { readLedgerContent } from "../helpers/ledger.ts";

const database = useDatabase();
let project: string;
let dir: string;

/** As a journal of 0.x has them: numbers, and a time stamp. */
const ENTRIES = [
  ["0000_init", "create table log (step integer);", Date.UTC(2025, 0, 1, 1, 2, 3, 456)],
  ["20250102010203_second", "insert into log values (2);", Date.UTC(2025, 0, 2, 1, 2, 3, 456)],
  ["0002_third_one", "insert into log values (3);", Date.UTC(2025, 0, 3)],
  ["0003_fourth", "insert into log values (4);", Date.UTC(2025, 0, 4)],
] as const;

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), "tidemark-up-"));
  dir = join(project, "drizzle");
  await mkdir(join(dir, "meta"), { recursive: true });
  await writeFile(
    join(project, "drizzle.config.ts"),
    `export default { dialect: "postgresql", out: "./drizzle", schema: "./schema.ts" };`,
  );
  await writeJournal(ENTRIES.length);
  let prevId = "00000000-0000-0000-0000-000000000000";
  for (const [i, [tag, sql]] of ENTRIES.entries()) {
    const id = `${i + 1}0000000-0000-4000-8000-000000000000`;
    const empty = { tables: {}, enums: {}, schemas: {}, sequences: {}, roles: {}, policies: {} };
    const snapshot = { id, prevId, version: "7", dialect: "postgresql", ...empty, views: {} };
    await writeFile(
      join(dir, "meta", `${tag.split("_")[0]}_snapshot.json`),
      JSON.stringify({ ...snapshot, _meta: { columns: {}, schemas: {}, tables: {} } }),
    );
    await writeFile(join(dir, `${tag}.sql`), sql);
    prevId = id;
  }
  return () => rm(project, { recursive: true, force: true });
});

async function writeJournal(count: number): Promise<void> {
  const entries = ENTRIES.slice(0, count).map(([tag, , when], idx) => ({
    ...{ idx, version: "7", when, tag, breakpoints: true },
  }));
  const journal = { version: "7", dialect: "postgresql", entries };
  await writeFile(join(dir, "meta", "_journal.json"), JSON.stringify(journal));
}

async function drizzleKitUp(): Promise<void> {
  const bin = join(import.meta.dirname, "../drizzle-1/node_modules/drizzle-kit/bin.cjs");
  await promisify(execFile)(process.execPath, [bin, "up"], { cwd: project });
}

const migrator = () => new DatabaseMigrator({ url: database.url, dir });
const steps = async () =>
  (await database.sql`select step from log order by ctid`).map(({ step }) => step);

describe("a history that `drizzle-kit up` has turned into folders", () => {
  test("is known again by its SQL, under its new names, and nothing runs a second time", async () => {
    await migrator().migrate();
    await drizzleKitUp();
    const tags = (await readdir(dir)).toSorted();
    expect(tags).toEqual([
      "20250101010203_init",
      "20250102010203_second",
      "20250103000000_third_one",
      "20250104000000_fourth",
    ]);
    expect(await migrator().status()).toMatchObject({ pending: 0, problems: [] });
    const report = await migrator().migrate();
    expect(report).toMatchObject({
      ...{ outcome: "current", applied: [], version: "20250104000000_fourth" },
      takenOver: {
        ...{ table: null, adopted: [] },
        renamed: [
          { from: "0000_init", to: "20250101010203_init" },
          { from: "0002_third_one", to: "20250103000000_third_one" },
          { from: "0003_fourth", to: "20250104000000_fourth" },
        ],
      },
    });
    expect(await steps()).toEqual([2, 3, 4]);
    const { rows } = await readLedgerContent(database.url);
    expect(rows.map(({ tag }) => tag).toSorted()).toEqual(tags);
    // The head is the folder's: the next start looks at nothing else.
    expect(await migrator().migrate()).not.toHaveProperty("migrations");
    await mkdir(join(dir, "20250105000000_fifth"));
    await writeFile(
      join(dir, "20250105000000_fifth", "migration.sql"),
      "insert into log values (5);",
    );
    expect(await migrator().migrate()).toMatchObject({
      applied: [{ tag: "20250105000000_fifth" }],
    });
  });

  test("is known in its old layout too: an older release goes on booting", async () => {
    await migrator().migrate();
    const old = join(project, "old");
    await cp(dir, old, { recursive: true });
    await drizzleKitUp();
    await migrator().migrate();
    const older = new DatabaseMigrator({ url: database.url, dir: old });
    expect(await older.migrate()).toMatchObject({ outcome: "current", applied: [] });
    expect(await older.waitUntilCurrent({ timeoutMs: 1_000 })).toMatchObject({
      outcome: "current",
    });
    expect(await migrator().migrate()).not.toHaveProperty("migrations");
    await mkdir(join(dir, "20250105000000_fifth"));
    await writeFile(
      join(dir, "20250105000000_fifth", "migration.sql"),
      "insert into log values (5);",
    );
    await migrator().migrate();
    expect(await older.migrate()).toMatchObject({ outcome: "newer", applied: [] });
    expect(await steps()).toEqual([2, 3, 4, 5]);
  });

  test("is taken over from drizzle's table of the time before, and drizzle 1.x goes on", async () => {
    await writeJournal(3);
    await migrateWithDrizzle("0.x", { url: database.url, dir });
    await writeJournal(4);
    await drizzleKitUp();
    expect(await migrator().migrate()).toMatchObject({
      ...{ applied: [{ tag: "20250104000000_fourth" }], takenOver: { adopted: { length: 3 } } },
    });
    await migrateWithDrizzle("1.x", { url: database.url, dir });
    expect(await steps()).toEqual([2, 3, 4]);
  });

  test("with an applied migration deleted and generated again, as --fix-conflicts does, is refused", async () => {
    await drizzleKitUp();
    await migrator().migrate();
    await rename(join(dir, "20250103000000_third_one"), join(dir, "20250106000000_third_one"));
    await expect(migrator().migrate()).rejects.toMatchObject({
      ...{ code: "missing_file", exitCode: 2 },
      message: expect.stringContaining("20250103000000_third_one"),
    });
    expect(await steps()).toHaveLength(3);
    expect(await readFile(join(dir, "20250106000000_third_one/migration.sql"), "utf8")).toBe(
      "insert into log values (3);",
    );
  });
});
