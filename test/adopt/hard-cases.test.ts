import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { useHistory } from "../helpers/history.ts";

const START = 1_700_000_000_000;
const INSERT = "insert into log values (1);";

const database = useDatabase();
const folder = useHistory({ "0000_log": "create table log (n integer);" });

const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const byDrizzle = () => migrateWithDrizzle("0.x", { url: database.url, dir: folder.dir });
const count = async () => (await database.sql`select from log`).length;

/** The journal: each tag with its time, in milliseconds after the start. */
async function list(...entries: readonly (readonly [tag: string, after: number])[]) {
  for (const [tag] of entries) if (tag !== "0000_log") await folder.write(tag, INSERT);
  const journal = entries.map(([tag, after], idx) => ({
    ...{ idx, version: "7", when: START + after, tag, breakpoints: true },
  }));
  await writeFile(
    `${folder.dir}/meta/_journal.json`,
    JSON.stringify({ version: "7", dialect: "postgresql", entries: journal }),
  );
}

test("a second row of one file does not stand for a pending one of the same text", async () => {
  await list(["0000_log", 0], ["0001_a", 10]);
  await byDrizzle();
  await database.sql`
    insert into drizzle.__drizzle_migrations (hash, created_at)
    select hash, created_at from drizzle.__drizzle_migrations where id = 2`;
  await list(["0000_log", 0], ["0001_a", 10], ["0002_b", 20]);
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "adopt_required" });
  await migrator().adopt({ forget: ["duplicate"] });
  expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0002_b" }] });
  expect(await count()).toBe(2);
});

test("rows that were left out of account pass nothing over", async () => {
  await database.sql.unsafe(`create schema drizzle;
    create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('theirs', ${START + 9_999_999})`);
  await migrator().adopt({ forget: ["unknown"] });
  expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0000_log" }] });
});

test("a row that is a migration's is never left out of account: that would run again", async () => {
  await list(["0000_log", 0], ["0001_a", 10]);
  await byDrizzle();
  await folder.write("0001_a", `${INSERT} -- edited`);
  await expect(migrator().adopt({ forget: [2] })).rejects.toMatchObject({
    code: "usage",
    fact: expect.stringContaining("row 2 is of 0001_a"),
  });
  expect(await count()).toBe(1);
});

test("an older release goes on booting after a takeover that passed something over", async () => {
  await list(["0000_log", 0], ["0001_a", 30]);
  await byDrizzle();
  const older = [
    ["0000_log", 0],
    ["0001_a", 30],
    ["0002_late", 20],
  ] as const;
  const newer = [...older, ["0003_b", 40]] as const;
  await list(...older);
  await migrator().migrate();
  await list(...newer);
  expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0003_b" }] });
  await list(...older);
  expect(await migrator().migrate()).toMatchObject({ outcome: "newer", applied: [] });
  expect(await migrator().waitUntilCurrent({ timeoutMs: 500 })).toMatchObject({ outcome: "newer" });
});

test("rows whose numbers begin again are read again", async () => {
  await list(["0000_log", 0]);
  await byDrizzle();
  await database.sql`update drizzle.__drizzle_migrations set id = 50`;
  await migrator().migrate();
  await database.sql.unsafe(
    "alter sequence drizzle.__drizzle_migrations_id_seq restart with 2; update drizzle.__drizzle_migrations set id = 1",
  );
  await list(["0000_log", 0], ["0001_a", 10]);
  await byDrizzle();
  expect(await migrator().migrate()).toMatchObject({
    applied: [],
    takenOver: { adopted: ["0001_a"] },
  });
  expect(await count()).toBe(1);
});

test("a migration that drizzle commits in the middle of ours is rolled back, and taken over", async () => {
  await list(["0000_log", 0]);
  await byDrizzle();
  await migrator().migrate();
  await list(["0000_log", 0], ["0001_a", 10]);
  const hash = createHash("sha256").update(INSERT).digest("hex");
  let isDone = false;
  const ours = new DatabaseMigrator(
    { url: database.url, dir: folder.dir },
    {
      onFailpoint: async ({ phase, message }) => {
        if (isDone || phase !== "before" || message !== "migration:0001_a") return;
        isDone = true;
        await database.sql`insert into log values (1)`;
        await database.sql`
          insert into drizzle.__drizzle_migrations (hash, created_at) values (${hash}, ${START + 10})`;
      },
    },
  );
  await expect(ours.migrate()).rejects.toMatchObject({
    code: "migration_failed",
    message: expect.stringContaining("drizzle's own migrator has applied this migration"),
  });
  expect(isDone).toBe(true);
  expect(await migrator().migrate()).toMatchObject({
    applied: [],
    takenOver: { adopted: ["0001_a"] },
  });
  expect(await count()).toBe(1);
});

test("a role that may not write drizzle's table any more is told so, and how to go on", async () => {
  await byDrizzle();
  await migrator().migrate();
  await database.sql`alter table drizzle.__drizzle_migrations rename column created_at to created`;
  await list(["0000_log", 0], ["0001_a", 10]);
  await expect(migrator().migrate()).rejects.toMatchObject({
    message: expect.stringMatching(/drizzle's own table .* cannot be written.*--no-mirror/s),
  });
  expect(await migrator().migrate({ mirror: false })).toMatchObject({
    applied: [{ tag: "0001_a" }],
  });
});
