import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { DatabaseMigrator, loadHistory, writeSumFile } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { journalOf } from "../helpers/history.ts";

describe("a folder in the layout of drizzle-kit 1.x", () => {
  const database = useDatabase();
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tidemark-folders-"));
    return () => rm(dir, { recursive: true, force: true });
  });
  const write = async (path: string, text: string) => {
    await mkdir(join(dir, path, ".."), { recursive: true });
    await writeFile(join(dir, path), text);
  };
  const tags = async () => (await loadHistory(dir)).migrations.map(({ tag }) => tag);

  test("has its migrations in drizzle's own order, with the time of each", async () => {
    await write("20251103000000_b/migration.sql", "create table b (id int);");
    await write("20251102000000_A c/migration.sql", "create table c (id int);");
    await write("20251102000000_a b/migration.sql", "create table a (id int);");
    const { layout, migrations } = await loadHistory(dir);
    expect(layout).toBe("1.x");
    expect(migrations.map(({ tag, file, when }) => ({ tag, file, when }))).toEqual(
      ["20251102000000_a b", "20251102000000_A c", "20251103000000_b"].map((tag) => ({
        tag,
        file: join(dir, tag, "migration.sql"),
        when: Date.UTC(2025, 10, tag.startsWith("20251103") ? 3 : 2),
      })),
    );
  });

  test("may hold other files, other folders and no snapshots", async () => {
    await write("20251102000000_a/migration.sql", "create table a (id int);");
    await write("20251103000000_notes/readme.md", "nothing to run");
    await write("20251104000000_file", "");
    await write("seed.sql", "insert into a values (1);");
    expect(await tags()).toEqual(["20251102000000_a"]);
    expect((await loadHistory(dir)).warnings).toEqual([
      { kind: "stray-file", message: "seed.sql is in no migration's folder and is not run." },
    ]);
  });

  test("is migrated, and has a tidemark.sum of its files", async () => {
    await write("20251102000000_a/migration.sql", "create table a (id int);");
    await write("20251102000000_a/migration.down.sql", "drop table a;");
    await write("20251103000000_two words/migration.sql", "insert into a values (1);");
    expect(await writeSumFile(dir)).toMatchObject({ migrations: 2, downFiles: 1 });
    const migrator = new DatabaseMigrator({ url: database.url, dir });
    const { applied } = await migrator.migrate();
    expect(applied.map(({ tag }) => tag)).toEqual(["20251102000000_a", "20251103000000_two words"]);
    expect(await database.sql`select id from a`).toEqual([{ id: 1 }]);
    await write("20251103000000_two words/migration.sql", "insert into a values (2);");
    await expect(migrator.migrate()).rejects.toMatchObject({
      code: "history_invalid",
      message: expect.stringContaining("20251103000000_two words/migration.sql was sha256:"),
    });
  });

  test("beside a journal is refused, with both layouts named", async () => {
    await write("meta/_journal.json", journalOf(["0000_a"]));
    await write("0000_a.sql", "create table a (id int);");
    expect(await tags()).toEqual(["0000_a"]);
    await write("20251103000000_b/migration.sql", "create table b (id int);");
    await expect(tags()).rejects.toMatchObject({
      code: "history_invalid",
      message: expect.stringMatching(
        /both layouts .*_journal\.json of 0\.x, and 1 folder of 1\.x \(20251103000000_b\).*drizzle-kit up/s,
      ),
    });
  });

  test("without a migration is no history", async () => {
    await write("notes/readme.md", "");
    await expect(tags()).rejects.toMatchObject({
      code: "history_invalid",
      message: expect.stringContaining("neither"),
    });
  });
});
