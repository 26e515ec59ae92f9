import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/db/connection/connect.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { eventually } from "../helpers/embedded-folder.ts";
import { THREE } from "../helpers/history.ts";
import { createProject, type Project } from "../helpers/project.ts";
import { screen } from "../helpers/screen.ts";
import { type Replication, startReplication } from "../helpers/standby.ts";

let replication: Replication;
let project: Project;

beforeAll(async () => {
  replication = await startReplication();
});

afterAll(() => replication.stop());

beforeEach(async () => {
  project = await createProject(THREE);
});

afterEach(() => project.remove());

/** A database of the test's own on both servers, with what the primary's commands have done. */
async function replicated(name: string, ...commands: readonly (readonly string[])[]) {
  await replication.createDatabase(name);
  for (const args of commands) {
    const env = { DATABASE_URL: replication.primaryUrl(name) };
    expect(await project.run(args, env)).toMatchObject({ code: 0 });
  }
  await replication.catchUp();
  return async (...args: readonly string[]) =>
    screen(await project.run(args, { DATABASE_URL: replication.standbyUrl(name) }));
}

test("status on a standby tells what the primary has done", async () => {
  const onStandby = await replicated("half", ["migrate", "--to", "0001_add_author"]);
  expect(await onStandby("status", "--check")).toMatchInlineSnapshot(`
    "exit code 3
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  <duration>  postgres@<host>
    0001_add_author  DONE  <time>  <duration>  postgres@<host>
    0002_first_note  PENDING
    1 pending. The database is at 0001_add_author.
    "
  `);
});

test("status on a standby does not take a runner at work for a dead one", async () => {
  await project.write("drizzle/0001_add_author.sql", "select pg_sleep(60);");
  const onStandby = await replicated("at_work", ["migrate", "--to", "0000_create_notes"]);
  const env = { DATABASE_URL: replication.primaryUrl("at_work") };
  const stop = new AbortController();
  const atWork = project.run(["migrate"], env, stop.signal);
  try {
    await eventually("the second migration is started", async () => {
      await replication.catchUp();
      return (await onStandby("status")).includes("0001_add_author  STARTED");
    });
    expect(await onStandby("migrate")).toContain("The server is a standby");
  } finally {
    stop.abort();
  }
  expect(await atWork).toMatchObject({ code: 143 });
});

test("migrate on a standby is refused while something is pending", async () => {
  const onStandby = await replicated("pending", ["migrate", "--to", "0001_add_author"]);
  expect(await onStandby("migrate")).toMatchInlineSnapshot(`
    "exit code 1
    --- stderr
    error (connect) The server is a standby: it can be read but not written, and migrations are pending.
    Nothing was run. Connect to the primary. The connection comes from DATABASE_URL.
    "
  `);
  expect(await onStandby("migrate", "--json")).toMatchInlineSnapshot(`
    "exit code 1
    --- stdout
    {"error":{"code":"connect","exitCode":1,"fact":"The server is a standby: it can be read but not written, and migrations are pending.","outcome":"nothing-run","remedy":"Connect to the primary. The connection comes from DATABASE_URL.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
    --- stderr
    error (connect) The server is a standby: it can be read but not written, and migrations are pending.
    Nothing was run. Connect to the primary. The connection comes from DATABASE_URL.
    "
  `);
});

test("migrate on a standby with nothing pending is fine: it reads alone", async () => {
  const onStandby = await replicated("done", ["migrate"]);
  expect(await onStandby("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Nothing pending. The database is at 0002_first_note.
    "
  `);
});

test("migrate on a standby without a ledger is refused", async () => {
  const onStandby = await replicated("fresh");
  expect(await onStandby("status")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    migration  state  when  took  by
    0000_create_notes  PENDING
    0001_add_author  PENDING
    0002_first_note  PENDING
    3 pending. The database is at no version.
    "
  `);
  expect(await onStandby("migrate")).toMatchInlineSnapshot(`
    "exit code 1
    --- stderr
    error (connect) The server is a standby: it can be read but not written, and it has no ledger yet.
    Nothing was run. Connect to the primary. The connection comes from DATABASE_URL.
    "
  `);
});

test("drift compares a standby with what its migrations make", async () => {
  const onStandby = await replicated("drifting", ["migrate"]);
  const primary = postgres(replication.primaryUrl("drifting"), { max: 1 });
  await primary`alter table notes add column more text`;
  await primary.end();
  await replication.catchUp();
  const shown = await onStandby("drift", "--scratch-url", replication.primaryUrl("postgres"));
  expect(shown).toMatch(/^exit code 4\n--- stdout\ncolumn public\.notes\.more: unexpected\n/);
});

test("doctor says that nothing can be migrated on a standby", async () => {
  const onStandby = await replicated("examined", ["migrate"]);
  const shown = await onStandby("doctor");
  expect(shown).toMatch(/^exit code 1\n/);
  expect(shown).toContain("\n✗ It is a standby, which takes no writes.\n  Connect to the primary;");
  expect(shown).toMatch(
    /\n✓ Ledger and folder agree: the database is at 0002_first_note, 0 pending\./,
  );
});

test.each([
  ["read-write", false],
  ["primary", false],
  ["read-only", true],
  ["standby", true],
  ["prefer-standby", true],
])(
  "target_session_attrs=%s of a URL with both leads, as with psql, to the standby: %s",
  async (target, isStandby) => {
    const [standby, primary] = [
      new URL(replication.standbyUrl("postgres")),
      new URL(replication.primaryUrl("postgres")),
    ];
    // The other one stands first.
    const [first, second] = isStandby ? [primary, standby] : [standby, primary];
    const login = `postgres://${first.username}:${first.password}`;
    const url = `${login}@${first.host},${second.host}/postgres?target_session_attrs=${target}`;
    const pool = new DatabasePool({ url, max: 1 });
    onTestFinished(() => pool.close());
    const asked = "select pg_is_in_recovery() as it";
    expect(await pool.queryOne(asked)).toEqual({ it: isStandby });
    const options = { url, connectTimeoutMs: 5_000, signal: undefined, onFailpoint: undefined };
    const opened = await connect({ ...options, onProgress: () => undefined }, asked);
    await opened.session.close();
    expect(opened.first).toMatchObject({ rows: [{ it: isStandby }] });
  },
);
