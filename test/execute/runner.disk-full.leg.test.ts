import postgres from "postgres";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator, type MigratorOptions } from "../../src/db/migrate/index.ts";
import { type HistoryFolder, historyFolder } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { type OnSmallDisk, type SmallServer, startOnSmallDisk } from "../helpers/small-disk.ts";

let server: SmallServer;
let folder: HistoryFolder;

afterEach(() => folder.remove());

async function serverOn(part: OnSmallDisk, megabytes: number): Promise<SmallServer> {
  const started = await startOnSmallDisk(part, megabytes);
  onTestFinished(started.stop);
  return started;
}

/** Two hundred megabytes, between two that fit. */
const FILLING = {
  "0000_before": "create table before (id integer); insert into before values (1);",
  "0001_fill": `create table big as select repeat('x', 1000) as body from generate_series(1, 200000);`,
  "0002_after": "create table after (id integer); insert into after values (1);",
};

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new DatabaseMigrator({ url: server.url, dir: folder.dir, ...options });

async function failureOf(run: Promise<unknown>): Promise<Error & { readonly code: string }> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: "MigrateError" });
  return error as Error & { readonly code: string };
}

/** All of it is there once, and the ledger says so. */
async function expectApplied(): Promise<void> {
  const { rows } = await expectFoldToMatch(server.url);
  expect(rows.map(({ tag, state }) => `${tag} ${state}`).toSorted()).toEqual([
    "0000_before DONE",
    "0001_fill DONE",
    "0002_after DONE",
  ]);
  const sql = postgres(server.url, { max: 1 });
  const [row] = await sql`select (select count(*)::int from before) as before,
    (select count(*)::int from big) as big, (select count(*)::int from after) as after`;
  await sql.end();
  expect(row).toEqual({ before: 1, big: 200_000, after: 1 });
}

test("a migration that fills the disk is rolled back and recorded, and runs when there is room", {
  timeout: 120_000,
}, async () => {
  folder = await historyFolder(FILLING);
  server = await serverOn("data", 80);
  const error = await failureOf(migrator().migrate());
  console.log(error.message);
  expect(error).toMatchObject({
    code: "migration_failed",
    tag: "0001_fill",
    applied: ["0000_before"],
    notRun: ["0002_after"],
    recorded: { sqlState: "53100", statement: 1 },
  });
  expect(error.message).toContain("No space left on device");
  expect(error.message).toContain("Next: free up resources on the server");
  expect(error.message).not.toContain("could not be recorded");
  const { migrations } = await migrator().status();
  expect(migrations.map(({ state }) => state.kind)).toEqual(["DONE", "FAILED", "PENDING"]);
  await expectFoldToMatch(server.url);
  await server.resize(400);
  expect((await migrator().migrate()).version).toBe("0002_after");
  await expectApplied();
});

test("a disk that is full before the first run is named, nothing is left, and a later run goes through", {
  timeout: 120_000,
}, async () => {
  folder = await historyFolder(FILLING);
  server = await serverOn("data", 80);
  await server.fill(0);
  const error = await failureOf(migrator().migrate());
  console.log(error.message);
  expect(error).toMatchObject({ code: "connect", exitCode: 1 });
  expect(error.message).toContain("53100");
  expect(error.message).toContain("Make room on the server's disk");
  await server.free();
  await server.resize(400);
  expect((await migrator().migrate()).version).toBe("0002_after");
  await expectApplied();
});

test("a disk that stays full after the failure: the first error is told, and the ledger is whole", {
  timeout: 120_000,
}, async () => {
  // Long enough that its record takes pages of its own.
  const long = `do $$ begin raise exception using message = repeat('long ', 100000); end $$;`;
  folder = await historyFolder({ ...FILLING, "0001_fill": long });
  server = await serverOn("data", 80);
  await migrator().migrate({ to: "0000_before" });
  await server.fill(0);
  const error = await failureOf(migrator().migrate());
  console.log(error.message.slice(-300));
  expect(error).toMatchObject({ tag: "0001_fill", recorded: { sqlState: "P0001" } });
  await server.free();
  await expectFoldToMatch(server.url);
  await server.resize(400);
  await folder.write("0001_fill", FILLING["0001_fill"]);
  expect((await migrator().migrate()).version).toBe("0002_after");
  await expectApplied();
});

test("a log that fills its disk ends the server: the run says so in time, and goes on when there is room", {
  timeout: 120_000,
}, async () => {
  folder = await historyFolder(FILLING);
  server = await serverOn("wal", 48);
  const start = Date.now();
  const error = await failureOf(migrator({ connectTimeoutMs: 5_000 }).migrate());
  console.log(`${Date.now() - start} ms: ${error.message}`);
  expect(error.code).toBe("connect");
  expect(Date.now() - start).toBeLessThan(60_000);
  await server.resize(600);
  await server.start();
  expect((await migrator().migrate()).version).toBe("0002_after");
  await expectApplied();
});
