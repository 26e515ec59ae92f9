import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { historyFolder, useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_users": "create table users (id integer primary key, name text, born date);",
});
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const ran = async () =>
  (await migrator().migrate()).repeatables.map(({ tag, why }) => `${tag} ${why}`);
const rows = (sql: string) => database.sql.unsafe(sql);

test("an index of the same name on another table is not dropped", async () => {
  await folder.write("0001_i", "create unique index by_name on users (name);");
  await folder.list(["0000_users", "0001_i"]);
  await folder.repeat(
    "m",
    "create materialized view m as select name from users; create index by_name on m (name);",
  );
  await expect(ran()).rejects.toMatchObject({ recorded: { sqlState: "42P07" } });
  expect(await rows("select tablename from pg_indexes where indexname = 'by_name'")).toEqual([
    { tablename: "users" },
  ]);
});

test("an index that has the name of a view is not dropped", async () => {
  await folder.write("0001_i", "create index report on users (name);");
  await folder.list(["0000_users", "0001_i"]);
  await folder.repeat("m", "create materialized view report as select name from users;");
  await expect(ran()).rejects.toMatchObject({ recorded: { sqlState: "42P07" } });
  expect(await rows("select tablename from pg_indexes where indexname = 'report'")).toHaveLength(1);
});

test("a view that has the name of an index is not dropped", async () => {
  await folder.write("0001_v", "create view report as select name from users;");
  await folder.list(["0000_users", "0001_v"]);
  await folder.repeat(
    "m",
    "create materialized view m as select name from users; create index report on m (name);",
  );
  await expect(ran()).rejects.toMatchObject({ recorded: { sqlState: "42P07" } });
  expect(await rows("select * from report")).toEqual([]);
});

test("a text that is older than what is here is not made again with another", async () => {
  await folder.repeat("a", "create or replace view a as select id, name from users;");
  await folder.repeat("b", "create or replace view b as select name, 1 as release from a;");
  await ran();
  const newer = await historyFolder({
    "0000_users": "create table users (id integer primary key, name text, born date);",
  });
  await newer.repeat("a", "create or replace view a as select id, name from users;");
  await newer.repeat("b", "create or replace view b as select name, 2 as release from a;");
  await new DatabaseMigrator({ url: database.url, dir: newer.dir }).migrate();
  await rows("insert into users values (1, 'ada')");
  await folder.repeat("a", "create or replace view a as select name, id from users;");
  await expect(ran()).rejects.toMatchObject({
    code: "migration_failed",
    tag: "repeatable/a",
    outcome: "rolled-back",
    message: expect.stringContaining("repeatable/b"),
  });
  expect(await rows("select release from b")).toEqual([{ release: 2 }]);
  await newer.remove();
});

test("a function's own error is told, not what depends on it", async () => {
  await folder.repeat(
    "f",
    "create or replace function f() returns integer language sql as 'select 1';",
  );
  await ran();
  await rows("create table d (x integer default f())");
  await folder.repeat(
    "f",
    "create or replace function f() returns integer language sql as $$ select 'x'::text $$;",
  );
  await expect(ran()).rejects.toMatchObject({
    recorded: { sqlState: "42P13" },
    remedy: expect.stringContaining("correct "),
    message: expect.not.stringContaining("in the way"),
  });
});

test("an index by hand beside one without a name is not lost", async () => {
  await folder.repeat(
    "m",
    "create materialized view m as select id, name from users; create index on m (id);",
  );
  await ran();
  await rows("create unique index by_hand on m (id)");
  await folder.repeat(
    "m",
    "create materialized view m as select name, id from users; create index on m (id);",
  );
  await expect(ran()).rejects.toMatchObject({ message: expect.stringContaining("by_hand") });
  expect(await rows("select indexname from pg_indexes where tablename = 'm'")).toHaveLength(2);
});

test("an index of a table that the new text leaves out is not dropped", async () => {
  await folder.repeat(
    "f",
    `create or replace function f(a integer) returns integer language sql immutable as 'select a';
     create unique index once on users (f(id));`,
  );
  await ran();
  await folder.repeat(
    "f",
    "create or replace function f(a integer) returns bigint language sql immutable as 'select a::bigint';",
  );
  await expect(ran()).rejects.toMatchObject({
    message: expect.stringContaining("in the way: index public.once"),
  });
  expect(await rows("select indexname from pg_indexes where indexname = 'once'")).toHaveLength(1);
});

test("what may not be dropped is told at the file's own place", async () => {
  await rows("create role tm_nobody login password 'secret'; create view a as select 1 as x");
  try {
    await folder.repeat("a", "create materialized view a as select 'x' as y;");
    await rows("grant create on schema public to tm_nobody");
    const url = new URL(database.url);
    await rows(`grant create on database "${url.pathname.slice(1)}" to tm_nobody`);
    url.username = "tm_nobody";
    url.password = "secret";
    const options = { url: url.href, dir: folder.dir };
    await expect(
      new DatabaseMigrator(options).migrate({ allowExisting: true }),
    ).rejects.toMatchObject({
      recorded: { sqlState: "42501", line: 1, statement: 1 },
      message: expect.not.stringContaining("deferred constraints"),
    });
  } finally {
    await rows(
      "drop schema if exists tidemark cascade; drop owned by tm_nobody cascade; drop role tm_nobody",
    );
  }
});

test("a table that a file drops, and something needs, is the server's error", async () => {
  const text = (n: number) =>
    `drop table if exists kept; create table kept as select ${n} as n; create index kept_n on kept (n);`;
  await folder.repeat("t", text(1));
  await ran();
  await rows("create view by_hand as select n from kept");
  await folder.repeat("t", text(2));
  await expect(ran()).rejects.toMatchObject({
    recorded: { sqlState: "2BP01" },
    message: expect.not.stringContaining("in the way"),
  });
  expect(await rows("select n from by_hand")).toEqual([{ n: 1 }]);
});
