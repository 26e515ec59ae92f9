import { expect, test } from "vitest";
import { DatabaseMigrator, type Progress } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { readLedgerContent, storyOf } from "../helpers/ledger.ts";

const database = useDatabase();
const folder = useHistory();

const migrator = () =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, lockTimeoutMs: 300 });
const story = async () => storyOf((await readLedgerContent(database.url)).events);

/** All that a session may have of its own, put into a table. */
const sessionInto = (table: string) => `create table public.${table} as
select jsonb_build_object(
  'settings', (select jsonb_object_agg(name, setting) from pg_settings where name <> 'application_name'),
  'user', current_user, 'session user', session_user,
  'cursors', (select count(*) from pg_cursors), 'temporary', pg_my_temp_schema()::regnamespace::text is not null
    and exists (select from pg_class where relnamespace = pg_my_temp_schema())) as state;`;

test("settings of every kind end with their file, also those that change how the next is read", async () => {
  const role = `other_${database.name}`;
  await folder.make({
    "0000_before": `create role ${role}; ${sessionInto("before")}`,
    "0001_hostile": `set search_path = nowhere, pg_temp;
set session characteristics as transaction isolation level serializable, read only, deferrable;
set session_replication_role = replica;
set idle_in_transaction_session_timeout = '1ms';
set lock_timeout = '1ms';
set client_encoding = 'LATIN1';
set standard_conforming_strings = off;
set backslash_quote = off;
set transform_null_equals = on;
set datestyle = 'German';
set intervalstyle = 'iso_8601';
set timezone = 'Asia/Kathmandu';
set row_security = off;
set check_function_bodies = off;
set default_tablespace = 'pg_default';
set constraint_exclusion = on;
select set_config('role', '${role}', false), set_config('my.own', 'mine', false);
reset role;
declare open_one cursor for select 1;
declare held cursor with hold for select 1;
create temp table left_over (n integer);
set session authorization ${role};`,
    "0002_after": `${sessionInto("after")}
create table texts (body text); insert into texts values ('ü\\');`,
  });
  await migrator().migrate();
  const [before] = await database.sql`select state from before`;
  expect(await database.sql`select state from after`).toEqual([before]);
  expect(before?.state).toMatchObject({ cursors: 0, temporary: false });
  expect(await database.sql`select body from texts`).toEqual([{ body: "ü\\" }]);
  await database.sql.unsafe(`drop role ${role}`);
});

test("temporary tables, types and functions with the ledger's names shadow nothing", async () => {
  await folder.make({
    "0000_shadows": `create temp table migration_events (id integer);
create temp table schema_migrations (tag text);
create temp table runner (id integer);
create temp table pg_stat_activity (pid integer);
create type pg_temp.jsonb as enum ('not yours');
create type pg_temp.uuid as enum ('not yours');
create function pg_temp.record() returns text language sql as $$ select 'not yours'::text $$;
set search_path = pg_temp, pg_catalog;`,
    "0001_next": "create table next (id integer);",
  });
  await migrator().migrate();
  expect(await story()).toEqual([
    "0000_shadows started 1",
    "0000_shadows done 1",
    "0001_next started 1",
    "0001_next done 1",
  ]);
});

test("functions and operators planted in public are not called, though the search_path has them first", {
  timeout: 30_000,
}, async () => {
  await folder.make({ "0000_plant": `create table notes (id integer);\n${PLANTED}` });
  await migrator().migrate();
  // From the next session on.
  await database.sql.unsafe(`alter database ${database.name} set search_path = public, pg_catalog`);
  const holder = await database.sql.reserve();
  await holder.unsafe("begin");
  await holder.unsafe("lock table notes in share mode");
  await folder.write("0001_lock", "lock table notes in access exclusive mode;");
  await folder.write("0002_broken", "select nothing from nowhere;");
  await folder.list(["0000_plant", "0001_lock", "0002_broken"]);
  expect((await migrator().status()).pending).toBe(2);
  const retries: Extract<Progress, { kind: "lock-retry" }>[] = [];
  const error = await new DatabaseMigrator({
    url: database.url,
    dir: folder.dir,
    lockTimeoutMs: 1_500,
  })
    .migrate({
      onProgress: (item) => {
        if (item.kind !== "lock-retry") return;
        retries.push(item);
        holder.unsafe("rollback").catch(() => undefined);
      },
    })
    .catch((reason: unknown) => reason);
  holder.release();
  expect(error).toMatchObject({ code: "migration_failed", recorded: { sqlState: "42P01" } });
  expect(retries.map(({ blockers }) => blockers.length)).toEqual([1]);
  expect((await migrator().repair()).repaired).toHaveLength(1);
  await folder.write("0002_broken", "create table mended (id integer);");
  expect((await migrator().migrate()).version).toBe("0002_broken");
  expect((await migrator().events()).at(-1)?.type).toBe("migration.done");
  expect((await migrator().waitUntilCurrent()).outcome).toBe("current");
  // For those who look afterwards.
  await database.sql.unsafe(`alter database ${database.name} reset search_path`);
});

/** Each of them raises when it is called. */
const PLANTED = [
  ...[
    "set_config(text, text, boolean) returns text",
    "current_setting(text) returns text",
    "clock_timestamp() returns timestamptz",
    "now() returns timestamptz",
    "pg_backend_pid() returns integer",
    "pg_is_in_recovery() returns boolean",
    "current_database() returns name",
    "to_regclass(text) returns regclass",
    "pg_blocking_pids(integer) returns integer[]",
    "round(numeric) returns numeric",
    "fence(text, integer, integer, text) returns void",
  ].map(
    (signature) =>
      `create function public.${signature} language plpgsql as $$ begin raise exception 'planted'; end $$;`,
  ),
  ...[
    ["text", "text"],
    ["name", "name"],
    ["oid", "oid"],
    ["uuid", "uuid"],
    ["integer", "integer"],
    ["bigint", "bigint"],
    ["smallint", "integer"],
    ["bigint", "integer"],
    ["timestamptz", "timestamptz"],
  ].flatMap(([left, right]) => [
    `create function public.planted(${left}, ${right}) returns boolean language plpgsql as $$ begin raise exception 'planted'; end $$;`,
    ...["=", "<>", "<", ">", "<=", ">="].map(
      (name) =>
        `create operator public.${name} (leftarg = ${left}, rightarg = ${right}, function = public.planted);`,
    ),
  ]),
  `create function public.planted_sum(timestamptz, interval) returns timestamptz language plpgsql as $$ begin raise exception 'planted'; end $$;`,
  `create operator public.+ (leftarg = timestamptz, rightarg = interval, function = public.planted_sum);`,
].join("\n");

test.each([
  ["DISCARD ALL inside a block", "do $$ begin execute 'discard all'; end $$;", "25001"],
  ["a read-only transaction", "select set_config('transaction_read_only', 'on', true);", "25006"],
  [
    "a constraint that fails at COMMIT",
    `create table parents (id integer primary key);
create table children (parent integer references parents deferrable initially deferred);
insert into children values (1);`,
    "23503",
  ],
  [
    "a trigger that fails at COMMIT, under another role and search_path",
    `create table watched (id integer);
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'never'; end $$;
create constraint trigger refuse after insert on watched deferrable initially deferred
for each row execute function refuse();
insert into watched values (1);
grant all on watched to pg_monitor;
set role pg_monitor;
set search_path = nowhere;`,
    "P0001",
  ],
])("%s fails its own file alone, as the server says it", async (_name, sql, sqlState) => {
  await folder.make({
    "0000_before": "create table before (id integer);",
    "0001_hostile": sql,
    "0002_after": "create table after (id integer);",
  });
  await expect(migrator().migrate()).rejects.toMatchObject({
    code: "migration_failed",
    tag: "0001_hostile",
    recorded: { sqlState },
    notRun: ["0002_after"],
  });
  expect(await story()).toEqual([
    "0000_before started 1",
    "0000_before done 1",
    "0001_hostile started 1",
    "0001_hostile failed 1",
  ]);
  await folder.write("0001_hostile", "select 1;");
  expect((await migrator().migrate()).version).toBe("0002_after");
});

test("what a rolled-back try leaves in its session does not hinder the next try", async () => {
  await folder.make({
    "0000_orgs": "create table orgs (id integer);",
    "0001_prepared": `prepare plan as select 1;
select pg_advisory_lock(20);
lock table orgs in access exclusive mode;
execute plan;`,
  });
  await migrator().migrate({ to: "0000_orgs" });
  const holder = await database.sql.reserve();
  await holder.unsafe("begin");
  await holder.unsafe("lock table orgs in share mode");
  const report = await migrator().migrate({
    onProgress: ({ kind }) => {
      if (kind === "lock-retry") holder.unsafe("rollback").catch(() => undefined);
    },
  });
  holder.release();
  expect(report.version).toBe("0001_prepared");
});
