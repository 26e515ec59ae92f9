import { writeFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { type HistoryFolder, historyFolder } from "../helpers/history.ts";

const database = useDatabase();

/** A folder whose migrations have times of their own, as two projects' have. */
async function folderAt(
  name: string,
  start: number,
): Promise<HistoryFolder & { grow: () => Promise<void> }> {
  const tags = [`0000_${name}`];
  const folder = await historyFolder({ [`0000_${name}`]: `create table ${name} (id integer);` });
  onTestFinished(folder.remove);
  const list = async () => {
    const entries = tags.map((tag, idx) => ({
      ...{ idx, version: "7", when: start + idx * 1_000_000, tag, breakpoints: true },
    }));
    await writeFile(
      `${folder.dir}/meta/_journal.json`,
      JSON.stringify({ version: "7", dialect: "postgresql", entries }),
    );
  };
  await list();
  const grow = async () => {
    const tag = `000${tags.length}_${name}`;
    await folder.write(tag, `insert into ${name} values (${tags.length});`);
    tags.push(tag);
    await list();
  };
  return { ...folder, grow };
}

test("two folders that share drizzle's table are each taken over once, and go on beside each other", async () => {
  const orders = await folderAt("orders", 1_700_000_000_123);
  const users = await folderAt("users", 1_700_000_500_123);
  const byDrizzle = ({ dir }: HistoryFolder) =>
    migrateWithDrizzle("0.x", { url: database.url, dir });
  await byDrizzle(orders);
  await byDrizzle(users);
  const migratorOf = ({ dir }: HistoryFolder, ledgerSchema: string) =>
    new DatabaseMigrator({ url: database.url, dir, ledgerSchema });
  const first = migratorOf(orders, "orders_ledger");
  const second = migratorOf(users, "users_ledger");
  for (const migrator of [first, second]) {
    await expect(migrator.migrate()).rejects.toMatchObject({ code: "adopt_required" });
    expect(await migrator.adopt({ forget: ["unknown"] })).toMatchObject({
      ...{ adopted: { length: 1 }, mirrored: true, problems: [] },
    });
  }
  for (let turn = 0; turn < 2; turn += 1) {
    await orders.grow();
    expect(await first.migrate()).toMatchObject({ applied: { length: 1 } });
    await users.grow();
    expect(await second.migrate()).toMatchObject({ applied: { length: 1 } });
  }
  await users.grow();
  await byDrizzle(users);
  expect(await second.migrate()).toMatchObject({
    applied: [],
    takenOver: { adopted: ["0003_users"] },
  });
  expect(await database.sql`select id from users order by 1`).toEqual([
    { id: 1 },
    { id: 2 },
    { id: 3 },
  ]);
  expect(await database.sql`select id from orders order by 1`).toEqual([{ id: 1 }, { id: 2 }]);
});
