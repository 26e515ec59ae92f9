import { afterEach, beforeEach, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { DOWN_MIXED, folderWithDowns } from "../helpers/down-history.ts";
import type { HistoryFolder } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { runInProcess, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
let folder: HistoryFolder;

beforeEach(async () => {
  folder = await folderWithDowns({
    ...DOWN_MIXED,
    "0004_call": {
      up: "create procedure note() language sql as 'select 1'; create table called (n integer);",
      down: "-- tidemark: no-transaction\ncall note();\ndrop procedure note();\ndrop table called;",
    },
  });
});
afterEach(() => folder.remove());

const options = () => ({ url: database.url, dir: folder.dir });

test("a runner that dies while migrate waits for it leaves the migration half-way down: migrate does not run it up", async () => {
  const migrator = new DatabaseMigrator(options());
  await migrator.migrate({ to: "0002_swap" });
  const down = await startRunner();
  const failpoint = { phase: "before", message: "statement:0002_swap#3" } as const;
  down.start({ options: options(), rollback: {}, failpoint: { ...failpoint, signal: "SIGSTOP" } });
  await down.atFailpoint;
  const up = await startRunner();
  up.start({ options: options() });
  await up.seen("waiting");
  down.child.kill("SIGKILL");
  expect((await up.end).error).toMatchObject({ code: "in_doubt" });
  expect((await migrator.rollback()).reverted).toMatchObject([{ tag: "0002_swap" }]);
  await expectFoldToMatch(database.url);
});

/** What a procedure does is not known. */
const DESPITE_CALL = { allowDataLoss: true } as const;

test("a statement that leaves no trace is in doubt: a person answers, and the rollback goes on", async () => {
  const migrator = new DatabaseMigrator(options());
  await migrator.migrate();
  const failpoint = { phase: "before", message: "statement:0004_call#1" } as const;
  const end = await runInProcess({ options: options(), rollback: DESPITE_CALL, failpoint });
  expect(end.signal).toBe("SIGKILL");
  await expect(migrator.rollback(DESPITE_CALL)).rejects.toMatchObject({
    code: "in_doubt",
    tag: "0004_call",
  });
  expect((await migrator.repair()).kept).toMatchObject([{ tag: "0004_call" }]);
  // The folder's file is not asked: what was begun is in the ledger.
  const answered = await migrator.resolve({ tag: "0004_call", answer: "retry" });
  expect(answered).toMatchObject({ statement: 1, label: "call note()" });
  expect((await migrator.status()).migrations.at(-1)).toMatchObject({
    state: { kind: "PENDING" },
    flags: ["REVERTING"],
  });
  await expect(migrator.migrate()).rejects.toMatchObject({ code: "in_doubt" });
  expect((await migrator.rollback(DESPITE_CALL)).version).toBe("0003_view");
  await expectFoldToMatch(database.url);
});

test("a rollback that is told to stop records that, and is gone on with", async () => {
  const migrator = new DatabaseMigrator(options());
  await migrator.migrate();
  const stop = new AbortController();
  await database.sql`create or replace procedure note() language sql as 'select pg_sleep(20)'`;
  const run = migrator.rollback({
    ...DESPITE_CALL,
    signal: stop.signal,
    onProgress: ({ kind }) => {
      if (kind === "statement-started") stop.abort();
    },
  });
  await expect(run).rejects.toMatchObject({
    code: "canceled",
    remedy: expect.stringContaining("`tidemark rollback`"),
  });
  expect((await migrator.status()).migrations.at(-1)?.flags).toEqual(["REVERTING"]);
  await database.sql`create or replace procedure note() language sql as 'select 1'`;
  expect((await migrator.rollback(DESPITE_CALL)).version).toBe("0003_view");
  await expectFoldToMatch(database.url);
});
