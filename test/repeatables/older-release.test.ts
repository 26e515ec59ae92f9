import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { type HistoryFolder, historyFolder, useHistory } from "../helpers/history.ts";
import { runInProcess, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const TABLE = { "0000_t": "create table t (id integer);" };
const older = useHistory(TABLE);
const view = (n: number) => `create or replace view v as select ${n} as release;`;
const optionsOf = ({ dir }: Pick<HistoryFolder, "dir">) => ({ url: database.url, dir });
const release = async () => (await database.sql`select release from v`)[0]?.release;

/** A release that comes after: same migrations and more, other texts. */
async function newer(migrations: Readonly<Record<string, string>>, text: string) {
  const folder = await historyFolder({ ...TABLE, ...migrations });
  await folder.repeat("v", text);
  return folder;
}

test("an older release with fewer migrations runs none of its texts", async () => {
  await older.repeat("v", view(1));
  await older.repeat("gone", "create or replace view gone as select 1;");
  const next = await newer({ "0001_u": "create table u (id integer);" }, view(2));
  await new DatabaseMigrator(optionsOf(next)).migrate();
  const [end] = await Promise.all([runInProcess({ options: optionsOf(older) })]);
  expect(end.report).toMatchObject({ outcome: "newer", repeatables: [] });
  expect(await release()).toBe(2);
  expect(await new DatabaseMigrator(optionsOf(older)).status()).toMatchObject({
    newer: true,
    pendingRepeatables: 0,
  });
  await next.remove();
});

test("one with the same migrations leaves alone what a newer one has replaced, and says so", async () => {
  await older.repeat("v", view(1));
  const next = await newer({}, view(2));
  await new DatabaseMigrator(optionsOf(older)).migrate();
  await new DatabaseMigrator(optionsOf(next)).migrate();
  const report = await new DatabaseMigrator(optionsOf(older)).migrate();
  expect(report).toMatchObject({ outcome: "current", repeatables: [] });
  expect(report.warnings.map(({ kind }) => kind)).toEqual(["older-repeatable"]);
  expect(await release()).toBe(2);
  const { repeatables, pendingRepeatables } = await new DatabaseMigrator(optionsOf(older)).status();
  expect(repeatables).toMatchObject([{ state: "DONE", flags: ["OLDER"] }]);
  expect(pendingRepeatables).toBe(0);
  expect(await new DatabaseMigrator(optionsOf(next)).migrate()).toMatchObject({
    outcome: "current",
  });
  await new DatabaseMigrator(optionsOf(older)).migrate({ allowOlder: true });
  expect(await release()).toBe(1);
  await next.remove();
});

test("one that waits while the newer works does not run its text over it", async () => {
  await older.repeat("v", view(1));
  await new DatabaseMigrator(optionsOf(older)).migrate();
  const next = await newer({}, view(2));
  const working = await startRunner();
  working.start({
    options: optionsOf(next),
    failpoint: { phase: "after", message: "repeatable:repeatable/v", signal: "SIGSTOP" },
  });
  await working.atFailpoint;
  // What the older one would run, had it not been replaced meanwhile.
  await older.repeat("other", "create or replace view other as select 1;");
  const waiting = await startRunner();
  const waits = waiting.looksAgain(2);
  waiting.start({ options: optionsOf(older) });
  await waits;
  working.resume();
  const [first, second] = await Promise.all([working.end, waiting.end]);
  expect(first.report?.repeatables).toMatchObject([{ tag: "repeatable/v" }]);
  expect(second.report?.repeatables).toMatchObject([{ tag: "repeatable/other" }]);
  expect(await release()).toBe(2);
  await next.remove();
});

test("a release that brings a migration may bring an older text back, also after a crash in between", async () => {
  await older.repeat("v", view(1));
  await new DatabaseMigrator(optionsOf(older)).migrate();
  await older.repeat("v", view(2));
  await new DatabaseMigrator(optionsOf(older)).migrate();
  const next = await newer({ "0001_u": "create table u (id integer);" }, view(1));
  const killed = await runInProcess({
    options: optionsOf(next),
    failpoint: { phase: "before", message: "repeatable:repeatable/v" },
  });
  expect(killed.signal).toBe("SIGKILL");
  expect(await release()).toBe(2);
  const report = await new DatabaseMigrator(optionsOf(next)).migrate();
  expect(report.repeatables).toMatchObject([{ tag: "repeatable/v", why: "changed" }]);
  expect(await release()).toBe(1);
  await next.remove();
});

test("after a rollback the next run runs them again", async () => {
  await older.write("0000_t.down", "drop view v; drop table t;");
  await older.repeat("v", "create or replace view v as select id as release from t;");
  const migrator = new DatabaseMigrator(optionsOf(older));
  await migrator.migrate();
  await migrator.rollback();
  expect(await migrator.status()).toMatchObject({
    pendingRepeatables: 1,
    repeatables: [{ state: "PENDING" }],
  });
  expect(await migrator.migrate()).toMatchObject({ repeatables: [{ why: "rolled-back" }] });
  expect(await release()).toBe(undefined);
});

test("a way down that a repeatable's view is in the way of fails, and names it", async () => {
  await older.write("0001_c", "alter table t add column c integer;");
  await older.write("0001_c.down", "alter table t drop column c;");
  await older.list(["0000_t", "0001_c"]);
  await older.repeat("v", "create or replace view v as select c as release from t;");
  const migrator = new DatabaseMigrator(optionsOf(older));
  await migrator.migrate();
  await expect(migrator.rollback()).rejects.toMatchObject({
    code: "migration_failed",
    message: expect.stringContaining("view v depends on column c of table t"),
    remedy: expect.stringContaining("What a repeatable made may be dropped there"),
  });
  await older.write("0001_c.down", "drop view if exists v;\nalter table t drop column c;");
  await migrator.rollback();
  expect(await migrator.migrate()).toMatchObject({ repeatables: [{ why: "rolled-back" }] });
});
