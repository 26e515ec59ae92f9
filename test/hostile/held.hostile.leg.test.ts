import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { createDatabase, useDatabase } from "../helpers/database.ts";
import { countingHistory, historyFolder, useHistory } from "../helpers/history.ts";
import { outcomeOf } from "../helpers/outcome.ts";
import { startPrivateServer } from "../helpers/private-server.ts";
import { runHerd } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();
const HISTORY = [
  { tag: "0000_notes", sql: "create table notes (id int primary key);" },
  { tag: "0001_index", sql: "create index concurrently on_id on notes (id);" },
  { tag: "0002_rows", sql: "insert into notes select generate_series(1, 10);" },
];
const migrator = (history = HISTORY, url = database.url) => new DatabaseMigrator({ url, history });

/** What a database has of its own before the first migration, and how the run ends. */
const SURROUNDINGS: readonly (readonly [what: string, sql: string, end: string])[] = [
  ["a publication for all tables", "create publication everything for all tables", "applied 3"],
  [
    "an event trigger that looks on",
    "create function look() returns event_trigger language plpgsql as $$ begin perform 1; end $$; create event trigger look on ddl_command_end execute function look()",
    "applied 3",
  ],
  [
    "an event trigger that refuses tables",
    "create function no() returns event_trigger language plpgsql as $$ begin raise 'no tables today' using errcode = '42501'; end $$; create event trigger no on ddl_command_end when tag in ('CREATE TABLE') execute function no()",
    "config",
  ],
  [
    "an event trigger that refuses schemas",
    "create function no() returns event_trigger language plpgsql as $$ begin raise 'no schemas today'; end $$; create event trigger no on ddl_command_start when tag in ('CREATE SCHEMA') execute function no()",
    "config",
  ],
  [
    "an event trigger that refuses indexes",
    "create function no() returns event_trigger language plpgsql as $$ begin if exists (select from pg_event_trigger_ddl_commands() where schema_name = 'public') then raise 'no indexes today'; end if; end $$; create event trigger no on ddl_command_end when tag in ('CREATE INDEX') execute function no()",
    "migration_failed P0001",
  ],
  [
    "an event trigger that refuses drops",
    "create function no() returns event_trigger language plpgsql as $$ begin raise 'no drops today'; end $$; create event trigger no on sql_drop execute function no()",
    "applied 3",
  ],
  [
    "an event trigger that rewrites are refused by",
    "create function no() returns event_trigger language plpgsql as $$ begin raise 'no'; end $$; create event trigger no on table_rewrite execute function no()",
    "applied 3",
  ],
  [
    "default privileges for everybody",
    "alter default privileges grant all on tables to public; alter default privileges grant all on functions to public",
    "applied 3",
  ],
];

test.each(SURROUNDINGS)("a database with %s (%s)", async (_, sql, end) => {
  await database.sql.unsafe(sql);
  const run = () => outcomeOf(migrator().migrate({ allowExisting: true }));
  expect(await run()).toBe(end);
  await database.sql.unsafe("drop event trigger if exists no");
  expect(await run()).toBe({ "applied 3": "current", config: "applied 3" }[end] ?? "applied 2");
});

describe("so many that it takes its time:", () => {
  test("3,000 migrations", { timeout: 120_000 }, async () => {
    const history = Array.from({ length: 3_000 }, (_, i) => ({
      tag: `${String(i).padStart(4, "0")}_n`,
      sql: i === 0 ? "create table ticks (n int);" : `insert into ticks values (${i});`,
    }));
    expect(await outcomeOf(migrator(history).migrate())).toBe("applied 3000");
    expect(await database.sql`select count(*)::int as n from ticks`).toEqual([{ n: 2_999 }]);
    expect(await outcomeOf(migrator(history).migrate())).toBe("current");
  });

  test("20,000 statements in a file", { timeout: 120_000 }, async () => {
    const sql = `create table ticks (n int);\n${Array.from({ length: 20_000 }, (_, i) => `insert into ticks values (${i});`).join("\n")}`;
    expect(await outcomeOf(migrator([{ tag: "0000_many", sql }]).migrate())).toBe("applied 1");
    expect(await database.sql`select count(*)::int as n from ticks`).toEqual([{ n: 20_000 }]);
  });

  test("a million notices", { timeout: 120_000 }, async () => {
    const sql = "do $$ begin for i in 1..1000000 loop raise notice 'n %', i; end loop; end $$;";
    let notices = 0;
    const onProgress = ({ kind }: { readonly kind: string }) => {
      if (kind === "notice") notices += 1;
    };
    expect(await outcomeOf(migrator([{ tag: "0000_loud", sql }]).migrate({ onProgress }))).toBe(
      "applied 1",
    );
    expect(notices).toBeGreaterThan(0);
  });
});

describe("side by side:", () => {
  test("40 runners where the server has room for 15", { timeout: 120_000 }, async () => {
    const server = await startPrivateServer({ max_connections: 15, fsync: "off" });
    try {
      await server.ask("create database crowded");
      await folder.make(countingHistory(12));
      const options = { url: server.url("crowded"), dir: folder.dir, connectTimeoutMs: 60_000 };
      const ends = await runHerd(8, { options, runners: 5 });
      expect(ends.flatMap(({ error }) => error?.message ?? [])).toEqual([]);
      const rows = await server.ask(
        "select count(*)::int as n, count(distinct n)::int as each from ticks",
        "crowded",
      );
      expect(rows).toEqual([{ n: 11, each: 11 }]);
    } finally {
      await server.stop();
    }
  });

  test("two databases from one folder at one time, again and again", async () => {
    await folder.make(countingHistory(10));
    const other = await createDatabase();
    const of = (url: string) => new DatabaseMigrator({ url, dir: folder.dir }).migrate();
    const runs = [database.url, other.url, database.url, other.url].map(of);
    const reports = await Promise.all(runs);
    expect(reports.map(({ applied }) => applied.length).toSorted()).toEqual([0, 0, 10, 10]);
    await other.drop();
  });

  test("one database from two copies of a folder at one time", async () => {
    await folder.make(countingHistory(10));
    const copy = await historyFolder(countingHistory(10));
    const of = (dir: string) => new DatabaseMigrator({ url: database.url, dir }).migrate();
    const reports = await Promise.all([folder.dir, copy.dir, folder.dir, copy.dir].map(of));
    expect(reports.reduce((sum, { applied }) => sum + applied.length, 0)).toBe(10);
    await copy.remove();
  });
});
