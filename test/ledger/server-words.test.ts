import { afterEach, beforeEach, expect, test } from "vitest";
import { initDatabase } from "../../src/db/init/index.ts";
import { DatabaseMigrator, MigrateError } from "../../src/db/migrate/index.ts";
import { backfillMigrator } from "../helpers/backfill.ts";
import { urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({ "0000_a": "create table a (id int primary key);" });
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });

/** Raises whatever it is a trigger of. */
const REFUSE = `create function refuse() returns trigger language plpgsql as $$ begin
  raise exception 'not today' using errcode = '42501', detail = 'frozen', hint = 'ask ops'; end $$;
create function refuse_ddl() returns event_trigger language plpgsql as $$ begin
  raise exception 'not today' using errcode = '42501', detail = 'frozen', hint = 'ask ops'; end $$;`;
const RAISE =
  "do $$ begin raise exception 'not today' using errcode = '42501', detail = 'frozen', hint = 'ask ops'; end $$;";

beforeEach(() => database.sql.unsafe(REFUSE));
afterEach(() => database.sql.unsafe("drop event trigger if exists frozen"));

async function failureOf(run: Promise<unknown>): Promise<MigrateError> {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MigrateError)) throw new Error("no MigrateError", { cause: error });
  return error;
}

function expectWords(error: MigrateError): void {
  expect(error.fact).toMatch(/not today/);
  expect(error.fact).toMatch(/SQLSTATE 42501/);
  expect(error.fact).toMatch(/\ndetail: frozen\nhint: ask ops\ncontext: PL\/pgSQL function/);
  expect(error.remedy).not.toMatch(/grant |superuser|CREATEROLE/);
}

test("the server's DETAIL, HINT and CONTEXT come with a migration, and with its way down", async () => {
  await folder.write("0000_a", RAISE);
  expectWords(await failureOf(migrator().migrate({ allowExisting: true })));
  await folder.write("0000_a", "create table a (id int primary key);");
  await migrator().migrate({ allowExisting: true });
  await folder.write("0000_a.down", RAISE);
  expectWords(
    await failureOf(migrator().rollback({ allowDataLoss: true, database: database.name })),
  );
  await migrator().repair();
});

test("with a repeatable", async () => {
  await folder.repeat("views", RAISE);
  expectWords(await failureOf(migrator().migrate({ allowExisting: true })));
});

test("with a backfill, whose raised 55P03 is no lock either", async () => {
  await database.sql.unsafe(`create table b (id int primary key, x int); insert into b values (1);
    create function busy() returns trigger language plpgsql as $$ begin
      raise exception 'not today' using errcode = '55P03', detail = 'frozen', hint = 'ask ops'; end $$;
    create trigger busy before update on b for each row execute function busy()`);
  const run = backfillMigrator(database.url, {
    "0000_fill": { table: "b", set: "x = 1", where: "x is null" },
  }).migrate({ allowExisting: true });
  const error = await failureOf(run);
  expect(error).toMatchObject({ code: "migration_failed" });
  expect(error.fact).toMatch(/\ndetail: frozen\nhint: ask ops\ncontext: PL\/pgSQL function/);
});

test("with the schema of drizzle's table", async () => {
  await migrator().migrate({ allowExisting: true });
  await folder.write("0001_b", "select 1;");
  await folder.list(["0000_a", "0001_b"]);
  await database.sql.unsafe(
    "create event trigger frozen on ddl_command_start when tag in ('CREATE SCHEMA') execute function refuse_ddl()",
  );
  const run = new DatabaseMigrator({
    url: database.url,
    dir: folder.dir,
    drizzleTable: { schema: "ours" },
  }).migrate();
  const error = await failureOf(run);
  expectWords(error);
  expect(error.remedy).toContain("A function of this database raised it");
});

test("with drizzle's table, which a trigger guards", async () => {
  await migrateWithDrizzle("0.x", { url: database.url, dir: folder.dir });
  await database.sql.unsafe(
    "create trigger guard before insert or update on drizzle.__drizzle_migrations for each row execute function refuse()",
  );
  await folder.write("0001_b", "select 1;");
  await folder.list(["0000_a", "0001_b"]);
  const error = await failureOf(migrator().migrate());
  expect(error.fact).toMatch(
    /__drizzle_migrations cannot be written: not today.*\ndetail: frozen\nPL\/pgSQL function public.refuse\(\).*\nhint: ask ops The migration itself is fine. Correct what refuses it, or give that table up with: tidemark migrate --no-mirror/s,
  );
});

test("with init", async () => {
  await database.sql.unsafe(
    "create event trigger frozen on ddl_command_start when tag in ('CREATE SCHEMA') execute function refuse_ddl()",
  );
  const owner = `owner_${database.name}`;
  const app = `app_${database.name}`;
  const run = initDatabase({
    adminUrl: database.url,
    migrationUrl: urlOfDatabase(database.name, { user: owner, password: "pw" }),
    appUrl: undefined,
    database: database.name,
    owner: { name: owner, password: "pw" },
    deployer: undefined,
    app: { name: app, password: "pw" },
    ledgerSchema: "tidemark",
  });
  try {
    expectWords(await failureOf(run));
  } finally {
    await database.sql.unsafe(
      `drop owned by ${owner}; drop owned by ${app}; drop role ${owner}; drop role ${app}`,
    );
  }
});
