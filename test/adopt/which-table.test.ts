import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator, type MigratorOptions } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { historyFolder, useHistory } from "../helpers/history.ts";

const FIRST = "create extension if not exists citext;";

const database = useDatabase();
const folder = useHistory({ "0000_first": FIRST, "0001_ours": "create table ours (id integer);" });

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });
const byDrizzle = (table?: { schema: string; table: string }) =>
  migrateWithDrizzle("0.x", { url: database.url, dir: folder.dir, ...(table && { table }) });
const defaultRows = () => database.sql`select hash from drizzle.__drizzle_migrations order by id`;
const refused = (work: Promise<unknown>) =>
  expect(work).rejects.toMatchObject({ code: "adopt_required", outcome: "nothing-run" });

describe("another project's table, of which a file has the same text as one of ours,", () => {
  beforeEach(async () => {
    const theirs = await historyFolder({ "0000_extension": FIRST });
    onTestFinished(theirs.remove);
    await migrateWithDrizzle("0.x", { url: database.url, dir: theirs.dir });
    // The tests' histories all begin at one time.
    await database.sql`update drizzle.__drizzle_migrations set created_at = created_at - 5000`;
  });

  test("is nobody's of ours where the settings name another, and nothing is written there", async () => {
    const ours = migrator({ drizzleTable: { schema: "ours_schema", table: "applied" } });
    await refused(ours.migrate());
    expect(await ours.migrate({ allowExisting: true }).catch((error) => error.code)).toBe(
      "adopt_required",
    );
    expect(await defaultRows()).toHaveLength(1);
  });

  test("is not taken for ours by that text alone", async () => {
    await expect(migrator().migrate()).rejects.toMatchObject({
      code: "adopt_required",
      fact: expect.stringContaining("it has the text of 0000_first, but another time"),
    });
    expect(await migrator().adopt({ acceptMarked: true })).toMatchObject({
      adopted: ["0000_first"],
    });
  });
});

describe("several tables with rows of this history", () => {
  const COPY = { schema: "public", table: "a_backup" };

  beforeEach(async () => {
    await byDrizzle();
    await database.sql`create table public.a_backup as select * from drizzle.__drizzle_migrations`;
  });

  test("leave no doubt where drizzle's default is one of them, or the settings name one", async () => {
    expect(await migrator({ drizzleTable: COPY }).status()).toMatchObject({
      ...{ problems: [], drizzle: { table: "public.a_backup" } },
    });
    expect(await migrator().migrate()).toMatchObject({
      takenOver: { table: "drizzle.__drizzle_migrations" },
    });
  });

  test("are refused where no setting tells them apart", async () => {
    await database.sql`alter table drizzle.__drizzle_migrations rename to another`;
    await refused(migrator().migrate());
    expect(await migrator({ drizzleTable: COPY }).migrate()).toMatchObject({
      takenOver: { table: "public.a_backup" },
    });
  });

  test("are refused where the one of the settings is not among them", async () => {
    await expect(
      migrator({ drizzleTable: { schema: "drizzle", table: "nothing" } }).migrate(),
    ).rejects.toMatchObject({
      fact: expect.stringContaining(
        "that the settings name for drizzle's migrator has no rows, but",
      ),
    });
  });
});

test("a table of that name whose numbers are none is somebody else's", async () => {
  await database.sql.unsafe(
    "create table public.__drizzle_migrations (id uuid, hash text, created_at bigint)",
  );
  expect(await migrator().migrate({ allowExisting: true })).toMatchObject({ outcome: "applied" });
});
