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

test("a view that becomes a materialized one, and a function that becomes a procedure, keep what they had", async () => {
  await rows("create role tm_kept");
  try {
    await folder.repeat(
      "v",
      `create or replace view v as select 1 as x;
       create or replace function f(integer) returns void language sql as 'select null';`,
    );
    await ran();
    await rows(`comment on view v is 'one'; comment on column v.x is 'col'; grant select on v to tm_kept; grant select (x) on v to tm_kept;
      comment on function f(integer) is 'f'; grant execute on function f(integer) to tm_kept`);
    await folder.repeat(
      "v",
      `create materialized view v as select 1 as x;
       create or replace procedure f(integer) language sql as 'select null';`,
    );
    expect(await ran()).toEqual(["repeatable/v changed"]);
    expect(
      await rows(`select obj_description('v'::regclass) as v, col_description('v'::regclass, 1) as x,
        has_table_privilege('tm_kept', 'v', 'select') as may, obj_description('f(integer)'::regprocedure, 'pg_proc') as f,
        (select proacl::text like '%tm_kept=X%' from pg_proc where proname = 'f') as runs`),
    ).toEqual([{ v: "one", x: "col", may: true, f: "f", runs: true }]);
    await folder.repeat(
      "v",
      `create or replace view v as select 1 as x, 2 as y;
       create or replace function f(integer) returns void language sql as 'select null';`,
    );
    expect(await ran()).toEqual(["repeatable/v changed"]);
    expect(await rows("select obj_description('v'::regclass) as v")).toEqual([{ v: "one" }]);
  } finally {
    await rows("drop owned by tm_kept cascade; drop role tm_kept");
  }
});

test("rules of a view, and defaults of its columns, are made again by the file that makes them", async () => {
  const text = (columns: string) => `create or replace view v as select ${columns} from users;
    create or replace rule put as on insert to v do instead insert into users (id, name) values (new.id, new.name);
    alter view v alter column name set default 'nobody';`;
  await folder.repeat("v", text("id, name"));
  await ran();
  await folder.repeat("v", text("name, id"));
  expect(await ran()).toEqual(["repeatable/v changed"]);
  await rows("insert into v (id) values (1)");
  expect(await rows("select name from users")).toEqual([{ name: "nobody" }]);
});

test("a trigger that was switched off stays so when it is made again", async () => {
  const text = (event: string) => `
    create or replace function stop() returns trigger language plpgsql as 'begin return null; end';
    create trigger stop before ${event} on users for each row execute function stop();`;
  await folder.repeat("t", text("insert"));
  await ran();
  await rows("alter table users disable trigger stop");
  await folder.repeat("t", text("insert or update"));
  await ran();
  expect(await rows("select tgenabled::text as t from pg_trigger where tgname = 'stop'")).toEqual([
    { t: "D" },
  ]);
});

test("options that another gave a view or a function are kept where their text stays", async () => {
  await folder.repeat("a", "create or replace view a as select id, name from users;");
  await folder.repeat(
    "b",
    `create or replace view b as select name from a;
     create or replace function f() returns bigint security definer begin atomic select count(*) from a; end;`,
  );
  await ran();
  await rows(
    "alter view b set (security_barrier = true); alter function f() set search_path to pg_catalog, public; alter function f() cost 7",
  );
  await folder.repeat("a", "create or replace view a as select name, id from users;");
  expect(await ran()).toEqual(["repeatable/a changed", "repeatable/b remade"]);
  expect(
    await rows(
      "select reloptions::text as o, proconfig::text as c from pg_class, pg_proc where relname = 'b' and proname = 'f'",
    ),
  ).toEqual([{ o: "{security_barrier=true}", c: '{"search_path=pg_catalog, public"}' }]);
});

test("an index without a name may change with its materialized view", async () => {
  await folder.repeat(
    "m",
    "create materialized view m as select id, name from users; create index on m (id);",
  );
  await ran();
  await folder.repeat(
    "m",
    "create materialized view m as select name, id from users; create index on m (name);",
  );
  expect(await ran()).toEqual(["repeatable/m changed"]);
  expect(await rows("select indexname from pg_indexes where tablename = 'm'")).toEqual([
    { indexname: "m_name_idx" },
  ]);
});

test("an index, a trigger or a rule that the new text leaves out goes with the view that is made again", async () => {
  await folder.repeat(
    "m",
    `create materialized view m as select id, name from users; create index m_id on m (id);
     create or replace view v as select id, name from users;
     create or replace function put() returns trigger language plpgsql as 'begin return new; end';
     create trigger put instead of insert on v for each row execute function put();
     create or replace rule up as on update to v do instead nothing;`,
  );
  await ran();
  await folder.repeat(
    "m",
    `create materialized view m as select id, name from users; create index m_name on m (name);
     create or replace view v as select name, id from users;`,
  );
  expect(await ran()).toEqual(["repeatable/m changed"]);
  expect(await rows("select indexname from pg_indexes where tablename = 'm'")).toEqual([
    { indexname: "m_name" },
  ]);
});

test("one whose owner took all rights from itself, or from everybody, stays so", async () => {
  await folder.repeat("a", "create or replace view a as select id, name from users;");
  await folder.repeat(
    "b",
    `create or replace view b as select name from a; create or replace view c as select name from a;
     create or replace function f() returns bigint begin atomic select count(*) from a; end;`,
  );
  await ran();
  await rows(`revoke all on b from current_user; grant select (name) on b to public; revoke select (name) on b from public;
    revoke insert on c from current_user; grant select on c to public;
    revoke all on function f() from public, current_user`);
  const acls = () =>
    rows(`select relname as name, relacl::text as acl from pg_class where relname in ('b', 'c')
      union select proname, proacl::text from pg_proc where proname = 'f' order by 1`);
  const before = await acls();
  expect(before.map(({ acl }) => acl)).toEqual(["{}", expect.any(String), "{}"]);
  await folder.repeat("a", "create or replace view a as select name, id from users;");
  expect(await ran()).toEqual(["repeatable/a changed", "repeatable/b remade"]);
  expect(await acls()).toEqual(before);
});

test("a materialized view made without data is filled where it was, and is only made again", async () => {
  await folder.repeat("a", "create or replace view a as select id, name from users;");
  await folder.repeat(
    "m",
    "create materialized view m as select name from a with no data; create materialized view n as select name from a with no data;",
  );
  await ran();
  await rows("insert into users values (1, 'ada'); refresh materialized view m");
  await folder.repeat("a", "create or replace view a as select name, id from users;");
  expect(await ran()).toEqual(["repeatable/a changed", "repeatable/m remade"]);
  expect(await rows("select name from m")).toEqual([{ name: "ada" }]);
  expect(await rows("select relispopulated as is from pg_class where relname = 'n'")).toEqual([
    { is: false },
  ]);
});
