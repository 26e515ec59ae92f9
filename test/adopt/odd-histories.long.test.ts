import { describe, expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { contentsOf, expectSameContents } from "../helpers/database-contents.ts";
import { ODD_HISTORIES } from "../helpers/odd-histories.ts";
import { oddFolder } from "../helpers/odd-history-folder.ts";

const LEDGER = "tidemark";

describe.each(Object.entries(ODD_HISTORIES))("%s:", (_name, history) => {
  const { migrations, deploys = [migrations.length], edits, passedOver = [], table } = history;
  const drizzleSchema = table === undefined ? ["drizzle"] : [];

  async function setUp() {
    const database = await createDatabase();
    const folder = await oddFolder(history);
    onTestFinished(async () => {
      await folder.remove();
      await database.drop();
    });
    const { dir } = folder;
    const { url } = database;
    const migrator = new DatabaseMigrator({ url, dir, ...(table && { drizzleTable: table }) });
    return { ...folder, database, url, migrator };
  }

  /** A database as drizzle's migrator leaves it, deploy by deploy. */
  async function madeByDrizzle(steps = deploys) {
    const here = await setUp();
    for (const count of steps) {
      await here.deploy(count);
      await here.byDrizzle(here.url);
    }
    return here;
  }

  test("a new database is what drizzle makes of it", async () => {
    const drizzles = await madeByDrizzle(history.isStepwise ? deploys : [migrations.length]);
    const ours = await setUp();
    await ours.deploy(migrations.length);
    const { applied } = await ours.migrator.migrate();
    expect(applied.map(({ tag }) => tag)).toEqual(migrations.map(({ tag }) => tag));
    if (table !== undefined) {
      // Only drizzle keeps a table of its own.
      await drizzles.database.sql.unsafe(`drop table ${table.schema}.${table.table}`);
    }
    expectSameContents(
      await contentsOf(ours.url, [LEDGER, "drizzle"]),
      await contentsOf(drizzles.url, [LEDGER, "drizzle"]),
    );
  });

  test("a database that drizzle made is taken over as it is, and drizzle can go on from there", async () => {
    const here = await madeByDrizzle();
    await here.edit();
    const before = await contentsOf(here.url, [LEDGER]);
    if (edits !== undefined) {
      await expect(here.migrator.migrate()).rejects.toMatchObject({ code: "adopt_required" });
      await here.migrator.adopt({ acceptEdited: true });
    } else {
      expect(await here.migrator.migrate()).toMatchObject({ takenOver: { passedOver } });
    }
    expect(await here.migrator.migrate()).toMatchObject({ outcome: "current", applied: [] });
    expectSameContents(await contentsOf(here.url, [LEDGER]), before);

    const first = await here.addNext("create table next (made_by integer);");
    expect(await here.migrator.migrate()).toMatchObject({ applied: [{ tag: first }] });
    const second = await here.addNext("insert into next values (2);");
    await here.byDrizzle(here.url);
    const third = await here.addNext("insert into next values (3);");
    expect(await here.migrator.migrate()).toMatchObject({
      ...{ takenOver: { adopted: [second] }, applied: [{ tag: third }] },
    });
    await here.byDrizzle(here.url);
    expect(await here.database.sql`select made_by from next order by 1`).toEqual([
      { made_by: 2 },
      { made_by: 3 },
    ]);
    const rest = await contentsOf(here.url, [LEDGER, ...drizzleSchema]);
    const drizzlesTable = table && `${table.schema}.${table.table}`;
    for (const [name, rows] of Object.entries(before.rows)) {
      if (!name.startsWith("drizzle.") && name !== drizzlesTable)
        expect(rest.rows[name]).toEqual(rows);
    }
  });
});
