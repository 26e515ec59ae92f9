import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch, storyOf } from "../helpers/ledger.ts";
import { tcpProxy } from "../helpers/network.ts";

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

/** The folder of an older release: without the newest migration and its down file. */
async function olderImage(): Promise<DatabaseMigrator> {
  const [first, second, third] = Object.keys(THREE) as [string, string, string];
  await folder.list([first, second]);
  await rm(join(folder.dir, `${third}.sql`));
  await rm(join(folder.dir, `${third}.down.sql`));
  return new DatabaseMigrator({ url: database.url, dir: folder.dir });
}

describe("an older release", () => {
  test("takes back what it has no file of, by the down file that the ledger has kept, and then has all it needs", async () => {
    await migrated();
    const older = await olderImage();
    expect(await older.migrate()).toMatchObject({ outcome: "newer" });
    expect(await older.planRollback({ to: "0001_add_author" })).toMatchObject({
      steps: [
        {
          tag: "0002_first_note",
          source: "ledger",
          statements: [DOWNS["0002_first_note"].slice(0, -1)],
        },
      ],
    });
    await older.rollback({ to: "0001_add_author", allowDataLoss: true });
    expect(await older.migrate()).toMatchObject({ outcome: "current", version: "0001_add_author" });
    await expectFoldToMatch(database.url);
  });

  test("says which migrations have no way back, where nothing was kept", async () => {
    await folder.make(THREE);
    await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
    await folder.write("0002_first_note.down", "");
    const older = await olderImage();
    await expect(older.rollback({ to: "0001_add_author" })).rejects.toMatchObject({
      code: "missing_file",
      fact: expect.stringContaining("Nothing says how to take back 0002_first_note"),
      remedy: expect.stringContaining("`tidemark down-file 0002_first_note`"),
      outcome: "nothing-run",
    });
  });
});

describe("which text takes a migration back", () => {
  test("the folder's, where it was corrected since; the ledger's, where the folder has another migration", async () => {
    const migrator = await migrated();
    await folder.write("0002_first_note.down", "select 1;");
    expect(await migrator.planRollback()).toMatchObject({
      steps: [{ source: "folder", statements: ["select 1"] }],
    });
    await folder.write("0002_first_note", "select 2;");
    expect(await migrator.planRollback()).toMatchObject({ steps: [{ source: "ledger" }] });
  });

  test("no file that tidemark.sum does not have like this", async () => {
    const migrator = await migrated();
    const { writeSumFile } = await import("../../src/db/migrate/index.ts");
    await writeSumFile(folder.dir);
    expect((await migrator.planRollback()).problems).toEqual([]);
    await folder.write("0002_first_note.down", "drop table notes;");
    await expect(migrator.rollback({ allowDataLoss: true })).rejects.toMatchObject({
      code: "history_invalid",
      fact: expect.stringContaining("0002_first_note.down.sql is not as tidemark.sum has it"),
    });
  });

  test("none, where it says that there is no way back", async () => {
    const migrator = await migrated();
    await folder.write("0002_first_note.down", "\n  --IRREVERSIBLE\n");
    await expect(migrator.rollback()).rejects.toMatchObject({ code: "irreversible" });
    await folder.write("0002_first_note.down", "-- irreversible: the mail is sent\n");
    await expect(migrator.rollback()).rejects.toMatchObject({
      code: "irreversible",
      exitCode: 1,
      tag: "0002_first_note",
      fact: expect.stringContaining("the mail is sent"),
      outcome: "nothing-run",
    });
  });
});

describe("what a rollback loses", () => {
  test("is what tables and columns hold; empty ones hold nothing", async () => {
    const migrator = await migrated();
    await database.sql`insert into notes (body) values ('no author')`;
    const { steps } = await migrator.planRollback({ steps: "all" });
    expect(steps.map(({ loses }) => loses)).toEqual([
      [{ what: "rows of table notes", rows: 2, isExact: true }],
      [{ what: "column notes.author", rows: 1, isExact: true }],
      [{ what: "table notes", rows: 2, isExact: true }],
    ]);
    await database.sql`delete from notes`;
    expect(await migrator.rollback({ steps: "all" })).toMatchObject({ outcome: "reverted" });
  });

  test("is not known of a table that another step renames; nothing of one that another step makes", async () => {
    await folder.make({
      "0000_a": "create table a (id integer); insert into a values (1);",
      "0001_rename": "alter table a rename to b;",
      "0002_drop": "drop table b;",
    });
    await folder.write("0000_a.down", "drop table a;");
    await folder.write("0001_rename.down", "alter table b rename to a;");
    await folder.write("0002_drop.down", "create table b (id integer);");
    const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
    await migrator.migrate({ to: "0001_rename" });
    const renamed = await migrator.planRollback({ steps: "all" });
    expect(renamed.steps.map(({ loses }) => loses)).toEqual([
      [],
      [{ what: "table a", rows: null, isExact: false }],
    ]);
    await migrator.migrate();
    const made = await migrator.planRollback({ steps: 2 });
    expect(made.steps.map(({ loses }) => loses)).toEqual([[], []]);
  });

  test("is found in what the down file notes, where no statement shows it", async () => {
    await folder.make({
      "0000_a": "create table a (n integer); insert into a values (1), (null);",
      "0001_wider": "alter table a alter column n type bigint;",
    });
    await folder.write(
      "0001_wider.down",
      "-- loses: values of column a.n that do not fit integer\nalter table a alter column n type integer;",
    );
    const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
    await migrator.migrate();
    expect((await migrator.planRollback()).steps[0]?.loses).toEqual([
      { what: "values of column a.n", rows: 1, isExact: true },
    ]);
  });

  test("is of the table that a short name means to the role; not known where the file has a search path of its own", async () => {
    await folder.make({ "0000_a": "create schema app; create table app.a (n integer);" });
    await folder.write("0000_a.down", "drop table a;");
    const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
    await migrator.migrate();
    await database.sql.unsafe(`insert into app.a values (1), (2); create table public.a (n integer);
      alter database ${database.name} set search_path = app, public`);
    const loses = async () => (await migrator.planRollback()).steps[0]?.loses;
    expect(await loses()).toEqual([{ what: "table a", rows: 2, isExact: true }]);
    await folder.write("0000_a.down", "set search_path = public; drop table a;");
    expect(await loses()).toEqual([{ what: "table a", rows: null, isExact: false }]);
  });

  test("wants the database's name through a tunnel, which the server sees as an address of its own", async () => {
    const migrator = await migrated();
    expect(await migrator.planRollback()).toMatchObject({ isLocal: true });
    const tunnel = await tcpProxy(database.url);
    try {
      const far = new DatabaseMigrator({ url: tunnel.url, dir: folder.dir });
      expect(await far.planRollback()).toMatchObject({ isLocal: false });
      await expect(far.rollback({ allowDataLoss: true })).rejects.toMatchObject({
        code: "data_loss",
        remedy: expect.stringContaining(`--database ${database.name}`),
      });
    } finally {
      await tunnel.close();
    }
  });

  test("is lost in no other database than the one named", async () => {
    const migrator = await migrated();
    await expect(
      migrator.rollback({ allowDataLoss: true, database: "shop" }),
    ).rejects.toMatchObject({ code: "usage", fact: expect.stringContaining("not shop") });
    expect(await migrator.status()).toMatchObject({ version: "0002_first_note" });
  });
});

describe("a rollback that fails", () => {
  test("leaves the migration applied, says so, and is tried again; repair gives it up", async () => {
    const migrator = await migrated();
    await folder.write("0002_first_note.down", "create table half (id integer); select 1 / 0;");
    await expect(migrator.rollback({ steps: 2, allowDataLoss: true })).rejects.toMatchObject({
      code: "migration_failed",
      tag: "0002_first_note",
      outcome: "rolled-back",
      fact: expect.stringContaining("it is applied as before. 1 migration after it not reverted."),
      remedy: expect.stringContaining("`tidemark rollback`"),
      notRun: ["0001_add_author"],
      applied: [],
    });
    expect((await migrator.status()).migrations[2]).toMatchObject({
      state: { kind: "FAILED" },
      flags: ["REVERTING"],
    });
    await expect(migrator.migrate()).rejects.toMatchObject({ code: "in_doubt" });
    const [before] = await database.sql`select head from tidemark.runner`;
    expect((await migrator.repair()).repaired).toMatchObject([{ restored: true }]);
    expect(await database.sql`select head from tidemark.runner`).not.toEqual([before]);
    expect(await migrator.migrate()).toMatchObject({ outcome: "current" });
    await folder.write("0002_first_note.down", DOWNS["0002_first_note"]);
    await migrator.rollback({ allowDataLoss: true });
    await expectFoldToMatch(database.url);
  });

  test("is refused where a migration is partly applied: the rest of it would be run later on what is not there", async () => {
    await folder.make({
      "0000_a": "create table a (n integer);",
      "0001_b": "alter table a add column b integer; commit; select 1 / 0;",
    });
    await folder.write("0000_a.down", "drop table a;");
    const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
    await expect(migrator.migrate()).rejects.toMatchObject({ outcome: "partly-committed" });
    expect((await migrator.planRollback()).problems).toMatchObject([{ code: "in_doubt" }]);
    await expect(migrator.rollback({ steps: "all" })).rejects.toMatchObject({
      code: "in_doubt",
      tag: "0001_b",
      fact: expect.stringContaining(
        "0001_b is partly applied: 2 of its 3 statements are committed",
      ),
      outcome: "nothing-run",
    });
  });

  test("at a statement that no transaction holds is tried again from there", async () => {
    await folder.make({ "0000_a": "create table a (n integer);" });
    await folder.write("0000_a.down", "-- tidemark: no-transaction\ndrop table a;\nselect 1;");
    const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
    await migrator.migrate();
    await database.sql.unsafe(`create function refuse() returns event_trigger language plpgsql
      as $$ begin raise exception 'kept'; end $$`);
    await database.sql`create event trigger keep on sql_drop execute function refuse()`;
    await expect(migrator.rollback()).rejects.toMatchObject({ code: "migration_failed" });
    await database.sql`drop event trigger keep`;
    expect(await migrator.rollback()).toMatchObject({ outcome: "reverted" });
    await expectFoldToMatch(database.url);
  });

  test("is refused where something newer was applied since it was planned, or the target is none", async () => {
    const migrator = await migrated();
    await expect(migrator.rollback({ expect: ["0001_add_author"] })).rejects.toMatchObject({
      code: "out_of_order",
      outcome: "nothing-run",
    });
    await expect(migrator.rollback({ to: "0009_typo" })).rejects.toMatchObject({ code: "usage" });
    await expect(migrator.rollback({ steps: 4 })).rejects.toMatchObject({ code: "usage" });
    await expect(migrator.rollback({ steps: 0 })).rejects.toMatchObject({ code: "config" });
  });
});

test("what drizzle's migrator had applied goes too, and its table loses the rows, so that it can go on", async () => {
  await folder.make(THREE);
  for (const [tag, sql] of Object.entries(DOWNS)) await folder.write(`${tag}.down`, sql);
  const byDrizzle = () => migrateWithDrizzle("0.x", { url: database.url, dir: folder.dir });
  await folder.list(Object.keys(THREE).slice(0, 2));
  await byDrizzle();
  await folder.list(Object.keys(THREE));
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
  await migrator.migrate();
  await migrator.rollback({ to: "0000_create_notes", allowDataLoss: true });
  await expectFoldToMatch(database.url);
  const rows = () =>
    database.sql`select created_at::text from drizzle.__drizzle_migrations order by id`;
  expect(await rows()).toEqual([{ created_at: "1700000000000" }]);
  await byDrizzle();
  expect(await database.sql`select author from notes`).toEqual([{ author: "ada" }]);
  expect(await migrator.migrate()).toMatchObject({
    outcome: "current",
    version: "0002_first_note",
  });
  expect(await rows()).toHaveLength(3);
});

test("rows of drizzle's table that were left out of account stay so", async () => {
  await folder.make(THREE);
  for (const [tag, sql] of Object.entries(DOWNS)) await folder.write(`${tag}.down`, sql);
  const byDrizzle = () => migrateWithDrizzle("0.x", { url: database.url, dir: folder.dir });
  await folder.list(Object.keys(THREE).slice(0, 1));
  await byDrizzle();
  await database.sql`
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('theirs', 5)`;
  await folder.list(Object.keys(THREE).slice(0, 2));
  await byDrizzle();
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
  await migrator.adopt({ forget: [2] });
  // The row that is left with the highest number is not ours.
  await migrator.rollback();
  expect((await migrator.status()).problems).toEqual([]);
  expect((await migrator.migrate()).applied).toMatchObject([{ tag: "0001_add_author" }]);
  await expectFoldToMatch(database.url);
});

test("a folder of drizzle-kit 1.x goes down and up like any other", async () => {
  await folder.make({});
  const { mkdir, rm: remove, writeFile } = await import("node:fs/promises");
  await remove(join(folder.dir, "meta"), { recursive: true });
  for (const [i, [tag, sql]] of Object.entries(THREE).entries()) {
    const dir = join(folder.dir, `2024010100000${i}_${tag.slice(5)}`);
    await mkdir(dir);
    await writeFile(join(dir, "migration.sql"), sql);
    await writeFile(join(dir, "migration.down.sql"), DOWNS[tag as keyof typeof DOWNS]);
  }
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
  await migrator.migrate();
  const report = await migrator.rollback({
    to: "20240101000000_create_notes",
    allowDataLoss: true,
  });
  expect(report.reverted).toHaveLength(2);
  expect((await migrator.migrate()).applied).toHaveLength(2);
  await expectFoldToMatch(database.url);
});
