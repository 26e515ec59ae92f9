import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import {
  formatMark,
  newDraftName,
  newTestName,
  parseMark,
  templateKey,
  templateName,
} from "../../src/db/server/marks.ts";
import { createTestDatabase, type TestDatabaseOptions } from "../../src/db/testing/index.ts";
import { onServer, urlOfDatabase } from "../helpers/database.ts";
import { eventually, queryOne } from "../helpers/embedded-folder.ts";
import { type HistoryFolder, historyFolder } from "../helpers/history.ts";
import { startTestProcess } from "../helpers/testing-process.ts";

/** A history that no other test has, so that its template is this test's own. */
async function ownHistory(extra: Readonly<Record<string, string>> = {}): Promise<HistoryFolder> {
  const folder = await historyFolder({
    "0000_create_notes": `-- ${randomBytes(6).toString("hex")}\ncreate table notes (id integer primary key, body text not null);`,
    "0001_add_author": "alter table notes add column author text;",
    ...extra,
  });
  onTestFinished(folder.remove);
  return folder;
}

/** A test database, dropped when the test has ended. */
async function createFor(dir: string, options: TestDatabaseOptions = {}) {
  const database = await createTestDatabase({ url: inject("serverUrl"), dir, ...options });
  onTestFinished(database.drop);
  return database;
}

async function keyOf(dir: string, to?: string): Promise<string> {
  const migrator = new DatabaseMigrator({ url: inject("serverUrl"), dir });
  const fingerprint = await migrator.fingerprint(to === undefined ? {} : { to });
  const { role } = await queryOne<{ role: string }>(
    inject("serverUrl"),
    "select current_user as role",
  );
  return templateKey(fingerprint, role);
}

async function databasesLike(part: string): Promise<readonly string[]> {
  return onServer(async (admin) => {
    const rows = await admin.ask<{ datname: string }>(
      `select datname from pg_database where position('${part}' in datname) > 0 order by datname`,
    );
    return rows.map(({ datname }) => datname);
  });
}

async function commentOf(name: string): Promise<string | null> {
  const query = `select shobj_description(oid, 'pg_database') as comment
    from pg_database where datname = '${name}'`;
  return (await queryOne<{ comment: string | null }>(inject("serverUrl"), query)).comment;
}

async function runIdOf(url: string): Promise<string> {
  const query = "select distinct run_id::text as run from tidemark.migration_events";
  return (await queryOne<{ run: string }>(url, query)).run;
}

async function columnsOf(url: string): Promise<string> {
  const query = `select string_agg(column_name, ' ' order by ordinal_position) as columns
    from information_schema.columns where table_name = 'notes'`;
  return (await queryOne<{ columns: string }>(url, query)).columns;
}

describe("a test database", () => {
  test("is migrated, of its own, and one like it is copied from the same template", async () => {
    const { dir } = await ownHistory();
    const a = await createFor(dir);
    const b = await createFor(dir);
    expect(a.name).not.toBe(b.name);
    expect(parseMark(a.name, await commentOf(a.name))).toMatchObject({ purpose: "test" });
    expect(await columnsOf(a.url)).toBe("id body author");
    await queryOne(a.url, "insert into notes values (1, 'mine', 'ada')");
    expect(await queryOne(b.url, "select count(*)::int as n from notes")).toEqual({ n: 0 });
    expect(
      await queryOne((await createFor(dir)).url, "select count(*)::int as n from notes"),
    ).toEqual({
      n: 0,
    });
    expect(await runIdOf(a.url)).toBe(await runIdOf(b.url));
    // To migrate it again is nothing to do: the ledger came with the copy.
    const report = await new DatabaseMigrator({ url: a.url, dir }).migrate();
    expect(report.outcome).toBe("current");
  });

  test("with `to` stops there; a seed's rows are what the next migration meets", async () => {
    const { dir } = await ownHistory({
      "0002_name_author": "update notes set author = 'nobody' where author is null;",
    });
    const database = await createFor(dir, {
      to: "0001_add_author",
      seed: "insert into notes values (1, 'a', 'ada'); insert into notes values (2, 'b', null);",
    });
    const report = await new DatabaseMigrator({ url: database.url, dir }).migrate();
    expect(report.applied.map(({ tag }) => tag)).toEqual(["0002_name_author"]);
    expect(
      await queryOne(database.url, "select string_agg(author, ' ' order by id) as who from notes"),
    ).toEqual({ who: "ada nobody" });
    // The seed is this database's, not the template's.
    const other = await createFor(dir, { to: "0001_add_author" });
    expect(await queryOne(other.url, "select count(*)::int as n from notes")).toEqual({ n: 0 });
  });

  test("has its ledger in another schema where one is named", async () => {
    const { dir } = await ownHistory();
    await createFor(dir);
    const { url } = await createFor(dir, { ledgerSchema: "log" });
    expect(await queryOne(url, "select count(*)::int as n from log.schema_migrations")).toEqual({
      n: 2,
    });
  });

  test("is dropped whoever is connected, once; `await using` drops it too", async () => {
    const { dir } = await ownHistory();
    const database = await createFor(dir);
    const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
    await sql`select 1`;
    await Promise.all([database.drop(), database.drop()]);
    await database.drop();
    await sql.end();
    expect(await databasesLike(database.name)).toEqual([]);
    let name: string;
    {
      await using other = await createTestDatabase({ url: inject("serverUrl"), dir });
      name = other.name;
      expect(await databasesLike(name)).toEqual([name]);
    }
    expect(await databasesLike(name)).toEqual([]);
  });
});

describe("the template", () => {
  test("is made once by eight processes that start from nothing", async () => {
    // A role is the server's: to run this a second time would fail.
    const role = `tidemark_once_${randomBytes(4).toString("hex")}`;
    const { dir } = await ownHistory({
      "0002_once": `create role ${role};`,
      "0003_slow": "select pg_sleep(0.2);",
    });
    onTestFinished(async () => {
      await onServer((admin) => admin.ask(`drop role if exists ${role}`));
    });
    const workers = await Promise.all(Array.from({ length: 8 }, () => startTestProcess()));
    const options = { url: inject("serverUrl"), dir };
    const created = await Promise.all(workers.map((worker) => worker.create(options)));
    expect(new Set(created.map(({ name }) => name)).size).toBe(8);
    const runs = await Promise.all(created.map(({ url }) => runIdOf(url)));
    expect(new Set(runs).size).toBe(1);
    const key = await keyOf(dir);
    expect(await databasesLike(key)).toEqual([templateName(key)]);
    await Promise.all(workers.map((worker) => worker.drop()));
    for (const { name } of created) expect(await databasesLike(name)).toEqual([]);
  });

  test("of a process that was killed while it made it is not used, and cleared away", async () => {
    const { dir } = await ownHistory({ "0002_slow": "select pg_sleep(1);" });
    const key = await keyOf(dir);
    const worker = await startTestProcess();
    const creating = worker.create({ url: inject("serverUrl"), dir });
    creating.catch(() => undefined);
    await eventually("the draft is migrated", () =>
      onServer(async (admin) => {
        const rows = await admin.ask(`select from pg_stat_activity
          where position('${key}' in datname) > 0 and query like '%pg_sleep%'`);
        return rows.length > 0;
      }),
    );
    worker.child.kill("SIGKILL");
    await expect(creating).rejects.toThrow("SIGKILL");
    const [draft, ...others] = await databasesLike(key);
    expect(draft).toContain("tidemark_draft_");
    expect(others).toEqual([]);
    const database = await createFor(dir);
    expect(await columnsOf(database.url)).toBe("id body author");
    expect(
      await queryOne(
        database.url,
        "select count(*)::int as n from tidemark.schema_migrations where state = 'DONE'",
      ),
    ).toEqual({ n: 3 });
    expect(await databasesLike(key)).toEqual([templateName(key)]);
  });

  test("is another one once the history is edited; what comes after `to` does not count", async () => {
    const folder = await ownHistory();
    const { dir } = folder;
    const before = await createFor(dir);
    const first = await createFor(dir, { to: "0000_create_notes" });
    await folder.write("0001_add_author", "alter table notes add column writer text;");
    const after = await createFor(dir);
    expect(await columnsOf(before.url)).toBe("id body author");
    expect(await columnsOf(after.url)).toBe("id body writer");
    const firstAgain = await createFor(dir, { to: "0000_create_notes" });
    expect(await runIdOf(firstAgain.url)).toBe(await runIdOf(first.url));
  });

  test("is one for two checkouts of the same migrations", async () => {
    const { dir } = await ownHistory();
    const copy = await mkdtemp(join(tmpdir(), "tidemark-checkout-"));
    onTestFinished(() => rm(copy, { recursive: true, force: true }));
    await cp(dir, copy, { recursive: true });
    const a = await createFor(dir);
    const b = await createFor(copy);
    expect(await runIdOf(a.url)).toBe(await runIdOf(b.url));
  });

  test("is made anew when somebody has dropped it", async () => {
    const { dir } = await ownHistory();
    const a = await createFor(dir);
    const name = templateName(await keyOf(dir));
    await onServer(async (admin) => {
      await admin.ask(`alter database ${name} is_template false`);
      await admin.ask(`drop database ${name}`);
    });
    const b = await createFor(dir);
    expect(await runIdOf(b.url)).not.toBe(await runIdOf(a.url));
  });

  test("lets nobody in who could change it", async () => {
    const { dir } = await ownHistory();
    await createFor(dir);
    const name = templateName(await keyOf(dir));
    await expect(queryOne(urlOfDatabase(name), "select 1")).rejects.toMatchObject({
      code: "55000",
    });
  });
});

describe("what was left behind", () => {
  const comment = async (name: string, ageS: number) => {
    const atS = Math.floor(Date.now() / 1000) - ageS;
    const mark = formatMark({ atS, lockedIn: "postgres" });
    await onServer((admin) => admin.ask(`comment on database ${name} is '${mark}'`));
  };
  const create = async (name: string, ageS?: number) => {
    await onServer((admin) => admin.ask(`create database ${name} template template0`));
    onTestFinished(async () => {
      await onServer((admin) => admin.ask(`drop database if exists ${name} with (force)`));
    });
    if (ageS !== undefined) await comment(name, ageS);
    return name;
  };
  const DAY_S = 86_400;

  test("goes with the next template that is made; what is young, used or not ours stays", async () => {
    const old = await ownHistory();
    await createFor(old.dir);
    const oldTemplate = templateName(await keyOf(old.dir));
    await comment(oldTemplate, 2 * DAY_S);
    const key = randomBytes(16).toString("hex");
    const gone = [
      oldTemplate,
      await create(newTestName(), 2 * DAY_S),
      await create(newDraftName(key), DAY_S),
    ];
    const suffix = randomBytes(4).toString("hex");
    const inUse = await create(newTestName(), 2 * DAY_S);
    const kept = [
      inUse,
      await create(newTestName(), 60),
      await create(newDraftName(key), 60),
      await create(`tidemark_test_mine_${suffix}`),
      await create(`renamed_${suffix}`, 9 * DAY_S),
    ];
    const sql = postgres(urlOfDatabase(inUse), { max: 1 });
    await sql`select 1`;
    const young = await ownHistory();
    await createFor(young.dir);
    for (const name of gone) expect(await databasesLike(name)).toEqual([]);
    for (const name of kept) expect(await databasesLike(name)).toEqual([name]);
    await sql.end();
  });

  test("is not a template that is used: that is noted on it", async () => {
    const { dir } = await ownHistory();
    await createFor(dir);
    const name = templateName(await keyOf(dir));
    await comment(name, DAY_S - 60);
    await createFor(dir);
    const atS = parseMark(name, await commentOf(name))?.atS;
    expect(atS).toBeGreaterThan(Date.now() / 1000 - 60);
  });
});

describe("it is refused with a reason", () => {
  const create = (options: TestDatabaseOptions) =>
    createTestDatabase({ url: inject("serverUrl"), ...options });

  test("where the role may not create databases", async () => {
    const role = `tidemark_no_rights_${randomBytes(4).toString("hex")}`;
    await onServer((admin) => admin.ask(`create role ${role} login password 'pw'`));
    onTestFinished(async () => {
      await onServer((admin) => admin.ask(`drop role ${role}`));
    });
    const error = await create({
      url: urlOfDatabase("postgres", { user: role, password: "pw" }),
    }).catch((reason) => reason);
    expect(error).toMatchObject({ name: "TestDatabaseError", code: "no_rights" });
    expect(error.message).toMatch(
      new RegExp(
        `^A test database cannot be created on \\S+ as ${role}: permission denied to create database \\(SQLSTATE 42501\\)\\.\nLet the role \\(\`alter role "${role}" createdb\``,
      ),
    );
  });

  test.each([
    ["no server", "postgres://ada:pw@127.0.0.1:1/postgres", "ECONNREFUSED"],
    ["no such host", "postgres://ada:pw@nowhere.invalid/postgres", "nowhere.invalid"],
  ])("where there is %s", async (_what, url, reason) => {
    const error = await create({ url }).catch((cause) => cause);
    expect(error).toMatchObject({ name: "TestDatabaseError", code: "connect" });
    expect(error.message).toContain("as ada");
    expect(error.message).toContain(reason);
    expect(error.message).toContain("TEST_DATABASE_URL");
    expect(error.message).not.toContain("pw@");
  });

  test.each<[string, TestDatabaseOptions, string]>([
    ["the URL is none", { url: "localhost:5432" }, "config"],
    ["the URL is empty", { url: "" }, "config"],
    ["there is no such folder", { dir: "nowhere" }, "config"],
    ["there is no such migration", { to: "0009_nothing" }, "usage"],
  ])("where %s", async (_what, options, code) => {
    await expect(create(options)).rejects.toMatchObject({ name: "MigrateError", code });
  });

  test("where a migration fails; its draft is dropped", async () => {
    const { dir } = await ownHistory({ "0002_broken": "select nothing from nowhere;" });
    await expect(create({ dir })).rejects.toMatchObject({
      name: "MigrateError",
      code: "migration_failed",
      message: expect.stringContaining(`relation "nowhere" does not exist`),
    });
    expect(await databasesLike(await keyOf(dir))).toEqual([]);
  });

  test("where the seed fails; its database is dropped", async () => {
    const { dir } = await ownHistory();
    const seed = "do $$ begin raise exception 'seeding %', current_database(); end $$";
    const error = await create({ dir, seed }).catch((reason) => reason);
    expect(error).toMatchObject({ name: "TestDatabaseError", code: "seed_failed" });
    const [, name = ""] =
      /^The seed failed: seeding (tidemark_test_\w+)\.$/m.exec(error.message) ?? [];
    expect(name).not.toBe("");
    expect(await databasesLike(name)).toEqual([]);
  });
});

describe("the server", () => {
  test("is TEST_DATABASE_URL where no url is given", async () => {
    const { dir } = await ownHistory();
    const worker = await startTestProcess({ env: { TEST_DATABASE_URL: inject("serverUrl") } });
    const { url, name } = await worker.create({ dir });
    expect(url).toBe(urlOfDatabase(name));
    await worker.drop();
  });

  test("is an embedded one of the folder's own without both, whatever DATABASE_URL says; the last to drop stops it", async () => {
    const { dir } = await ownHistory();
    const cwd = await mkdtemp(join(tmpdir(), "tidemark-testing-"));
    onTestFinished(() => rm(cwd, { recursive: true, force: true }));
    const env = { DATABASE_URL: "postgres://127.0.0.1:1/app" };
    const workers = await Promise.all([
      startTestProcess({ cwd, env }),
      startTestProcess({ cwd, env }),
    ]);
    const created = await Promise.all(workers.map((worker) => worker.create({ dir })));
    for (const { url } of created) expect(await columnsOf(url)).toBe("id body author");
    const pidFile = join(cwd, ".tidemark/test/data/postmaster.pid");
    await workers[0]?.drop();
    expect(existsSync(pidFile)).toBe(true);
    await workers[1]?.drop();
    expect(existsSync(pidFile)).toBe(false);
  });
});
