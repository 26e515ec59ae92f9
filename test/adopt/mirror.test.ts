import { writeFile } from "node:fs/promises";
import { describe, expect, test, vi } from "vitest";
import { DatabaseMigrator, type MigratorOptions } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { useHistory } from "../helpers/history.ts";
import { readLedgerContent } from "../helpers/ledger.ts";
import { createMigratingRole } from "../helpers/role.ts";

/** That runs a second time without an error: what it inserts tells. */
const CREDITS = {
  "0000_credits": "create table if not exists credits (amount integer not null);",
  "0001_first": "insert into credits values (100);",
} as const;

const database = useDatabase();
const folder = useHistory(CREDITS);

function migrator(options: Partial<MigratorOptions> = {}): DatabaseMigrator {
  return new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });
}

const byDrizzle = (table?: { schema: string; table: string }) =>
  migrateWithDrizzle("0.x", { url: database.url, dir: folder.dir, ...(table && { table }) });

const sum = async () => {
  const [row] = await database.sql`select sum(amount)::int as sum from credits`;
  return row?.sum;
};

const drizzleRows = () =>
  database.sql`select id, hash, created_at from drizzle.__drizzle_migrations order by id`;

const add = async (tag: string, sql: string) => {
  await folder.write(tag, sql);
  await folder.list([...Object.keys(CREDITS), tag]);
};

describe("while drizzle's migrator is at work, a takeover", () => {
  test("waits for what it is about to commit, whatever the numbers of its rows", async () => {
    await byDrizzle();
    await add("0002_second", "insert into credits values (20);");
    const [row] = await database.sql`
      select encode(sha256('insert into credits values (20);'::bytea), 'hex') as hash`;
    const drizzles = await database.sql.reserve();
    // Its row has number 3, and is committed after number 4.
    await drizzles.unsafe(`begin; insert into credits values (20);
      insert into drizzle.__drizzle_migrations (hash, created_at) values ('${row?.hash}', 1700000000002)`);
    await database.sql`
      insert into drizzle.__drizzle_migrations (hash, created_at) values ('theirs', 5)`;
    const run = migrator().adopt({ forget: ["unknown"] });
    await vi.waitFor(async () => {
      const waiting = await database.sql`
        select 1 from pg_locks where relation = 'drizzle.__drizzle_migrations'::regclass and not granted`;
      expect(waiting).toHaveLength(1);
    });
    await drizzles.unsafe("commit");
    drizzles.release();
    expect(await run).toMatchObject({ mirrored: true });
    expect(await migrator().migrate()).toMatchObject({ outcome: "current", applied: [] });
    expect(await sum()).toBe(120);
  });

  test("ends where somebody holds the table for good, and says so", {
    timeout: 30_000,
  }, async () => {
    await byDrizzle();
    const holder = await database.sql.reserve();
    await holder.unsafe("begin; lock table drizzle.__drizzle_migrations in row exclusive mode");
    await expect(migrator().migrate()).rejects.toMatchObject({
      ...{ code: "lock_timeout", outcome: "nothing-run" },
      fact: expect.stringContaining("drizzle.__drizzle_migrations"),
    });
    await holder.unsafe("rollback");
    holder.release();
    expect(await migrator().migrate()).toMatchObject({ takenOver: { adopted: { length: 2 } } });
  });
});

test("rows that were left out of account stay so", async () => {
  await database.sql.unsafe(`create schema drizzle;
    create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('theirs', 5), ('theirs too', 6)`);
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "adopt_required" });
  const answer = await migrator().adopt({ forget: ["unknown"] });
  expect(answer).toMatchObject({ adopted: [], problems: [], mirrored: false });
  expect(await migrator().migrate()).toMatchObject({ applied: { length: 2 } });
  // It is another project's: nothing is written there, whatever that project writes.
  expect(await drizzleRows()).toHaveLength(2);
  await database.sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('more', 7)`;
  await add("0002_second", "insert into credits values (20);");
  expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0002_second" }] });
});

test("after a squash: the old rows are left out of account, the new file is marked, and drizzle goes on", async () => {
  await byDrizzle();
  await folder.make({
    "0000_squashed": `${CREDITS["0000_credits"]} ${CREDITS["0001_first"]} -- one`,
  });
  await writeJournal(folder.dir, journalAt("0000_squashed", 1_700_000_000_500));
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "adopt_required" });
  expect(
    await migrator().adopt({ forget: ["unknown"], markApplied: ["0000_squashed"] }),
  ).toMatchObject({ adopted: ["0000_squashed"], mirrored: true });
  expect(await migrator().migrate()).toMatchObject({ outcome: "current" });
  await byDrizzle();
  expect(await sum()).toBe(100);
});

describe("drizzle's table is kept up to date beside the ledger", () => {
  test("in the transaction of each migration, until that is ended", async () => {
    await byDrizzle();
    await add("0002_second", "insert into credits values (20);");
    await migrator().migrate();
    expect(await drizzleRows()).toMatchObject([
      { id: 1 },
      { id: 2 },
      { id: 3, created_at: "1700000000002" },
    ]);
    await byDrizzle();
    expect(await sum()).toBe(120);
    const end = await migrator().migrate({ mirror: false });
    expect(end).toMatchObject({ outcome: "current", takenOver: { mirrored: false } });
    await folder.write("0003_third", "insert into credits values (3);");
    await folder.list([...Object.keys(CREDITS), "0002_second", "0003_third"]);
    await migrator().migrate();
    expect(await drizzleRows()).toHaveLength(3);
    expect(await sum()).toBe(123);
  });

  test("not where the migration fails, and not where the table is gone", async () => {
    await byDrizzle();
    await add("0002_second", "insert into credits values (20); select broken;");
    await expect(migrator().migrate()).rejects.toMatchObject({ code: "migration_failed" });
    expect(await drizzleRows()).toHaveLength(2);
    await add("0002_second", "drop schema drizzle cascade; insert into credits values (20);");
    expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0002_second" }] });
    expect(await sum()).toBe(120);
  });

  test("from an empty one of a first run that failed, too", async () => {
    await database.sql.unsafe(
      "create schema drizzle; create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)",
    );
    expect(await migrator().migrate()).toMatchObject({ applied: { length: 2 } });
    expect(await drizzleRows()).toHaveLength(2);
    await byDrizzle();
    expect(await sum()).toBe(100);
  });

  test("by a role that may write there; another is told, and nothing is run", async () => {
    await byDrizzle();
    const role = await createMigratingRole(database, "");
    await database.sql.unsafe(
      `grant usage on schema drizzle to ${role.name}; grant select on all tables in schema drizzle to ${role.name}`,
    );
    const limited = migrator({ url: role.url });
    await expect(limited.migrate()).rejects.toMatchObject({
      ...{ code: "config", outcome: "nothing-run" },
      message: expect.stringMatching(/may not write to drizzle's table .*--no-mirror/s),
    });
    expect((await readLedgerContent(database.url)).rows).toEqual([]);
    expect(await limited.migrate({ mirror: false })).toMatchObject({
      takenOver: { adopted: { length: 2 }, mirrored: false },
    });
    await role.drop();
  });

  test("by a role with the rights that the refusal names", async () => {
    await byDrizzle();
    const role = await createMigratingRole(database, "");
    await database.sql.unsafe(
      `grant usage on schema drizzle to ${role.name}; grant select on all tables in schema drizzle to ${role.name}`,
    );
    const limited = migrator({ url: role.url });
    const refusal = await limited.migrate().catch((error) => error.remedy);
    const grants = /\((grant .*;)\)/.exec(refusal)?.[1]?.replaceAll("…", role.name) ?? "";
    expect(grants).toContain("sequences");
    await database.sql.unsafe(`${grants} grant all on credits to ${role.name}`);
    await add("0002_second", "insert into credits values (20);");
    expect(await limited.migrate()).toMatchObject({
      applied: [{ tag: "0002_second" }],
      takenOver: { mirrored: true },
    });
    expect(await drizzleRows()).toHaveLength(3);
    await role.drop();
  });
});

const journalAt = (tag: string, when: number) =>
  JSON.stringify({
    ...{ version: "7", dialect: "postgresql" },
    entries: [{ idx: 0, version: "7", when, tag, breakpoints: true }],
  });

const writeJournal = (dir: string, text: string) => writeFile(`${dir}/meta/_journal.json`, text);
