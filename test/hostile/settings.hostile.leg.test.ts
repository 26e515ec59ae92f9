import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { createDatabase, onServer, type TestDatabase } from "../helpers/database.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { outcomeOf } from "../helpers/outcome.ts";
import { type PrivateServer, startPrivateServer } from "../helpers/private-server.ts";
import { createMigratingRole } from "../helpers/role.ts";

/** The setting, its value, and the first version of the server that has it. */
const SETTINGS: readonly (readonly [name: string, value: string, since?: number])[] = [
  ["default_transaction_read_only", "on"],
  ["default_transaction_isolation", "serializable"],
  ["default_transaction_isolation", "'repeatable read'"],
  ["default_transaction_deferrable", "on"],
  ["search_path", "''"],
  ["search_path", "nowhere, pg_catalog"],
  ["session_replication_role", "replica"],
  // Each counts from before our own word on it: less is too little for a busy server to read that.
  ["statement_timeout", "100"],
  ["lock_timeout", "1"],
  ["idle_in_transaction_session_timeout", "1"],
  ["transaction_timeout", "100", 17],
  ["idle_session_timeout", "0"],
  ["row_security", "off"],
  ["standard_conforming_strings", "off"],
  ["backslash_quote", "off"],
  ["escape_string_warning", "off"],
  ["quote_all_identifiers", "on"],
  ["bytea_output", "escape"],
  ["datestyle", "'German, DMY'"],
  ["datestyle", "'Postgres, MDY'"],
  ["intervalstyle", "iso_8601"],
  ["intervalstyle", "sql_standard"],
  ["timezone", "'Pacific/Chatham'"],
  ["timezone", "'<weird>-13:37'"],
  ["extra_float_digits", "-15"],
  ["client_encoding", "LATIN1"],
  ["client_encoding", "SQL_ASCII"],
  ["synchronous_commit", "off"],
  ["synchronous_commit", "remote_apply"],
  ["zero_damaged_pages", "on"],
  ["ignore_checksum_failure", "on"],
  ["plan_cache_mode", "force_generic_plan"],
  ["jit_above_cost", "0"],
  ["enable_seqscan", "off"],
  ["enable_nestloop", "off"],
  ["log_statement", "'all'"],
  ["log_min_duration_statement", "0"],
  ["log_min_messages", "debug1"],
  ["client_min_messages", "debug1"],
  ["client_min_messages", "error"],
  ["xmloption", "document"],
  ["xmlbinary", "hex"],
  ["array_nulls", "off"],
  ["transform_null_equals", "on"],
  ["check_function_bodies", "off"],
  ["constraint_exclusion", "on"],
  ["default_toast_compression", "pglz"],
  ["default_table_access_method", "heap"],
  ["gin_pending_list_limit", "64"],
  ["work_mem", "64"],
  ["maintenance_work_mem", "1024"],
  ["temp_buffers", "100"],
  ["vacuum_cost_delay", "100"],
  ["cursor_tuple_fraction", "0"],
  ["geqo_threshold", "2"],
  ["password_encryption", "md5"],
  ["event_triggers", "off", 17],
  ["restrict_nonsystem_relation_kind", "'view'", 18],
];

const NUMBERED = SETTINGS.map(([name, value, since = 0], i) => [name, value, since, i] as const);

/** A transaction, a statement outside of one, and values whose texts the settings change. */
const HISTORY = [
  {
    tag: "0000_größe",
    sql: String.raw`create table public.things (id int primary key, body text default 'a\b', at timestamptz, took interval, bin bytea, f float8);
select pg_sleep(0.15);
insert into public.things values (1, 'größe → \', '2020-01-02 03:04:05+00', interval '1 day 2 hours', '\x00ff', 0.1::float8 + 0.2::float8);
create function public.twice(n int) returns int language sql as $$ select n * 2 $$;`,
  },
  { tag: "0001_outside", sql: "create index concurrently things_body on public.things (body);" },
  { tag: "0002_data", sql: "insert into public.things (id, f) select 2, public.twice(21);" },
];
const ROWS = String.raw`[[1,"größe → \\","2020-01-02T03:04:05+00:00","1 day 02:00:00","\\x00ff",0.30000000000000004], [2,"a\\b",null,null,null,42]]`;
const READ = `select jsonb_agg(jsonb_build_array(id, body, at at time zone 'UTC' at time zone 'UTC', took, bin, f) order by id) as rows from public.things`;

// One for all: PostgreSQL 14 takes a second to make one.
let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());
const CLEAN = "drop schema tidemark, public cascade; create schema public";
const migratorOf = (url: string) => new DatabaseMigrator({ url, history: HISTORY });
const versionOf = () => onServer(async ({ serverVersion }) => Math.floor(serverVersion / 10_000));

/** A migration, what tells of it, and another run that finds nothing to do; the log in order. */
async function expectToHold(url: string): Promise<void> {
  expect(await outcomeOf(migratorOf(url).migrate())).toBe("applied 3");
  expect(await outcomeOf(migratorOf(url).migrate())).toBe("current");
  const { migrations, problems } = await migratorOf(url).status();
  expect([problems, migrations.map(({ state }) => state.kind)]).toEqual([
    [],
    ["DONE", "DONE", "DONE"],
  ]);
  const events = await migratorOf(url).events();
  expect(events.map(({ at }) => Math.abs(at.getTime() - Date.now()) < 600_000)).not.toContain(
    false,
  );
}

describe("a setting that comes with the session changes nothing:", () => {
  test.each(NUMBERED)("%s = %s, of the role", async (name, value, since) => {
    if ((await versionOf()) < since) return;
    const role = await createMigratingRole(database, "", { [name]: value });
    await expectToHold(role.url);
    await role.drop();
    expect(await database.sql.unsafe(READ)).toEqual([{ rows: JSON.parse(ROWS) }]);
    await expectFoldToMatch(database.url);
    await database.sql.unsafe(CLEAN);
  });
});

describe("nor one of the database or of the server's file:", () => {
  let server: PrivateServer;
  beforeAll(async () => {
    server = await startPrivateServer({ fsync: "off" });
    await server.ask("create database base");
  });
  afterAll(() => server.stop());

  test.each(NUMBERED)("%s = %s", async (name, value, since, i) => {
    if ((await versionOf()) < since) return;
    // By turns: both reach the session in the same way.
    if (i % 2 === 0) {
      await server.ask(`alter database base set ${name} = ${value}`);
    } else {
      await server.ask(`alter system set ${name} = ${value}`);
      await server.reload();
    }
    await expectToHold(server.url("base"));
    await server.ask("alter database base reset all");
    await server.ask("alter system reset all");
    await server.reload();
    await server.ask(CLEAN, "base");
  });
});
