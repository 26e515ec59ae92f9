import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_users": "create table users (id integer primary key, name text, born date);",
});
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const ran = async () =>
  (await migrator().migrate()).repeatables.map(({ tag, why }) => `${tag} ${why}`);
const rows = (sql: string) => database.sql.unsafe(sql);

/** Grants, owner and comments of a view or function, as the catalog has them. */
async function looks(name: string) {
  const [row] = await rows(`
    select pg_get_userbyid(c.relowner) as owner, c.relacl::text as acl, obj_description(c.oid) as comment,
      (select string_agg(a.attname || ' ' || coalesce(a.attacl::text, '') || ' ' || coalesce(col_description(c.oid, a.attnum), ''), ',' order by a.attnum)
       from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as columns
    from pg_class c where c.oid = '${name}'::regclass`);
  return row;
}

test("a view whose columns change is replaced with what depends on it, which keeps its grants, owner and comments", async () => {
  await rows(
    "create role tm_reader; create role tm_owner; grant tm_owner to current_user; grant create on schema public to tm_owner",
  );
  try {
    await folder.repeat(
      "people",
      "create or replace view people as select id, name, born from users;",
    );
    await folder.repeat(
      "grown",
      `create or replace view grown as select id, name from people where born < '2000-01-01';
       create or replace function count_grown() returns bigint begin atomic select count(*) from grown; end;
       create materialized view grown_cache as select * from grown;
       create unique index on grown_cache (id);`,
    );
    expect(await ran()).toEqual(["repeatable/people new", "repeatable/grown new"]);
    await rows(`
      grant select on grown to tm_reader with grant option;
      grant select (id) on people to tm_reader;
      grant select on people to tm_owner;
      comment on view grown is 'of age'; comment on column grown.name is 'as they say';
      comment on view people is 'all';
      alter view grown owner to tm_owner;
      revoke execute on function count_grown() from public;
      grant execute on function count_grown() to tm_reader`);
    const before = [await looks("grown"), await looks("people"), await looks("grown_cache")];
    const functionAcl = () =>
      rows("select proacl::text from pg_proc where proname = 'count_grown'");
    const acl = await functionAcl();
    await folder.repeat(
      "people",
      "create or replace view people as select id, upper(name) as name, born, 1 as extra from users where id > 0;",
    );
    expect(await ran()).toEqual(["repeatable/people changed"]);
    await folder.repeat(
      "people",
      "create or replace view people as select name, id, born from users;",
    );
    expect(await ran()).toEqual(["repeatable/people changed", "repeatable/grown remade"]);
    const after = [await looks("grown"), await looks("people"), await looks("grown_cache")];
    expect([after[0], after[2]]).toEqual([before[0], before[2]]);
    expect(after[1]).toMatchObject({ comment: "all", acl: before[1]?.acl });
    expect(after[1]?.columns).toContain("id {tm_reader=r/");
    expect(await functionAcl()).toEqual(acl);
    expect(
      await rows("select indexname from pg_indexes where tablename = 'grown_cache'"),
    ).toHaveLength(1);
    const events = await migrator().events({ tag: "repeatable/grown" });
    expect(events.map(({ payload }) => payload.why)).toEqual(["new", "remade"]);
    expect(await migrator().migrate()).toMatchObject({ outcome: "current" });
  } finally {
    await rows(
      "drop owned by tm_reader, tm_owner cascade; drop role tm_reader; drop role tm_owner",
    );
  }
});

test("a function whose result changes is replaced with the trigger, the policy and the view that use it", async () => {
  await folder.write("0001_t", "create table t (id integer, owner text);");
  await folder.list(["0000_users", "0001_t"]);
  await folder.repeat(
    "f",
    "create or replace function f(a integer) returns integer language sql as 'select a';",
  );
  await folder.repeat(
    "uses",
    `create or replace view v as select f(id) as f from users;
     create policy mine on t using (f(id) > 0);
     comment on policy mine on t is 'own rows';`,
  );
  await ran();
  await folder.repeat(
    "f",
    "create or replace function f(b integer) returns bigint language sql as 'select b::bigint';",
  );
  expect(await ran()).toEqual(["repeatable/f changed", "repeatable/uses remade"]);
  expect(await rows("select pg_typeof(f(1))::text as type")).toEqual([{ type: "bigint" }]);
  expect(await rows("select polname from pg_policy")).toEqual([{ polname: "mine" }]);
});

test("what was dropped with it and changes too is made again by its new text", async () => {
  await folder.repeat("a", "create or replace view a as select id, name from users;");
  await folder.repeat("b", "create or replace view b as select name from a;");
  await ran();
  await folder.repeat("a", "create or replace view a as select id from users;");
  await folder.repeat("b", "create or replace view b as select id as only_id from a;");
  expect(await ran()).toEqual(["repeatable/a changed", "repeatable/b changed"]);
  expect(await rows("select * from b")).toEqual([]);
});

test.each([
  ["a versioned view", "create view old as select name from people", "view public.old"],
  [
    "a table's default",
    "create table d (x integer default give())",
    "default value for column x of table public.d",
  ],
  ["a policy", "create policy p on users using (give() = 1)", "policy p on table public.users"],
  [
    "a check",
    "alter table users add constraint c check (give() = 1)",
    "constraint c on table public.users",
  ],
  ["an index on a view", "create index own on cache (name)", "index public.own"],
])("%s that depends on it is named, and nothing is dropped", async (_, sql, named) => {
  const first = `create or replace view people as select id, name from users;
    create or replace function give() returns integer language sql immutable as 'select 1';
    create materialized view cache as select name from users;`;
  await folder.repeat("people", first);
  await ran();
  await rows(sql);
  await folder.repeat(
    "people",
    `create or replace view people as select name, id from users;
    drop function if exists give();
    create or replace function give() returns bigint language sql immutable as 'select 1::bigint';
    create materialized view cache as select name, id from users;`,
  );
  await expect(ran()).rejects.toMatchObject({
    code: "migration_failed",
    tag: "repeatable/people",
    message: expect.stringContaining(`in the way: ${named}, which no repeatable makes`),
    remedy: expect.stringContaining(`Make ${named} by a repeatable too`),
  });
  expect(await rows("select pg_typeof(give())::text as type")).toEqual([{ type: "integer" }]);
});

test("a materialized view, a trigger and a policy are replaced though SQL has no `or replace` for them", async () => {
  const text = (value: number) => `
    create materialized view m as select ${value} as v;
    create index m_v on m (v);
    create or replace function stop() returns trigger language plpgsql as 'begin return new; end';
    create trigger stop before insert on users for each row when (${value} > 0) execute function stop();
    create policy p on users using (id > ${value});`;
  await folder.repeat("all", text(1));
  expect(await ran()).toEqual(["repeatable/all new"]);
  await folder.repeat("all", text(2));
  expect(await ran()).toEqual(["repeatable/all changed"]);
  expect(await rows("select v from m")).toEqual([{ v: 2 }]);
  expect(await rows("select pg_get_expr(polqual, polrelid) as p from pg_policy")).toEqual([
    { p: "(id > 2)" },
  ]);
  expect(
    await rows("select count(*)::int as n from pg_trigger where tgrelid = 'users'::regclass"),
  ).toEqual([{ n: 1 }]);
});

test("a table that has the name is never dropped", async () => {
  await folder.repeat("users", "create materialized view users as select 1;");
  await expect(ran()).rejects.toMatchObject({
    code: "migration_failed",
    recorded: { sqlState: "42P07" },
  });
  await rows("insert into users values (1)");
});

test("what the new text does not make again is an error, and nothing is dropped", async () => {
  await folder.repeat("a", "create or replace view a as select id, name from users;");
  await folder.repeat(
    "b",
    "do $$ begin if not exists (select from pg_class where relname = 'marker') then create view b as select name from a; end if; end $$;\ncreate or replace view c as select name from a;",
  );
  await ran();
  await folder.repeat("a", "create or replace view a as select name, id from users;");
  await expect(ran()).rejects.toMatchObject({
    code: "migration_failed",
    message: expect.stringContaining("in the way: view public.b"),
  });
  expect(await rows("select * from b")).toEqual([]);
});

test("a failure of one that is made again with another names its own place", async () => {
  await folder.repeat("a", "select 1;\ncreate or replace view a as select id, name from users;");
  await folder.repeat("b", "create or replace view b as select name from a;");
  await ran();
  await folder.repeat("a", "select 1;\ncreate or replace view a as select id from users;");
  await expect(ran()).rejects.toMatchObject({
    tag: "repeatable/a",
    place: { file: expect.stringContaining("repeatable/b.sql"), line: 1, column: 36 },
    recorded: { sqlState: "42703", file: expect.stringContaining("repeatable/b.sql") },
  });
  expect(await rows("select * from b")).toEqual([]);
});
