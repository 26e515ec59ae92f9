import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { defineBackfill } from "../../src/db/steps/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({ "0000_a": "create table a (id integer);" });
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });

/** As version 1 had it: no drizzle's table, and a function that knows no takeover. */
async function makeVersion1(): Promise<void> {
  await database.sql.unsafe(`
    alter table tidemark.runner drop column drizzle_table;
    alter table tidemark.schema_migrations drop column reverting, drop column down_checksum,
      drop column down_sql;
    update tidemark.runner set ledger_version = 1, min_reader = 1;
    create or replace function tidemark.record(
      p_run uuid, p_token bigint, p_who jsonb, p_events jsonb, p_head text, p_activity text
    ) returns bigint language plpgsql as 'begin raise exception ''version 1''; end'`);
}

const versions = () => database.sql`select ledger_version, min_reader from tidemark.runner`;

test("a ledger of version 1 is read as it is, and upgraded by the first run that writes to it", async () => {
  await migrator().migrate();
  await makeVersion1();
  expect(await migrator().status()).toMatchObject({ version: "0000_a", pending: 0 });
  expect(await migrator().migrate()).toMatchObject({ outcome: "current" });
  expect(await versions()).toEqual([{ ledger_version: 1, min_reader: 1 }]);
  await folder.write("0001_b", "create table b (id integer);");
  await folder.list(["0000_a", "0001_b"]);
  const reports = await Promise.all([1, 2, 3].map(() => migrator().migrate()));
  expect(reports.flatMap(({ applied }) => applied)).toMatchObject([{ tag: "0001_b" }]);
  expect(await versions()).toEqual([{ ledger_version: 4, min_reader: 2 }]);
  await folder.write("0002_c", "create table c (id integer);");
  await folder.list(["0000_a", "0001_b", "0002_c"]);
  expect(await migrator().adopt({ markApplied: ["0002_c"] })).toMatchObject({
    adopted: ["0002_c"],
  });
  expect(await migrator().migrate()).toMatchObject({ outcome: "current" });
  expect(await database.sql`select to_regclass('c') as c`).toEqual([{ c: null }]);
});

test("a rollback upgrades a ledger that keeps no down files, and goes by the folder's", async () => {
  await folder.write("0000_a.down", "drop table a;");
  await migrator().migrate();
  await database.sql.unsafe(`
    alter table tidemark.schema_migrations drop column reverting, drop column down_checksum,
      drop column down_sql;
    update tidemark.runner set ledger_version = 2`);
  expect(await migrator().planRollback()).toMatchObject({ steps: [{ source: "folder" }] });
  expect(await migrator().rollback()).toMatchObject({ reverted: [{ tag: "0000_a" }] });
  expect(await versions()).toEqual([{ ledger_version: 4, min_reader: 2 }]);
});

test("a ledger of version 3 gets the tables of repeatables and backfills, with the rights on the states of migrations", async () => {
  await migrator().migrate();
  const [row] = await database.sql`select 'upgrade_' || substr(md5(random()::text), 1, 8) as role`;
  const role = String(row?.role);
  await database.sql.unsafe(`create role ${role};
    grant select, insert, update on tidemark.schema_migrations to ${role};
    drop table tidemark.repeatables;
    drop table tidemark.backfills, tidemark.backfill_rows;
    drop function tidemark.backfill_checkpoint, tidemark.backfill_event;
    alter table tidemark.migration_events drop constraint migration_events_type_check;
    alter table tidemark.migration_events add constraint migration_events_type_check
      check (type in ('migration.started', 'migration.done', 'migration.failed'));
    update tidemark.runner set ledger_version = 3`);
  try {
    await folder.repeat("v", "create or replace view v as select id from a;");
    expect(await migrator().status()).toMatchObject({ pendingRepeatables: 1 });
    expect(await migrator().migrate()).toMatchObject({ repeatables: [{ why: "new" }] });
    expect(await versions()).toEqual([{ ledger_version: 4, min_reader: 2 }]);
    const rights = await database.sql`
      select r, bool_and(has_table_privilege(${role}, 'tidemark.' || t, r)) as has,
        count(distinct has_table_privilege(${role}, 'tidemark.' || t, r))::int as answers
      from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) with ordinality r (r, place),
        unnest(array['repeatables', 'backfills', 'backfill_rows']) t
      group by r, place order by place`;
    expect(rights.map(({ answers }) => answers)).toEqual([1, 1, 1, 1]);
    const step = {
      definition: defineBackfill({ table: "a", key: "id", set: "id = id" }),
      version: "1",
    };
    const history = [
      { tag: "0000_a", sql: "create table a (id integer);" },
      { tag: "0001_key", sql: "alter table a add primary key (id);" },
      { tag: "0002_fill", sql: "", step },
    ];
    await new DatabaseMigrator({ url: database.url, history }).migrate();
    const events = await migrator().events({ tag: "0002_fill" });
    expect(events.map(({ type }) => type)).toContain("backfill.done");
    expect(rights.map(({ r, has }) => `${r} ${has}`)).toEqual([
      "SELECT true",
      "INSERT true",
      "UPDATE true",
      "DELETE false",
    ]);
  } finally {
    await database.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
});
