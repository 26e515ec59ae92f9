import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { outcomeOf } from "../helpers/outcome.ts";

const HISTORY = ["a", "b", "c", "d"].map((name, i) => ({
  tag: `000${i}_${name}`,
  sql: `create table ${name} (id int);`,
}));

/** What befell the ledger after three of four, as its superuser would do it; how `migrate` and `status` end. */
const DAMAGES: readonly (readonly [what: string, sql: string, migrate: string, status: string])[] =
  [
    ["nothing", "select 1", "applied 1", "ok"],
    ["its schema dropped", "drop schema tidemark cascade", "not_clean", "problem"],
    [
      "its functions dropped",
      "drop function tidemark.record cascade; drop function tidemark.fence cascade",
      "config",
      "ok",
    ],
    ["the log dropped", "drop table tidemark.migration_events cascade", "config", "ok"],
    ["the states dropped", "drop table tidemark.schema_migrations cascade", "config", "problem"],
    ["the runner dropped", "drop table tidemark.runner cascade", "not_clean", "problem"],
    [
      "the runner emptied",
      "alter table tidemark.runner disable trigger user; delete from tidemark.runner",
      "config",
      "config",
    ],
    [
      "the states emptied",
      "alter table tidemark.schema_migrations disable trigger user; delete from tidemark.schema_migrations",
      "not_clean",
      "problem",
    ],
    ["a head that is another's", "update tidemark.runner set head = 'sha256:0'", "applied 1", "ok"],
    [
      "a state that nobody knows",
      "alter table tidemark.schema_migrations drop constraint schema_migrations_state_check; update tidemark.schema_migrations set state = 'MAYBE'",
      "config",
      "config",
    ],
    ["a rank twice", "update tidemark.schema_migrations set rank = 1", "applied 1", "ok"],
    ["a rank that is gone", "update tidemark.schema_migrations set rank = null", "applied 1", "ok"],
    [
      "another checksum",
      "update tidemark.schema_migrations set checksum = 'sha256:0' where rank = 2",
      "checksum_mismatch",
      "problem",
    ],
    [
      "a row of its own",
      "insert into tidemark.schema_migrations select 'x', state, 9, attempt, checksum, statements_done, statements_total, prefix, under_way, started_at, finished_at, duration_ms, run_id, owner, error, event_id from tidemark.schema_migrations limit 1",
      "missing_file",
      "problem",
    ],
    [
      "a newer version",
      "update tidemark.runner set ledger_version = 99, min_reader = 99",
      "ledger_newer",
      "ledger_newer",
    ],
    [
      "a newer version that may be read",
      "update tidemark.runner set ledger_version = 99",
      "applied 1",
      "ok",
    ],
    [
      "a lease of a dead run, run out",
      "update tidemark.runner set run_id = gen_random_uuid(), backend_pid = 1, direct = false, host = 'gone', expires_at = now() - interval '1 day'",
      "applied 1",
      "ok",
    ],
    [
      "a lease of a dead backend, not run out",
      "update tidemark.runner set run_id = gen_random_uuid(), backend_pid = 1, backend_start = now(), direct = true, host = 'gone', process_id = 1, db_user = 'x', activity = 'x', acquired_at = now(), expires_at = now() + interval '1 day'",
      "applied 1",
      "ok",
    ],
    [
      "a token at its end",
      "update tidemark.runner set token = 9223372036854775806",
      "applied 1",
      "ok",
    ],
    [
      "a foreign column",
      "alter table tidemark.schema_migrations add column mine text default 'x'; alter table tidemark.runner add column mine int",
      "applied 1",
      "ok",
    ],
    ["a foreign index", "create index on tidemark.migration_events (host)", "applied 1", "ok"],
    [
      "a foreign trigger that keeps to itself",
      "create function public.t() returns trigger language plpgsql as 'begin return new; end'; create trigger t before insert on tidemark.migration_events for each row execute function public.t()",
      "applied 1",
      "ok",
    ],
    [
      "a foreign trigger that swallows the log",
      "create function public.t() returns trigger language plpgsql as 'begin return null; end'; create trigger t before insert on tidemark.migration_events for each row execute function public.t()",
      "config",
      "ok",
    ],
    [
      "a foreign trigger that raises",
      "create function public.t() returns trigger language plpgsql as $$ begin raise 'no'; end $$; create trigger t before insert on tidemark.migration_events for each row execute function public.t()",
      "config",
      "ok",
    ],
    [
      "row-level security without a policy",
      "alter table tidemark.schema_migrations enable row level security",
      "applied 1",
      "ok",
    ],
    [
      "row-level security that is forced",
      "alter table tidemark.schema_migrations enable row level security; alter table tidemark.schema_migrations force row level security",
      "applied 1",
      "ok",
    ],
    [
      "the states as a view",
      "alter table tidemark.schema_migrations rename to real; create view tidemark.schema_migrations as select * from tidemark.real",
      "applied 1",
      "ok",
    ],
    [
      "the states as an empty view",
      "alter table tidemark.schema_migrations rename to real; create view tidemark.schema_migrations as select * from tidemark.real where false",
      "not_clean",
      "problem",
    ],
    ["the log unlogged", "alter table tidemark.migration_events set unlogged", "applied 1", "ok"],
    [
      "another owner",
      "create role owner_$db; alter table tidemark.runner owner to owner_$db; alter schema tidemark owner to owner_$db",
      "applied 1",
      "ok",
    ],
    ["the log renamed", "alter table tidemark.migration_events rename to log", "config", "ok"],
    [
      "garbage where JSON is",
      "update tidemark.schema_migrations set owner = '[]', error = '\"x\"', under_way = '{}'",
      "applied 1",
      "ok",
    ],
    [
      "times of no time",
      "update tidemark.schema_migrations set started_at = 'infinity', finished_at = '-infinity'",
      "applied 1",
      "ok",
    ],
    [
      "a schema of the same name in another case",
      'create schema "TIDEMARK"; create table "TIDEMARK".runner (id int)',
      "applied 1",
      "ok",
    ],
  ];

test.each(DAMAGES)("a ledger with %s (%s)", async (_, sql, migrate, status) => {
  const database = await createDatabase();
  const migrator = new DatabaseMigrator({ url: database.url, history: HISTORY });
  await migrator.migrate({ to: "0002_c" });
  const { sql: client, url, name } = database;
  await client.unsafe(sql.replaceAll("$db", name));
  const told = migrator
    .status()
    .then(({ problems }) => ({ outcome: problems.length === 0 ? "ok" : "problem" }));
  const ends = { status: await outcomeOf(told), migrate: await outcomeOf(migrator.migrate()) };
  expect(ends).toEqual({ status, migrate });
  // The application's own tables are as they were, whatever became of the record.
  const tables = await client`select to_regclass('a') as a, to_regclass('c') as c`;
  expect([url, tables]).toEqual([url, [{ a: "a", c: "c" }]]);
  await client.unsafe(`drop schema if exists tidemark cascade; drop role if exists owner_${name}`);
  await database.drop();
});
