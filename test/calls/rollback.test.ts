import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch, storyOf } from "../helpers/ledger.ts";

const database = useDatabase();
const folder = useHistory();

const DOWNS = {
  "0000_create_notes": `drop table "notes";`,
  "0001_add_author": `drop index "notes_author_idx";--> statement-breakpoint
alter table "notes" drop column "author";`,
  "0002_first_note": `delete from "notes" where author = 'ada';`,
} as const;

async function migrated(): Promise<DatabaseMigrator> {
  await folder.make(THREE);
  for (const [tag, sql] of Object.entries(DOWNS)) await folder.write(`${tag}.down`, sql);
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
  await migrator.migrate();
  return migrator;
}

describe("a rollback", () => {
  test("takes the newest migration back, which is pending again and can be applied again", async () => {
    const migrator = await migrated();
    const report = await migrator.rollback({ allowDataLoss: true });
    expect(report).toMatchObject({ outcome: "reverted", version: "0001_add_author" });
    expect(report.reverted.map(({ tag }) => tag)).toEqual(["0002_first_note"]);
    expect(await database.sql`select count(*)::int as n from notes`).toEqual([{ n: 0 }]);
    const { migrations, pending } = await migrator.status();
    expect(migrations.map(({ state }) => state.kind)).toEqual(["DONE", "DONE", "PENDING"]);
    expect(pending).toBe(1);
    const { events } = await expectFoldToMatch(database.url);
    expect(storyOf(events).slice(-2)).toEqual([
      "0002_first_note started 2",
      "0002_first_note reverted 2",
    ]);
    expect((await migrator.migrate()).applied.map(({ tag }) => tag)).toEqual(["0002_first_note"]);
    await expectFoldToMatch(database.url);
  });

  test("of all goes down to an empty database, newest first, and up again", async () => {
    const migrator = await migrated();
    const report = await migrator.rollback({ steps: "all", allowDataLoss: true });
    expect(report.reverted.map(({ tag }) => tag)).toEqual(Object.keys(THREE).toReversed());
    expect(report.version).toBeUndefined();
    expect(await database.sql`select to_regclass('notes') as notes`).toEqual([{ notes: null }]);
    await expectFoldToMatch(database.url);
    expect(await migrator.rollback()).toMatchObject({ outcome: "current", reverted: [] });
    expect((await migrator.migrate()).applied).toHaveLength(3);
    await expectFoldToMatch(database.url);
  });

  test("refuses to lose rows, and counts them", async () => {
    const migrator = await migrated();
    await expect(migrator.rollback({ to: "0000_create_notes" })).rejects.toMatchObject({
      code: "data_loss",
      fact: `This rollback of the database ${new URL(database.url).pathname.slice(1)} would lose rows:
  0002_first_note: rows of table notes (1 row)
  0001_add_author: column notes.author (1 row)`,
    });
  });
});
