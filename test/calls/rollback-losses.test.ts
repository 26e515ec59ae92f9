import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory();

const UP = `
create type mood as enum ('ok');
create schema app;
create type app.status as enum ('new');
create table users (id integer primary key, name text, feeling mood, state app.status, born timestamptz);
create table orders (id integer primary key, user_id integer references users on delete cascade);
create table carts (id integer primary key, user_id integer constraint carts_user references users on delete set null);
create table lines (order_id integer references orders on delete cascade);
create table "Quoted.Name" (id integer);
create table empty (id integer, name text);
create table parted (day date) partition by range (day);
create table app.parted_old partition of parted for values from ('2020-01-01') to ('2021-01-01');
create view names as select name from users;
create function wipe() returns void language plpgsql as $$ begin delete from users; end $$;
insert into users values (1, 'Ada', 'ok', 'new', now()), (2, null, null, null, null);
insert into orders values (1, 1);
insert into carts values (1, 1);
insert into lines values (1), (1), (1);
insert into "Quoted.Name" values (1);
insert into parted values ('2020-05-05');`;

const NOT_COUNTED = "its rows cannot be counted";

/** A down file, and what it must say that it loses. */
const LOSING: readonly (readonly [sql: string, ...loses: string[]])[] = [
  [
    "with gone as (delete from users returning id) select count(*) from gone",
    "rows of table users 2",
    "rows of table orders 1",
    "rows of table lines 3",
    "values of column carts.user_id 1",
  ],
  ["explain analyze delete from lines", "rows of table lines 3"],
  ["prepare wipe as delete from lines; execute wipe", "rows of table lines 3"],
  ["delete from names", `rows of table names ${NOT_COUNTED}`],
  ["truncate users cascade", "table users 2", "table orders 1", "table carts 1", "table lines 3"],
  ["drop type mood cascade", "column users.feeling 1"],
  ["drop schema app cascade", "table app.parted_old 1", "column users.state 1"],
  ["update users set name = null", "values of column users.name 1"],
  [
    "insert into users values (1) on conflict (id) do update set name = null",
    "values of column users.name 1",
  ],
  [
    "merge into users u using empty e on u.id = e.id when matched and e.id > 1 then delete when matched then update set name = null",
    "rows of table users 2",
    "rows of table orders 1",
    "rows of table lines 3",
    "values of column carts.user_id 1",
    "values of column users.name 1",
  ],
  [
    "alter table users alter column name type varchar(1) using left(name, 1)",
    "values of column users.name 1",
  ],
  [
    "-- loses: values of column users.name that do not fit text\nalter table users alter column name type text",
    "values of column users.name 1",
  ],
  ["do $$ begin delete from users; end $$", `what a DO block does ${NOT_COUNTED}`],
  ["select wipe()", `what the function wipe does ${NOT_COUNTED}`],
  ["insert into empty select 1 from wipe()", `what the function wipe does ${NOT_COUNTED}`],
  ["call wipe_all()", `what the procedure wipe_all does ${NOT_COUNTED}`],
  ["select lo_unlink(1)", `what the function lo_unlink does ${NOT_COUNTED}`],
  [
    "alter table users rename to u; alter table empty rename to users; drop table users",
    `table users ${NOT_COUNTED}`,
  ],
  [
    "drop table empty; alter table lines rename to empty; drop table empty",
    `table empty ${NOT_COUNTED}`,
  ],
  [
    "alter table users rename column name to nick; alter table users add column name text; alter table users drop column nick",
    `column users.nick ${NOT_COUNTED}`,
  ],
  [
    "select set_config('search_path', 'app', false) from empty; drop table empty",
    `table empty ${NOT_COUNTED}`,
  ],
  [`drop table "Quoted.Name"`, `table "Quoted.Name" 1`],
];

const HARMLESS = [
  "delete from empty",
  "truncate empty",
  "drop schema if exists none cascade",
  "drop view names cascade",
  "drop function wipe() cascade",
  "update empty set name = 'x'",
  "alter table users add column nick text; update users set nick = name",
  "alter table empty alter column id type bigint",
  "select pg_catalog.now() from (select count(*) from users) c",
  "create function f() returns void language plpgsql as $$ begin delete from users; end $$",
  "create rule r as on insert to empty do also delete from users",
];

describe("what a rollback loses", () => {
  test("is seen wherever a statement hides it, and said to be unknown where nobody can see it", async () => {
    await folder.make({ "0000_shop": UP });
    const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
    await migrator.migrate();
    const losesOf = async (sql: string) => {
      await folder.write("0000_shop.down", sql);
      const [step] = (await migrator.planRollback()).steps;
      return step?.loses.map(({ what, rows }) => `${what} ${rows ?? NOT_COUNTED}`);
    };
    for (const [sql, ...loses] of LOSING) {
      expect.soft((await losesOf(sql))?.toSorted(), sql).toEqual(loses.toSorted());
    }
    for (const sql of HARMLESS) expect.soft(await losesOf(sql), sql).toEqual([]);
  });

  test("is looked at again as it is dropped: rows that came after the count are not lost", async () => {
    await folder.make({
      "0000_a":
        "create table a (id integer); create table b (id integer); insert into b values (1);",
      "0001_b": "alter table b add column note text;",
    });
    await folder.write("0000_a.down", "drop table a;");
    await folder.write("0001_b.down", "alter table b drop column note;");
    const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
    await migrator.migrate();
    for (const [write, what] of [
      ["insert into b (note) values ('new')", `"public"."b"."note"`],
      ["insert into a values (1)", `"public"."a"`],
    ] as const) {
      await database.sql`update b set note = null`;
      // It holds the table before the drop can, unseen by the count.
      const writer = await database.sql.reserve();
      await writer.unsafe(`begin; ${write}`);
      let committed: Promise<unknown> | undefined;
      const onProgress = ({ kind }: { readonly kind: string }) => {
        if (kind === "planned") committed = writer.unsafe("commit").execute();
      };
      await expect(migrator.rollback({ steps: "all", onProgress })).rejects.toMatchObject({
        code: "migration_failed",
        fact: expect.stringContaining(`${what} was empty when`),
      });
      await committed;
      writer.release();
      await migrator.repair();
    }
    expect(await database.sql`select id from a`).toHaveLength(1);
    await expect(migrator.rollback()).rejects.toMatchObject({ code: "data_loss" });
  });
});
