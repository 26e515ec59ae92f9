import postgres from "postgres";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { DRIZZLE_TABLE, findExisting } from "../../src/db/migrate/adopt/find-sql.ts";
import { findBlockers } from "../../src/db/migrate/execute/blockers.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import type { Progress } from "../../src/db/migrate/progress-types.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { type HistoryFolder, historyFolder } from "../helpers/history.ts";

/** A plan as auto_explain tells it. */
interface Told {
  readonly "Query Text": string;
  readonly Plan: { readonly "Total Cost": number };
  readonly Settings?: { readonly jit?: string };
}

const MANY = 1_000;

const EVENT_SINK = {
  table: "public.told",
  sql: "insert into public.told select e from jsonb_array_elements($1) e",
};

let database: TestDatabase;
let folder: HistoryFolder;
let history: Record<string, string>;

beforeAll(async () => {
  history = Object.fromEntries(
    Array.from({ length: MANY }, (_, n) => [`${String(n).padStart(4, "0")}_step`, "select 1;"]),
  );
  database = await createDatabase();
  folder = await historyFolder(history);
  await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
  await database.sql.unsafe(`
    alter table tidemark.schema_migrations set (autovacuum_enabled = off);
    alter table tidemark.migration_events set (autovacuum_enabled = off);
    alter database ${database.name} set session_preload_libraries = 'auto_explain';
    alter database ${database.name} set auto_explain.log_min_duration = 0;
    alter database ${database.name} set auto_explain.log_nested_statements = on;
    alter database ${database.name} set auto_explain.log_settings = on;
    alter database ${database.name} set auto_explain.log_format = json;
    alter database ${database.name} set auto_explain.log_level = notice;`);
  return async () => {
    await folder.remove();
    await database.drop();
  };
});

test("no statement of the engine's own is compiled by a server with JIT, on a ledger of 1,000 migrations", async () => {
  const told: Told[] = [];
  const onProgress = (progress: Progress) => {
    if (progress.kind === "notice") told.push(...planOf(progress.message));
  };
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
  await migrator.migrate({ onProgress });
  await migrator.status({ onProgress });
  await migrator.events({ onProgress });
  await migrator.waitUntilCurrent({ onProgress });
  await addMigrations({
    "1000_table": "create table marks (n integer);",
    "1001_index": "create index concurrently marks_idx on marks (n);",
    "1002_rows": "insert into marks values (1); create table told (event jsonb);",
    "1003_last": "select 1;",
  });
  await migrator.plan({ onProgress });
  const copying = new DatabaseMigrator({
    url: database.url,
    dir: folder.dir,
    eventSink: EVENT_SINK,
  });
  const { outcome } = await copying.migrate({ onProgress });
  expect(outcome).toBe("applied");
  await addMigrations({ "1004_last": "select broken;" });
  await expect(migrator.migrate({ onProgress })).rejects.toMatchObject({
    code: "migration_failed",
  });
  await migrator.repair({ onProgress });
  told.push(...(await explained(findBlockers("tidemark", { runId: "a-run" }, undefined))));
  told.push(...(await explained(findExisting("tidemark", DRIZZLE_TABLE, { objectsToo: true }))));

  const texts = told.map((plan) => plan["Query Text"]);
  for (const sent of [
    "tidemark_runner",
    "tidemark_row",
    "tidemark_event",
    "tidemark_lease",
    "insert into public.told",
  ]) {
    expect(texts.some((text) => text.includes(sent))).toBe(true);
  }
  const compiled = told.filter(
    ({ Plan, Settings }) => Plan["Total Cost"] >= 100_000 && Settings?.jit !== "off",
  );
  expect(compiled.map((plan) => plan["Query Text"])).toEqual([]);
});

test("the statements of a migration keep the server's setting of jit", async () => {
  await addMigrations({
    "1004_last": "create table jit_seen as select current_setting('jit') as jit;",
  });
  await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
  expect(await database.sql`select jit from jit_seen`).toEqual([{ jit: "on" }]);
});

async function addMigrations(more: Record<string, string>): Promise<void> {
  for (const [tag, sql] of Object.entries(more)) await folder.write(tag, sql);
  history = { ...history, ...more };
  await folder.list(Object.keys(history));
}

async function explained(text: string): Promise<readonly Told[]> {
  const told: Told[] = [];
  const sql = postgres(database.url, {
    max: 1,
    onnotice: ({ message = "" }) => told.push(...planOf(message)),
  });
  onTestFinished(() => sql.end());
  await sql.unsafe(text);
  expect(told).not.toEqual([]);
  return told;
}

function planOf(message: string): readonly Told[] {
  const start = message.indexOf("{");
  return message.startsWith("duration:") && start > 0 ? [JSON.parse(message.slice(start))] : [];
}
