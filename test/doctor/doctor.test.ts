import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { examine, type Finding } from "../../src/db/doctor/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { onServer, useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { createMigratingRole, type TestRole } from "../helpers/role.ts";
import { until } from "../helpers/until.ts";

const database = useDatabase();
const history = useHistory(THREE);

function doctor(url = database.url, longMs = 60_000): Promise<readonly Finding[]> {
  return examine({ url, dir: history.dir, connectTimeoutMs: 10_000, longMs });
}

async function trouble(url?: string, longMs?: number): Promise<readonly Finding[]> {
  // The tests' own server runs with fsync off.
  return (await doctor(url, longMs)).filter(
    ({ level, code }) => level !== "ok" && code !== "durability",
  );
}

let role: TestRole | undefined;

afterEach(async () => {
  await role?.drop();
  role = undefined;
});

async function migratingRole(attributes = "", settings = {}): Promise<TestRole> {
  role = await createMigratingRole(database, attributes, settings);
  return role;
}

async function migrate(url = database.url): Promise<void> {
  await new DatabaseMigrator({ url, dir: history.dir }).migrate();
}

async function another(): Promise<postgres.Sql> {
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  onTestFinished(() => sql.end());
  return sql;
}

describe("nothing is wrong", () => {
  test("before the first migration", async () => {
    const found = await doctor();
    expect(await trouble()).toEqual([]);
    expect(found.map(({ fact }) => fact)).toContain(
      "Ledger and folder agree: no migration is applied, 3 pending.",
    );
  });

  test("after it, and nothing was written by looking", async () => {
    await migrate();
    const [before] = await database.sql`select max(id) as event from tidemark.migration_events`;
    expect(await trouble()).toEqual([]);
    expect(await database.sql`select max(id) as event from tidemark.migration_events`).toEqual([
      before,
    ]);
  });

  test("for a role that may only migrate, whose transactions read only by default", async () => {
    const role = await migratingRole("", { default_transaction_read_only: "on" });
    expect(await trouble(role.url)).toEqual([]);
    await migrate(role.url);
    expect(await trouble(role.url)).toEqual([]);
  });
});

describe("what is wrong is found, and its remedy ends it", () => {
  beforeEach(() => migrate());

  test("rights on the ledger", async () => {
    const role = await migratingRole();
    const rights = async () => (await trouble(role.url)).filter(({ code }) => code === "rights");
    for (let tries = 0; tries < 2; tries += 1) {
      for (const { level, remedy } of await rights()) {
        expect(level).toBe("error");
        await database.sql.unsafe(remedy ?? "");
      }
    }
    expect(await rights()).toEqual([]);
  });

  test("an index that a build has left INVALID", async () => {
    await database.sql`insert into notes (body, author) values ('one', 'a'), ('one', 'b')`;
    const failing = database.sql`create unique index concurrently notes_once on notes (body)`;
    await expect(failing).rejects.toThrow("could not create unique index");
    const [{ code, fact, remedy } = { code: "", fact: "", remedy: "" }] = await trouble();
    expect({ code, fact }).toEqual({
      code: "invalid-indexes",
      fact: "1 index is INVALID: written with every row, and used by no query: public.notes_once on public.notes.",
    });
    await database.sql`delete from notes where author = 'b'`;
    await database.sql.unsafe(remedy ?? "");
    expect(await trouble()).toEqual([]);
  });

  test("the copy of an index that REINDEX CONCURRENTLY has left goes, and is not built", async () => {
    await database.sql`create index "Notes By_ccnew1" on notes (body)`;
    await database.sql`update pg_index set indisvalid = false where indexrelid = '"Notes By_ccnew1"'::regclass`;
    const [{ remedy } = { remedy: "" }] = await trouble();
    await database.sql.unsafe(remedy ?? "");
    expect(await trouble()).toEqual([]);
    expect(await database.sql`select to_regclass('"Notes By_ccnew1"') as left`).toEqual([
      { left: null },
    ]);
  });

  test("a publication that refuses the ledger's updates", async () => {
    await database.sql.unsafe(`alter table tidemark.runner replica identity nothing;
      create publication everything for all tables`);
    const found = await trouble();
    expect(found.map(({ code, level }) => [code, level])).toEqual([
      ["publications", "error"],
      ["ledger-published", "warning"],
    ]);
    await database.sql.unsafe(found[0]?.remedy ?? "");
    expect((await trouble()).map(({ code }) => code)).toEqual(["ledger-published"]);
  });

  test("settings that change what migrations mean", async () => {
    const role = await migratingRole("", {
      session_replication_role: "replica",
      search_path: "audit",
    });
    const found = (await trouble(role.url)).filter(({ code }) => code === "settings");
    expect(found.map(({ fact }) => fact)).toEqual([
      "search_path is audit (of the role): names without a schema are looked for in audit, and made there.",
      "session_replication_role is replica (of the role): triggers and foreign keys do not work in its sessions.",
    ]);
    for (const { remedy } of found) {
      await database.sql.unsafe((remedy ?? "").replace(/^.*: /, ""));
    }
    expect((await trouble(role.url)).filter(({ code }) => code === "settings")).toEqual([]);
  });
});

describe("what is wrong is found", () => {
  test("a role that may not create the ledger", async () => {
    const role = await migratingRole();
    await onServer((admin) =>
      admin.ask(`revoke create on database ${database.name} from ${role.name}`),
    );
    const [found] = await trouble(role.url);
    expect(found).toMatchObject({ code: "rights", level: "error" });
    expect(found?.remedy).toBe(`grant create on database "${database.name}" to "${role.name}";`);
  });

  test("few connections, schema public and tables of other roles", async () => {
    await migrate();
    await database.sql`revoke all on schema public from public`;
    const role = await migratingRole("connection limit 2");
    await database.sql.unsafe(`revoke create on schema public from ${role.name};
      grant usage on schema tidemark to ${role.name};
      grant select, insert, update on all tables in schema tidemark to ${role.name}`);
    const found = await trouble(role.url);
    expect(found.map(({ code, level }) => [code, level])).toEqual([
      ["connections", "warning"],
      ["rights-public", "warning"],
      ["ownership", "warning"],
    ]);
    expect(found[0]?.fact).toContain(`the connection limit of role ${role.name} (2)`);
    expect(found[2]?.fact).toContain("may not alter 1 table of other roles, such as public.notes");
    // Not the rights of its owner, who is a superuser.
    expect(found[2]?.remedy).toMatch(/: alter table public\.notes owner to "migrating_\w+";$/);
  });

  test("a transaction that stays open", async () => {
    const sql = await another();
    const held = sql.begin(async (transaction) => {
      await transaction`create table kept ()`;
      await until(async () => (await trouble(undefined, 1_000)).map(({ code }) => code)).toEqual([
        "long-transactions",
      ]);
      const [found] = await trouble(undefined, 1_000);
      expect(found?.fact).toMatch(/^1 transaction is open for longer than 1 s: pid \d+ /);
      expect(await trouble()).toEqual([]);
    });
    await held;
  });

  test("an extension that the server does not have", async () => {
    await history.make({ ...THREE, "0003_maps": `create extension if not exists "no_such_one";` });
    expect(await trouble()).toMatchObject([
      {
        code: "extensions",
        level: "error",
        fact: "Pending migrations create extensions that the server does not have: no_such_one (0003_maps).",
      },
    ]);
  });

  test("a migration that failed, and one that was edited", async () => {
    await history.make({ ...THREE, "0003_broken": "select 1 / 0;" });
    await expect(migrate()).rejects.toThrow("division by zero");
    await history.write("0000_create_notes", "create table notes (id int);");
    expect((await trouble()).map(({ code, level }) => [code, level])).toEqual([
      ["history", "error"],
      ["failed", "warning"],
    ]);
  });

  test("a folder that cannot be read", async () => {
    await history.list(["0000_create_notes", "0001_not_there"]);
    expect(await trouble()).toMatchObject([{ code: "history", level: "error" }]);
  });

  test("what the role may not look up, and the rest all the same", async () => {
    const { url } = await migratingRole();
    await database.sql`revoke execute on function pg_catalog.pg_stat_get_archiver() from public`;
    const found = await doctor(url);
    expect(found.map(({ code, level }) => [code, level])).toEqual([
      ["facts", "warning"],
      ["history", "ok"],
    ]);
    expect(found[0]?.fact).toContain("permission denied");
  });

  test("event triggers are told of", async () => {
    await database.sql.unsafe(`create function seen() returns event_trigger language plpgsql as 'begin end';
      create event trigger watch on ddl_command_end execute function seen()`);
    expect((await doctor()).map(({ fact }) => fact)).toContain(
      "Event triggers see each change of the schema: watch (ddl_command_end).",
    );
  });
});
