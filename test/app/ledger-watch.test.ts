import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { watchLedger } from "../../src/app/ledger-watch.ts";
import { createReader, type Reader } from "../../src/app/reader.ts";
import { createRoutes, type Shown } from "../../src/app/routes.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createDatabase, dropDatabase } from "../../src/db/server/databases.ts";
import { onServer, urlOfDatabase } from "../helpers/database.ts";
import { historyFolder, THREE, useHistory } from "../helpers/history.ts";

const folder = useHistory(THREE);
let name: string;
let url: string;
let migrator: DatabaseMigrator;
let pool: DatabasePool;
let reader: Reader;

const make = (database: string, template?: string) =>
  onServer((admin) => createDatabase(admin, database, template));
const drop = (database: string) => onServer((admin) => dropDatabase(admin, database));

async function run(statements: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  await sql.unsafe(statements);
  await sql.end();
}

beforeEach(async () => {
  name = `test_${randomBytes(6).toString("hex")}`;
  url = urlOfDatabase(name);
  await make(name);
  migrator = new DatabaseMigrator({ url, dir: folder.dir });
  await migrator.migrate();
  pool = new DatabasePool({ url });
  const boot = { kind: "ready", version: "0002_first_note", newer: false } as const;
  reader = createReader({ boot: () => boot, migrator: () => migrator, pool: () => pool }, 6_000, 0);
});
afterEach(async () => {
  await pool.close();
  await drop(name);
});

async function get(path: string, shown: Shown = "details") {
  // In place of a second's pause, for which an answer is kept.
  reader.forget();
  const api = {
    services: () => undefined,
    instance: "a",
    token: undefined,
    onDefect: () => undefined,
  };
  const app = createRoutes(reader, shown, api);
  const response = await app.request(path, { headers: { host: "localhost" } });
  return { status: response.status, text: await response.text() };
}

async function readyz(shown?: Shown) {
  const { status, text } = await get("/readyz", shown);
  return { status, body: JSON.parse(text) as Record<string, unknown> };
}

const READY = { status: 200, body: { status: "ready", version: "0002_first_note", newer: false } };

describe("a process that was ready is not any more", () => {
  test("where its database was dropped and made anew, until that is migrated", async () => {
    expect(await readyz()).toEqual(READY);
    await drop(name);
    expect(await readyz()).toMatchObject({ status: 503, body: { status: "database unavailable" } });
    await make(name);
    const behind = { status: "database behind", version: null, pending: Object.keys(THREE) };
    await expect.poll(() => readyz()).toMatchObject({ status: 503, body: behind });
    expect((await readyz()).body.remedy).toMatch(/^The database was made anew, restored/);
    expect(await readyz("state")).toEqual({ status: 503, body: { status: "database behind" } });
    expect((await get("/")).text).toContain("database behind this release: 3 migrations pending");
    expect((await get("/", "state")).text).toContain("database behind");
    await migrator.migrate();
    expect(await readyz()).toEqual(READY);
  });

  test("where it was restored to an older state, until that is migrated", async () => {
    const backup = `${name}_backup`;
    await drop(name);
    await make(name);
    await migrator.migrate({ to: "0001_add_author" });
    await pool.close();
    await make(backup, name);
    pool = new DatabasePool({ url });
    await migrator.migrate();
    expect(await readyz()).toEqual(READY);
    await drop(name);
    await make(name, backup);
    await drop(backup);
    const behind = { status: "database behind", version: "0001_add_author" };
    await expect
      .poll(() => readyz())
      .toMatchObject({ status: 503, body: { ...behind, pending: ["0002_first_note"] } });
    await migrator.migrate();
    expect(await readyz()).toEqual(READY);
  });

  test("where the ledger's schema is gone, with what would stop a run", async () => {
    expect(await readyz()).toEqual(READY);
    await run("drop schema tidemark cascade");
    expect(await readyz()).toMatchObject({
      status: 503,
      body: { status: "database behind", error: { code: "not_clean" } },
    });
    expect(await readyz("state")).toEqual({ status: 503, body: { status: "database behind" } });
  });

  test.each([
    [
      "update tidemark.schema_migrations set checksum = repeat('0', 64) where rank = 1",
      "checksum_mismatch",
    ],
    ["alter table tidemark.schema_migrations drop column checksum", "config"],
    [
      "alter table tidemark.schema_migrations enable row level security, force row level security",
      undefined,
    ],
  ])("where the ledger is not what this release knows: %s", async (statement, code) => {
    expect(await readyz()).toEqual(READY);
    await run(statement);
    if (code === undefined) {
      // Nothing is hidden from a superuser.
      expect(await readyz()).toEqual(READY);
      return;
    }
    expect(await readyz()).toMatchObject({
      status: 503,
      body: { status: "database differs", error: { code } },
    });
    expect(await readyz("state")).toEqual({ status: 503, body: { status: "database differs" } });
    expect((await get("/")).text).toContain(`database differs from this release: ${code}`);
  });
});

test("it stays ready on a database that is ahead, and says where that is", async () => {
  const newer = await historyFolder({ ...THREE, "0003_newer": "create table newer ()" });
  onTestFinished(newer.remove);
  expect(await readyz()).toEqual(READY);
  await new DatabaseMigrator({ url, dir: newer.dir }).migrate();
  expect(await readyz()).toEqual({
    status: 200,
    body: { status: "ready", version: "0003_newer", newer: true },
  });
});

test("it stays ready beside a newer release that fails at its first index", async () => {
  const newer = await historyFolder({
    ...THREE,
    "0003_index": "create index concurrently by_nothing on notes (no_such_column)",
  });
  onTestFinished(newer.remove);
  await expect(new DatabaseMigrator({ url, dir: newer.dir }).migrate()).rejects.toThrow("no_such");
  expect(await readyz()).toEqual({ ...READY, body: { ...READY.body, newer: true } });
  expect(await migrator.migrate()).toMatchObject({ applied: [] });
  expect(await migrator.waitUntilCurrent()).toMatchObject({ version: "0002_first_note" });
  expect(await migrator.status()).toMatchObject({ newer: true, pending: 0, problems: [] });
});

test("the ledger is read once as long as nothing is written there, and not for a lost connection", async () => {
  let reads = 0;
  const status = () => {
    reads += 1;
    return migrator.status();
  };
  const look = watchLedger({ pool: () => pool, status });
  for (let n = 0; n < 5; n += 1) expect(await look()).toMatchObject({ kind: "ready" });
  expect(reads).toBe(1);
  await run(
    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()",
  );
  expect(await look()).toMatchObject({ kind: "ready" });
  expect(await look()).toMatchObject({ kind: "ready" });
  expect(reads).toBe(1);
});
