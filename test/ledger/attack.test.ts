import { expect, test } from "vitest";
import { DatabaseMigrator, MigrateError } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { createMigratingRole } from "../helpers/role.ts";

const database = useDatabase();
const folder = useHistory({ "0000_first": "create table a (id int);", "0001_attack": "select 1;" });
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });

/** Seen by the grammar: refused before anything of the file runs. */
test.each([
  ["delete from tidemark.schema_migrations", "DELETE FROM tidemark.schema_migrations"],
  ['delete from U&"\\0074idemark".runner', "DELETE FROM tidemark.runner"],
  ["truncate other, tidemark.runner", "TRUNCATE of tidemark.runner"],
  ["update tidemark.runner set head = 'x'", "UPDATE of tidemark.runner"],
  [
    "insert into tidemark.migration_events (tag) values ('x')",
    "INSERT INTO tidemark.migration_events",
  ],
  [
    "with gone as (delete from tidemark.runner returning 1) select * from gone",
    "DELETE FROM tidemark.runner",
  ],
  ["grant all on tidemark.runner to public", "GRANT or REVOKE on tidemark.runner"],
  [
    "revoke all on all tables in schema tidemark from postgres",
    "GRANT or REVOKE on schema tidemark",
  ],
  ["revoke usage on schema tidemark from public", "GRANT or REVOKE on schema tidemark"],
  ["alter table tidemark.runner enable row level security", "ALTER of tidemark.runner"],
  ["create policy p on tidemark.runner using (false)", "CREATE POLICY on tidemark.runner"],
  [
    "create trigger t before insert on tidemark.runner execute function f()",
    "CREATE TRIGGER on tidemark.runner",
  ],
  [
    "create rule r as on delete to tidemark.runner do instead nothing",
    "CREATE RULE on tidemark.runner",
  ],
  ["drop table a, tidemark.migration_events", "DROP of tidemark.migration_events"],
  ["drop schema tidemark cascade", "DROP of schema tidemark"],
  ["alter schema tidemark rename to gone", "RENAME of schema tidemark"],
  ["alter schema tidemark owner to postgres", "ALTER OWNER of schema tidemark"],
  ["alter table tidemark.runner rename to gone", "RENAME of tidemark.runner"],
  ["drop function tidemark.fence(uuid, bigint, bigint, text)", "DROP of tidemark.fence"],
])("a file that holds `%s` is refused", async (statement, what) => {
  await folder.write("0001_attack", `${statement};`);
  await expect(migrator().migrate()).rejects.toMatchObject({
    code: "unsupported_statement",
    fact: expect.stringContaining(`statement 1 is ${what}, of the ledger`),
  });
  expect(await database.sql`select to_regclass('tidemark.runner') as r`).toEqual([{ r: null }]);
});

test.each([
  "select * from tidemark.schema_migrations",
  "create table b as select tag from tidemark.schema_migrations",
  "create schema other; comment on schema tidemark is 'ours'",
  "create table runner (id int); delete from runner",
])("what only reads it, or is called alike, is not: `%s`", async (statement) => {
  await folder.write("0001_attack", `${statement};`);
  expect((await migrator().migrate()).applied).toHaveLength(2);
});

/** Not seen by the grammar: taken back with its migration, by whoever owns the ledger; the next run goes on. */
test.each([
  "delete from tidemark.schema_migrations",
  "truncate tidemark.runner",
  "delete from tidemark.migration_events",
  "alter table tidemark.schema_migrations enable row level security; alter table tidemark.schema_migrations force row level security",
  "revoke all on all tables in schema tidemark from current_user",
  "revoke all on schema tidemark from current_user; drop function tidemark.record cascade",
  "drop schema tidemark cascade",
  "alter table tidemark.runner rename to gone",
  "update tidemark.runner set run_id = null",
])("in a DO block `%s` is taken back, and leaves nobody locked out", async (statement) => {
  const role = await createMigratingRole(database, "");
  try {
    const owner = new DatabaseMigrator({ url: role.url, dir: folder.dir });
    const body = statement
      .split("; ")
      .map((one) => `execute ${`'${one.replaceAll("'", "''")}'`};`)
      .join(" ");
    await folder.write("0001_attack", `do $do$ begin create table b (id int); ${body} end $do$;`);
    await expect(owner.migrate()).rejects.toBeInstanceOf(MigrateError);
    expect(await database.sql`select to_regclass('b') as b`).toEqual([{ b: null }]);
    await folder.write("0001_attack", "create table b (id int);");
    await owner.migrate();
    const { migrations, problems } = await owner.status();
    expect([problems, migrations.map(({ state }) => state.kind)]).toEqual([[], ["DONE", "DONE"]]);
  } finally {
    await role.drop();
  }
});

test("a schema of the ledger with a quote in its name is known in a file", async () => {
  const ledgerSchema = 'my"ledger';
  await folder.write("0001_attack", 'delete from "my""ledger".runner;');
  const { url } = database;
  await expect(
    new DatabaseMigrator({ url, dir: folder.dir, ledgerSchema }).migrate(),
  ).rejects.toMatchObject({ code: "unsupported_statement" });
});

test("a state that there is not is an error which says so", async () => {
  await migrator().migrate();
  await database.sql.unsafe(`
    alter table tidemark.schema_migrations drop constraint schema_migrations_state_check;
    update tidemark.schema_migrations set state = 'MAYBE' where tag = '0000_first'`);
  await expect(migrator().status()).rejects.toMatchObject({
    code: "config",
    fact: 'In the ledger 0000_first has the state "MAYBE", which is none of PENDING, STARTED, DONE, FAILED.',
  });
  // What is asserted of every ledger afterwards cannot be of this one.
  await database.sql`drop schema tidemark cascade`;
});
