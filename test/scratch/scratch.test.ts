import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyFile, withScratchServer } from "../../src/db/scratch/index.ts";
import { createDatabase, onServer, type TestDatabase } from "../helpers/database.ts";

let dir: string;
let database: TestDatabase;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tidemark-scratch-"));
  database = await createDatabase();
});

afterAll(async () => {
  await database.drop();
  await rm(dir, { recursive: true, force: true });
});

const rows = (name: string) =>
  onServer((admin) =>
    admin.ask<{ datname: string }>(`select datname from pg_database where datname = '${name}'`),
  );

describe("without a URL", () => {
  test("a server of its own, which has the roles that are lent to it, is gone afterwards", async () => {
    const seen = await withScratchServer({ dir }, async (server) => {
      await server.lendRoles(["app", "postgres", "app reader"]);
      const { url } = await server.createDatabase();
      await applyFile(
        { url },
        { file: "a.sql", sql: 'create table t (); grant select on t to "app reader"' },
      );
      return {
        isOwn: server.isOwn,
        roles: await server.listRoles(),
        servers: await readdir(join(dir, "scratch")),
      };
    });
    expect(seen).toMatchObject({
      isOwn: true,
      roles: ["app", "app reader", "postgres", "tidemark_worker"],
    });
    expect(seen.servers).toHaveLength(1);
    expect(await readdir(join(dir, "scratch"))).toEqual([]);
  });
});

describe("on another server", () => {
  test("databases are dropped at the end, also of work that fails", async () => {
    let name = "";
    const failing = withScratchServer({ url: database.url, dir: "unused" }, async (server) => {
      ({ name } = await server.createDatabase());
      expect(await rows(name)).toHaveLength(1);
      throw new Error("the work failed");
    });
    await expect(failing).rejects.toThrow("the work failed");
    expect(name).toMatch(/^tidemark_scratch_/);
    expect(await rows(name)).toEqual([]);
    expect(existsSync("unused")).toBe(false);
  });

  test("roles are lent to nobody: they would stay", async () => {
    const made = await withScratchServer({ url: database.url, dir }, async (server) => {
      await server.lendRoles(["tidemark_lent"]);
      return (await server.listRoles()).includes("tidemark_lent");
    });
    expect(made).toBe(false);
  });

  test("what a killed process left there an hour ago is dropped, what is young or has another name stays", async () => {
    const at = (secondsAgo: number) => Math.trunc(Date.now() / 1000 - secondsAgo).toString(16);
    const [old, young, other] = [
      `tidemark_scratch_${at(4000)}_0123456789ab`,
      `tidemark_scratch_${at(60)}_0123456789ab`,
      `tidemark_scratch_mine_${at(4000)}`,
    ] as const;
    const names = [old, young, other];
    for (const name of names) await onServer((admin) => admin.ask(`create database ${name}`));
    try {
      await withScratchServer({ url: database.url, dir }, async () => undefined);
      const left = await Promise.all(names.map(async (name) => (await rows(name)).length));
      expect(left).toEqual([0, 1, 1]);
    } finally {
      for (const name of names) {
        await onServer((admin) => admin.ask(`drop database if exists ${name}`));
      }
    }
  });

  test("a copy has what is in the original", async () => {
    await withScratchServer({ url: database.url, dir }, async (server) => {
      const original = await server.createDatabase();
      await applyFile(original, { file: "a.sql", sql: "create table t (a integer)" });
      const copy = await server.createDatabase(original);
      await applyFile(copy, { file: "b.sql", sql: "alter table t drop column a" });
    });
  });

  test("a URL that leads nowhere is an error that says so", async () => {
    const nowhere = withScratchServer(
      { url: "postgres://nobody@127.0.0.1:1/x", dir },
      async () => 1,
    );
    await expect(nowhere).rejects.toMatchObject({
      code: "connect",
      message: expect.stringMatching(
        /scratch server cannot be used.*127\.0\.0\.1.*\n.*--scratch-url/s,
      ),
    });
  });
});

describe("a file is run as a migration is", () => {
  test("what no transaction can hold too, and no record is left", async () => {
    const sql = "create table t (a integer); create index concurrently t_a_idx on t (a);";
    await applyFile(database, { file: "drizzle/0001_x.sql", sql });
    const schemas =
      await database.sql`select nspname from pg_namespace where nspname like 'tidemark%'`;
    expect([...schemas]).toEqual([]);
  });

  test.each([
    { name: "fails", sql: "create table u ();\nselect 1/0;", code: "migration_failed" },
    { name: "does not parse", sql: "create table u ();\nselct 1;", code: "history_invalid" },
    {
      name: "holds what the engine refuses",
      sql: "\n  vacuum; rollback;",
      code: "unsupported_statement",
    },
  ])("one that $name is named with the place in it, and not done", async ({ sql, code }) => {
    const applied = applyFile(database, { file: "drizzle/0002_y.down.sql", sql });
    await expect(applied).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/drizzle\/0002_y\.down\.sql:2:/),
    });
    expect(await database.sql`select to_regclass('u') as u`).toEqual([{ u: null }]);
  });
});
