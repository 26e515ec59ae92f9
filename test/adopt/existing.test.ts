import { drizzle } from "drizzle-orm/postgres-js";
import { migrate as drizzleMigrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  DatabaseMigrator,
  type MigrateError,
  type MigratorOptions,
} from "../../src/db/migrate/index.ts";
import { onServer, useDatabase } from "../helpers/database.ts";
import { historyFolder, useHistory } from "../helpers/history.ts";

/** That runs a second time without an error: what it inserts tells. */
const CREDITS = {
  "0000_credits": "create table if not exists credits (amount integer not null);",
  "0001_first": "insert into credits values (100);",
} as const;

const database = useDatabase();
const folder = useHistory(CREDITS);
let dir: string;

beforeEach(() => {
  dir = folder.dir;
});

function migrator(options: Partial<MigratorOptions> = {}): DatabaseMigrator {
  return new DatabaseMigrator({ url: database.url, dir, ...options });
}

async function refused(work: Promise<unknown>): Promise<MigrateError> {
  return work.then(
    () => expect.unreachable("it was not refused"),
    (error: MigrateError) => error,
  );
}

async function migrateByDrizzle(table: { schema: string; table: string }): Promise<void> {
  const client = postgres(database.url, { max: 1, onnotice: () => undefined });
  try {
    await drizzleMigrate(drizzle(client), {
      migrationsFolder: dir,
      migrationsSchema: table.schema,
      migrationsTable: table.table,
    });
  } finally {
    await client.end();
  }
}

describe("a history that drizzle's migrator has applied", () => {
  test("is found where its table has a shape of its own, and the configuration names it", async () => {
    const table = { schema: "public", table: "ran" };
    await migrateByDrizzle(table);
    await database.sql.unsafe("alter table ran add column note text");
    expect(await migrator({ drizzleTable: table }).migrate({ allowExisting: true })).toMatchObject({
      takenOver: { table: "public.ran", adopted: { length: 2 } },
      applied: [],
    });
  });

  test("is not what another project's rows are: they are refused until somebody says that they are another's", async () => {
    const others = await historyFolder({ "0000_theirs": "create table theirs (id integer);" });
    onTestFinished(others.remove);
    const mine = dir;
    dir = others.dir;
    await migrateByDrizzle({ schema: "theirs", table: "__drizzle_migrations" });
    dir = mine;
    // The tests' histories all begin at one time.
    await database.sql`update theirs.__drizzle_migrations set created_at = created_at - 1000`;
    const error = await refused(migrator().migrate());
    expect(error.code).toBe("adopt_required");
    expect(error.remedy).toContain("--allow-existing");
    expect(await migrator().migrate({ allowExisting: true })).toMatchObject({ outcome: "applied" });
  });
});

describe("a database that is not empty", () => {
  const PUSHED = `
    create table credits (amount integer not null);
    create schema billing;
    create type billing.state as enum ('open', 'paid');
    create view billing.totals as select sum(amount) from credits;
    create function billing.rate() returns integer language sql as 'select 7';
    create table "Odd" (id serial primary key);`;

  test("is refused, naming what is there, and nothing is made", async () => {
    await database.sql.unsafe(PUSHED);
    const error = await refused(migrator().migrate());
    expect(error).toMatchObject({ code: "not_clean", exitCode: 4 });
    const [{ owner } = { owner: "" }] = await database.sql<
      { owner: string }[]
    >`select current_user as owner`;
    expect(
      error.message.replaceAll(database.name, "app").replaceAll(owner, "me"),
    ).toMatchInlineSnapshot(`
      "The database app is not empty, and its ledger (schema tidemark) has no migration. It holds 5 objects in schemas billing, public, owned by me: table public."Odd", table public.credits, function billing.rate, enum billing.state, view billing.totals.
      Nothing was run. Check that the URL leads to the right database. If \`drizzle-kit push\`, a dump or another tool created these objects, \`tidemark adopt --baseline\` finds the migration that they correspond to. If the migrations are meant to run beside them, run again with --allow-existing (at boot: MIGRATE_ALLOW_EXISTING=true)."
    `);
    expect(await database.sql`select 1 from pg_namespace where nspname = 'tidemark'`).toEqual([]);
    expect(await database.sql`select * from credits`).toEqual([]);
    await expect(migrator().plan()).rejects.toMatchObject({ code: "not_clean" });
    expect((await migrator().status()).problems).toMatchObject([{ code: "not_clean" }]);
    await expect(migrator().waitUntilCurrent({ timeoutMs: 100 })).rejects.toMatchObject({
      code: "not_clean",
    });
  });

  test("names ten objects, tables first, and counts the rest", async () => {
    await database.sql.unsafe(
      Array.from({ length: 12 }, (_, n) => `create table t${n} (id integer);`).join("\n"),
    );
    await database.sql.unsafe("create view a_view as select 1 as one");
    const { fact } = await refused(migrator().migrate());
    expect(fact).toContain("It holds 13 objects in schema public, owned by ");
    expect(fact).toMatch(/: table public\.t0, .*, table public\.t7, and 3 more\.$/);
  });

  test("is migrated when that is asked for, once: from then on the ledger tells", async () => {
    await database.sql.unsafe(PUSHED);
    expect(await migrator().migrate({ allowExisting: true, to: "0000_credits" })).toMatchObject({
      outcome: "applied",
    });
    expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0001_first" }] });
  });

  test("is a restored ledger's own matter where the history has nothing to run", async () => {
    const empty = await historyFolder({});
    onTestFinished(empty.remove);
    await database.sql.unsafe(PUSHED);
    expect(await migrator({ dir: empty.dir }).migrate()).toMatchObject({ applied: [] });
  });

  test("is not one that another runner fills between two looks", async () => {
    let filled = false;
    const second = new DatabaseMigrator(
      { url: database.url, dir },
      {
        onFailpoint: async ({ phase, message }) => {
          if (filled || phase !== "before" || message !== "find-existing") return;
          filled = true;
          await migrator().migrate();
        },
      },
    );
    expect(await second.migrate()).toMatchObject({ outcome: "current" });
    expect(filled).toBe(true);
  });
});

describe("a ledger that knows only a first migration that failed", () => {
  beforeEach(async () => {
    const broken = await historyFolder({ ...CREDITS, "0000_credits": "select broken;" });
    onTestFinished(broken.remove);
    await expect(migrator({ dir: broken.dir }).migrate()).rejects.toMatchObject({
      code: "migration_failed",
    });
  });

  test("does not account for what somebody made by hand", async () => {
    await database.sql.unsafe(`${CREDITS["0000_credits"]} ${CREDITS["0001_first"]}`);
    await expect(migrator().migrate()).rejects.toMatchObject({ code: "not_clean" });
    expect(await database.sql`select sum(amount)::int as sum from credits`).toEqual([{ sum: 100 }]);
  });

  test("is no reason to refuse a database that is still empty", async () => {
    expect(await migrator().migrate()).toMatchObject({ outcome: "applied" });
  });
});

test("an empty database is one with extensions, empty schemas, an empty table of drizzle's, and what its platform made", async () => {
  const platform = "supabase_admin";
  await onServer((admin) => admin.ask(`create role ${platform}`));
  onTestFinished(async () => {
    await onServer((admin) => admin.ask(`drop role ${platform}`));
  });
  await database.sql.unsafe(`
    create extension citext;
    create extension dblink;
    create extension tablefunc;
    create extension hstore schema public;
    create schema billing;
    create schema drizzle;
    create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
    create schema auth authorization ${platform};
    create table auth.users (id integer);
    create function public.hook() returns event_trigger language plpgsql as 'begin end';
    alter function public.hook() owner to ${platform};`);
  expect(await migrator().migrate()).toMatchObject({ outcome: "applied" });
  await database.sql.unsafe(`drop schema auth cascade; drop function public.hook();`);
});

test("two projects share a database where the second is told so", async () => {
  await migrator().migrate();
  const others = await historyFolder({ "0000_others": "create table others (id integer);" });
  onTestFinished(others.remove);
  const second = migrator({ dir: others.dir, ledgerSchema: "others_ledger" });
  const { code, fact, remedy } = await refused(second.migrate());
  expect(code).toBe("not_clean");
  expect(fact).toContain("table tidemark.runner");
  expect(remedy).toContain(
    "There is a ledger in schema tidemark: name it with --ledger-schema tidemark",
  );
  expect(await second.migrate({ allowExisting: true })).toMatchObject({ outcome: "applied" });
});

test("a table that looks like drizzle's, and that somebody has locked, is named", {
  timeout: 20_000,
}, async () => {
  await database.sql`create table blobs (id integer, hash text, created_at bigint)`;
  const holder = await database.sql.reserve();
  await holder.unsafe("begin; lock table blobs");
  const error = await refused(migrator().migrate());
  await holder.unsafe("rollback");
  holder.release();
  expect(error.code).toBe("lock_timeout");
  expect(error.fact).toContain('Another session holds a lock on "public"."blobs"');
});
