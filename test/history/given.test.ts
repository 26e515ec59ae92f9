import { describe, expect, test } from "vitest";
import { DatabaseMigrator, type GivenMigration } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { historyFolder, THREE } from "../helpers/history.ts";

const GIVEN: readonly GivenMigration[] = Object.entries(THREE).map(([tag, sql]) => ({ tag, sql }));

const database = useDatabase();

describe("a history that is given in place of a folder", () => {
  test("is migrated like one, and is the same history", async () => {
    const { url } = database;
    const report = await new DatabaseMigrator({ url, history: GIVEN }).migrate();
    expect(report.applied.map(({ tag }) => tag)).toEqual(Object.keys(THREE));
    const folder = await historyFolder(THREE);
    const again = await new DatabaseMigrator({ url, dir: folder.dir }).migrate();
    expect(again).toMatchObject({ outcome: "current", head: report.head });
    await folder.remove();
  });

  test("may come from a function, which each call asks again", async () => {
    const { url } = database;
    const given: GivenMigration[] = GIVEN.slice(0, 1);
    const migrator = new DatabaseMigrator({ url, history: async () => given });
    await migrator.migrate();
    given.push(...GIVEN.slice(1));
    expect((await migrator.status()).pending).toBe(2);
    expect((await migrator.migrate()).applied).toHaveLength(2);
  });

  test("names its files in messages as they were given", async () => {
    const history = [{ tag: "a", sql: "select 1;\nselect nothing", file: "sql/a.sql" }];
    const migrator = new DatabaseMigrator({ url: database.url, history });
    await expect(migrator.migrate()).rejects.toMatchObject({
      code: "migration_failed",
      recorded: { file: "sql/a.sql", line: 2 },
    });
  });

  test("is refused with a tag twice, without one, and beside a folder", async () => {
    const { url } = database;
    const twice = [...GIVEN, ...GIVEN.slice(0, 1)];
    await expect(new DatabaseMigrator({ url, history: twice }).migrate()).rejects.toMatchObject({
      code: "history_invalid",
      fact: `The history has two migrations ${GIVEN[0]?.tag}.`,
    });
    const nameless = [{ tag: "", sql: "select 1" }];
    await expect(new DatabaseMigrator({ url, history: nameless }).status()).rejects.toMatchObject({
      code: "history_invalid",
    });
    expect(() => new DatabaseMigrator({ url, dir: "drizzle", history: GIVEN })).toThrow(/both/);
  });
});
