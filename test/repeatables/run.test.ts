import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DatabaseMigrator, type MigrateOptions } from "../../src/db/migrate/index.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { runInProcess } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_users": "create table users (id integer primary key, name text, born date);",
});
const migrator = (messages?: string[]) =>
  new DatabaseMigrator(
    { url: database.url, dir: folder.dir },
    {
      onFailpoint: async ({ phase, message }: Failpoint) => {
        if (phase === "before") messages?.push(message);
      },
    },
  );
const migrate = async (options?: MigrateOptions) => {
  const { repeatables, ...report } = await migrator().migrate(options);
  return { ...report, ran: repeatables.map(({ tag, why }) => `${tag} ${why}`) };
};

test("they run after the migrations, in the order of what they need, and again when they change", async () => {
  await folder.repeat("a_report", "create or replace view report as select * from named;");
  await folder.repeat(
    "b_named",
    "create or replace view named as select shout(name) as name from users;",
  );
  await folder.repeat(
    "c_shout",
    "create or replace function shout(text) returns text language sql as $$ select upper($1) $$;",
  );
  expect(await migrate()).toMatchObject({
    outcome: "applied",
    applied: [{ tag: "0000_users" }],
    ran: ["repeatable/c_shout new", "repeatable/b_named new", "repeatable/a_report new"],
  });
  expect(await migrate()).toMatchObject({ outcome: "current", ran: [] });
  await folder.repeat(
    "c_shout",
    "create or replace function shout(text) returns text language sql as $$ select upper($1) || '!' $$;",
  );
  expect(await migrate()).toMatchObject({
    outcome: "applied",
    applied: [],
    ran: ["repeatable/c_shout changed"],
  });
  await database.sql`insert into users values (1, 'ada')`;
  expect(await database.sql`select * from report`).toEqual([{ name: "ADA!" }]);
  const events = await migrator().events({ tag: "repeatable/c_shout" });
  expect(events.map(({ type, attempt, payload }) => [type, attempt, payload.why])).toEqual([
    ["repeatable.done", 1, "new"],
    ["repeatable.done", 2, "changed"],
  ]);
});

test("where nothing has changed a run is one round trip", async () => {
  await folder.repeat("v", "create or replace view v as select id from users;");
  await migrate();
  const messages: string[] = [];
  expect(await migrator(messages).migrate()).toMatchObject({ outcome: "current" });
  expect(messages).toEqual(["look"]);
  await rm(join(folder.dir, "repeatable"), { recursive: true });
  expect(await migrate()).toMatchObject({ outcome: "current" });
  const again: string[] = [];
  expect(await migrator(again).migrate()).toMatchObject({ outcome: "current" });
  expect(again).toEqual(["look"]);
  const { repeatables, pendingRepeatables } = await migrator().status();
  expect(repeatables).toMatchObject([{ name: "v", state: "DONE", flags: ["MISSING"] }]);
  expect(pendingRepeatables).toBe(0);
});

test("none runs while a migration is left pending", async () => {
  await folder.write("0001_more", "create table more (id integer);");
  await folder.list(["0000_users", "0001_more"]);
  await folder.repeat("v", "create or replace view v as select id from more;");
  expect(await migrate({ to: "0000_users" })).toMatchObject({ ran: [] });
  expect(await migrator().status()).toMatchObject({
    pending: 1,
    pendingRepeatables: 1,
    repeatables: [{ state: "PENDING", flags: [], at: null }],
  });
  expect(await migrate()).toMatchObject({ ran: ["repeatable/v new"] });
  expect(await migrator().status()).toMatchObject({ pendingRepeatables: 0 });
});

test("one that says so runs at each migrate", async () => {
  await database.sql`create table ran (at timestamptz)`;
  await folder.repeat(
    "tick",
    "-- counts\n-- tidemark: run-always\ninsert into ran values (now());",
  );
  expect(await migrate({ allowExisting: true })).toMatchObject({ ran: ["repeatable/tick new"] });
  expect(await migrate()).toMatchObject({ ran: ["repeatable/tick always"] });
  expect(await database.sql`select count(*)::int as n from ran`).toEqual([{ n: 2 }]);
  expect(await migrator().status()).toMatchObject({
    pendingRepeatables: 0,
    repeatables: [{ state: "DONE", flags: ["ALWAYS"] }],
  });
});

test("one that fails is rolled back, recorded with its place, and tried again by the next run", async () => {
  await folder.repeat("a", "create view a as select id from users;");
  await folder.repeat(
    "b",
    "create view c as select 1;\ncreate view b as\n  select nothing from users;",
  );
  await expect(migrate()).rejects.toMatchObject({
    code: "migration_failed",
    tag: "repeatable/b",
    outcome: "rolled-back",
    place: { line: 3, column: 10 },
    recorded: { statement: 2, sqlState: "42703" },
  });
  expect(await migrator().status()).toMatchObject({
    repeatables: [{ state: "DONE" }, { state: "FAILED", error: { sqlState: "42703" } }],
  });
  expect(await database.sql`select to_regclass('c') as c`).toEqual([{ c: null }]);
  await folder.repeat("b", "create view b as select name from users;");
  expect(await migrate()).toMatchObject({ ran: ["repeatable/b new"] });
});

test.each([
  ["create index concurrently i on users (id)", "no transaction can hold"],
  ["begin; select 1; commit", "a border of a transaction"],
  ["drop view if exists v cascade", "CASCADE"],
  ["create materialized view if not exists v as select 1", "IF NOT EXISTS"],
  ["alter type t add value 'x'; select 1", "a transaction of their own"],
])("%s is refused before anything runs", async (sql, text) => {
  await folder.repeat("v", `${sql};`);
  await expect(migrate()).rejects.toMatchObject({
    code: "unsupported_statement",
    message: expect.stringContaining(text),
  });
  expect(await database.sql`select to_regclass('users') as users`).toEqual([{ users: null }]);
});

test("a circle is an error that names it", async () => {
  await folder.repeat("a", "create or replace view a as select * from b;");
  await folder.repeat("b", "create or replace view b as select * from a;");
  await expect(migrate()).rejects.toMatchObject({
    code: "history_invalid",
    fact: "Repeatables need each other in a circle: repeatable/a needs repeatable/b needs repeatable/a.",
  });
});

test("a trigger function may write the view that its trigger is on", async () => {
  await folder.repeat(
    "a_view",
    `create or replace view people as select id, name from users;
     create or replace trigger people_insert instead of insert on people for each row execute function people_insert();`,
  );
  await folder.repeat(
    "b_function",
    `create or replace function people_insert() returns trigger language plpgsql as $$
     declare known users%rowtype;
     begin
       if exists (select from people where id = new.id) then return null; end if;
       insert into users values (new.id, new.name);
       return new;
     end $$;`,
  );
  expect(await migrate()).toMatchObject({
    ran: ["repeatable/b_function new", "repeatable/a_view new"],
  });
});

test("what a migration drops of an unchanged one is made again, also after a crash in between", async () => {
  await folder.repeat("v", "create or replace view v as select name from users;");
  await folder.repeat("w", "create or replace view w as select id from users;");
  await migrate();
  await folder.write(
    "0001_type",
    "drop view v; alter table users alter column name type varchar(99);",
  );
  await folder.list(["0000_users", "0001_type"]);
  expect(await migrate()).toMatchObject({ ran: ["repeatable/v dropped"] });
  await folder.write("0002_type", "drop view v; alter table users alter column name type text;");
  await folder.list(["0000_users", "0001_type", "0002_type"]);
  const killed = await runInProcess({
    options: { url: database.url, dir: folder.dir },
    failpoint: { phase: "before", message: "repeatable:repeatable/v" },
  });
  expect(killed.signal).toBe("SIGKILL");
  expect(await database.sql`select to_regclass('v') as v`).toEqual([{ v: null }]);
  expect(await migrate()).toMatchObject({ applied: [], ran: ["repeatable/v dropped"] });
  expect(await migrate()).toMatchObject({ outcome: "current" });
});

test("one that is removed is forgotten once a migration has dropped what it made", async () => {
  await folder.repeat("v", "create or replace view v as select name from users;");
  await migrate();
  await rm(join(folder.dir, "repeatable", "v.sql"));
  await folder.write("0001_other", "select 1;");
  await folder.list(["0000_users", "0001_other"]);
  await migrate();
  expect((await migrator().status()).repeatables).toMatchObject([{ flags: ["MISSING"] }]);
  await folder.write("0002_drop", "drop view v;");
  await folder.list(["0000_users", "0001_other", "0002_drop"]);
  await migrate();
  expect((await migrator().status()).repeatables).toEqual([]);
  const events = await migrator().events({ tag: "repeatable/v" });
  expect(events.map(({ type }) => type)).toEqual(["repeatable.done", "repeatable.removed"]);
});
