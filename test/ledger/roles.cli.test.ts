import { afterEach, beforeEach, expect, test } from "vitest";
import { urlOfDatabase } from "../helpers/database.ts";
import { useProject } from "../helpers/project-fixture.ts";
import { screen } from "../helpers/screen.ts";

const here = useProject();
let role: string;

beforeEach(async () => {
  role = `reader_${here.database.name}`;
  await here.database.sql.unsafe(`create role ${role} login password 'reader'`);
});

afterEach(async () => {
  await here.database.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
});

const migrateAsOwner = (...args: readonly string[]) =>
  here.project.run(["migrate", ...args], { DATABASE_URL: here.database.url });

const asRole = async (...args: readonly string[]) => {
  const url = urlOfDatabase(here.database.name, { user: role, password: "reader" });
  return screen(await here.project.run(args, { DATABASE_URL: url }), {
    role,
    database: here.database.name,
  });
};

const grantReading = () =>
  here.database.sql.unsafe(`grant usage on schema tidemark to ${role};
    grant select on all tables in schema tidemark to ${role}`);

test("a role that may read the ledger alone sees the status", async () => {
  await migrateAsOwner("--to", "0001_add_author");
  await grantReading();
  expect(await asRole("status", "--check")).toMatchInlineSnapshot(`
    "exit code 3
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  <duration>  postgres@<host>
    0001_add_author  DONE  <time>  <duration>  postgres@<host>
    0002_first_note  PENDING
    1 pending. The database is at 0001_add_author.
    "
  `);
  expect(await asRole("migrate", "--dry-run")).toContain("-- 1 pending. Nothing was run.");
});

test("so does one whose transactions are read-only", async () => {
  await migrateAsOwner();
  await grantReading();
  await here.database.sql.unsafe(`alter role ${role} set default_transaction_read_only = on`);
  expect(await asRole("status", "--check")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    migration  state  when  took  by
    0000_create_notes  DONE  <time>  <duration>  postgres@<host>
    0001_add_author  DONE  <time>  <duration>  postgres@<host>
    0002_first_note  DONE  <time>  <duration>  postgres@<host>
    0 pending. The database is at 0002_first_note.
    "
  `);
  expect(await asRole("migrate")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    Nothing pending. The database is at 0002_first_note.
    "
  `);
});

test("so does one on a database that has no ledger", async () => {
  expect(await asRole("status")).toMatchInlineSnapshot(`
    "exit code 0
    --- stdout
    migration  state  when  took  by
    0000_create_notes  PENDING
    0001_add_author  PENDING
    0002_first_note  PENDING
    3 pending. The database is at no version.
    "
  `);
});

test("a role that may read the ledger is told what it lacks to migrate", async () => {
  await migrateAsOwner("--to", "0001_add_author");
  await grantReading();
  expect(await asRole("migrate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The ledger in schema tidemark cannot be used: permission denied for table runner (SQLSTATE 42501).
    To migrate, connect as the role that owns schema tidemark; where there is none yet, it takes the right to create on the database (grant create on database … to …).
    For status, this is enough: grant usage on schema "tidemark" to …; grant select on all tables in schema "tidemark" to …;
    "
  `);
  expect(await here.database.sql`select * from notes`).toEqual([]);
});

test("a role without the right to create is told so, and nothing is created", async () => {
  expect(await asRole("migrate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The ledger in schema tidemark cannot be used: permission denied for database <database> (SQLSTATE 42501).
    To migrate, connect as the role that owns schema tidemark; where there is none yet, it takes the right to create on the database (grant create on database … to …).
    For status, this is enough: grant usage on schema "tidemark" to …; grant select on all tables in schema "tidemark" to …;
    "
  `);
  const [row] = await here.database.sql`
    select to_regnamespace('tidemark') as ledger, to_regclass('public.notes') as notes`;
  expect(row).toEqual({ ledger: null, notes: null });
});

test("a role without any right on the ledger is told the grants, each time the next", async () => {
  await migrateAsOwner();
  expect(await asRole("status")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The ledger in schema tidemark cannot be used: permission denied for schema tidemark (SQLSTATE 42501).
    To migrate, connect as the role that owns schema tidemark; where there is none yet, it takes the right to create on the database (grant create on database … to …).
    For status, this is enough: grant usage on schema "tidemark" to …; grant select on all tables in schema "tidemark" to …;
    "
  `);
  expect(await asRole("migrate", "--json")).toMatchInlineSnapshot(`
    "exit code 2
    --- stdout
    {"error":{"code":"config","exitCode":2,"fact":"The ledger in schema tidemark cannot be used: permission denied for schema tidemark (SQLSTATE 42501).","outcome":null,"remedy":"To migrate, connect as the role that owns schema tidemark; where there is none yet, it takes the right to create on the database (grant create on database … to …).\\nFor status, this is enough: grant usage on schema \\"tidemark\\" to …; grant select on all tables in schema \\"tidemark\\" to …;","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
    --- stderr
    error (config) The ledger in schema tidemark cannot be used: permission denied for schema tidemark (SQLSTATE 42501).
    To migrate, connect as the role that owns schema tidemark; where there is none yet, it takes the right to create on the database (grant create on database … to …).
    For status, this is enough: grant usage on schema "tidemark" to …; grant select on all tables in schema "tidemark" to …;
    "
  `);
  await here.database.sql.unsafe(`grant usage on schema tidemark to ${role}`);
  expect(await asRole("status")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The ledger in schema tidemark cannot be used: permission denied for table runner (SQLSTATE 42501).
    To migrate, connect as the role that owns schema tidemark; where there is none yet, it takes the right to create on the database (grant create on database … to …).
    For status, this is enough: grant usage on schema "tidemark" to …; grant select on all tables in schema "tidemark" to …;
    "
  `);
  await here.database.sql.unsafe(`grant select on tidemark.runner to ${role}`);
  expect(await asRole("status")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The ledger in schema tidemark cannot be used: permission denied for table schema_migrations (SQLSTATE 42501).
    To migrate, connect as the role that owns schema tidemark; where there is none yet, it takes the right to create on the database (grant create on database … to …).
    For status, this is enough: grant usage on schema "tidemark" to …; grant select on all tables in schema "tidemark" to …;
    "
  `);
  await grantReading();
  expect(await asRole("status", "--check")).toContain("exit code 0");
});

test("a role that may not look for drizzle's own table is told so", async () => {
  await here.database.sql.unsafe(`create schema drizzle;
    create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`);
  expect(await asRole("status")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) Cannot check whether drizzle's own migrator ran here: permission denied for schema drizzle (SQLSTATE 42501).
    Nothing was run. Grant the role the right to read it: grant usage on schema "drizzle" to …; grant select on "drizzle"."__drizzle_migrations" to …;
    "
  `);
});

test.each(["runner", "schema_migrations", "migration_events"])(
  "row-level security on %s hides nothing in silence: a role that it binds is told, and the owner is not bound",
  async (table) => {
    await migrateAsOwner();
    await grantReading();
    await here.database.sql.unsafe(`alter table tidemark.${table} enable row level security`);
    const shown = await asRole(table === "migration_events" ? "events" : "status");
    expect(shown).toMatch(/^exit code 2\n/);
    expect(shown).toContain(`row-level security policy for table "${table}"`);
    expect(shown).toContain(`alter table tidemark.${table} disable row level security`);
    const owner = await here.project.run(["status"], { DATABASE_URL: here.database.url });
    expect(screen(owner)).toContain("0 pending");
  },
);
