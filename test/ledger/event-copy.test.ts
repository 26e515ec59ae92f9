import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { tidemark } from "../helpers/cli.ts";
import { onServer, urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { expectSameStory, projectFolder, readCopy } from "../helpers/event-copy.ts";
import { useHistory } from "../helpers/history.ts";
import { readLedgerContent } from "../helpers/ledger.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";
import { createMigratingRole } from "../helpers/role.ts";
import { runInProcess } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

const migrate = (url = database.url) => new DatabaseMigrator({ url, dir: folder.dir }).migrate();

describe("the event store's copy of the migration events", () => {
  test("tells the ledger's story, row by row, from before its table was there", async () => {
    await folder.take(await projectFolder({ "0004_note": "create table note (id integer)" }));
    const report = await migrate();
    expect(report.warnings).toEqual([]);
    await expectSameStory(database.url, database.sql);
    const copy = await readCopy(database.sql);
    const printed = await tidemark(["events", "--json", "--url", database.url], {
      cwd: folder.dir,
    });
    const { events } = JSON.parse(printed.stdout) as { events: Record<string, unknown>[] };
    expect(copy.map(({ tag, type, payload }) => ({ tag, type, ...payload }))).toEqual(
      events.map(({ at: _at, ...event }) => event),
    );
    expect(copy.map(({ tag, type, sequence }) => `${tag} ${type} ${sequence}`)).toEqual([
      "0000_create_eventstore migration.started 1",
      "0000_create_eventstore migration.done 2",
      "0001_create_projections migration.started 1",
      "0001_create_projections migration.done 2",
      "0002_protect_events migration.started 1",
      "0002_protect_events migration.done 2",
      "0003_add_idempotency_keys_and_snapshots migration.started 1",
      "0003_add_idempotency_keys_and_snapshots migration.done 2",
      "0004_note migration.started 1",
      "0004_note migration.done 2",
    ]);
  });

  test("holds a failure and the run that corrects it", async () => {
    await folder.take(
      await projectFolder({
        "0004_broken": "create table half (id integer); select nothing from nowhere;",
      }),
    );
    await expect(migrate()).rejects.toMatchObject({ code: "migration_failed" });
    await expectSameStory(database.url, database.sql);
    await folder.write("0004_broken", "create table whole (id integer)");
    await migrate();
    await expectSameStory(database.url, database.sql);
    const copy = await readCopy(database.sql);
    expect(copy.slice(-4).map(({ type, sequence }) => `${type} ${sequence}`)).toEqual([
      "migration.started 1",
      "migration.failed 2",
      "migration.started 3",
      "migration.done 4",
    ]);
  });

  test("is committed with the migration or not at all, wherever its runner is killed", async () => {
    await folder.take(await projectFolder({ "0004_note": "create table note (id integer)" }));
    for (const phase of ["before", "sent"] as const) {
      const failpoint = { phase, message: "migration:0002_protect_events" } as const;
      await runInProcess({ options: { url: database.url, dir: folder.dir }, failpoint });
    }
    await migrate();
    await expectSameStory(database.url, database.sql);
  });

  test("is not written twice into a table that a backup brought back", async () => {
    await folder.take(await projectFolder());
    await migrate();
    // Restored, the table has another identity than the runner row remembers.
    await database.sql`update tidemark.runner set sink_table = 1`;
    await folder.write("0004_note", "create table note (id integer)");
    await folder.list([...OWN, "0004_note"]);
    await migrate();
    await expectSameStory(database.url, database.sql);
  });

  test("obeys the policies of the application's table, which let it in", async () => {
    const role = await createMigratingRole(database, "");
    try {
      const policies = `alter table eventstore.events enable row level security;
        alter table eventstore.events force row level security;
        create policy system on eventstore.events using (instance_id = 'system') with check (instance_id = 'system');`;
      await folder.take(
        await projectFolder({ "0004_policies": policies, "0005_after": "select 1" }),
      );
      expect((await migrate(role.url)).warnings).toEqual([]);
      await expectSameStory(database.url, database.sql);
    } finally {
      await role.drop();
    }
  });

  test("goes on behind a ledger that was made anew, whose numbers are those of the old one", async () => {
    await folder.take(await projectFolder({ "0004_note": "create table note (id integer)" }));
    await migrate();
    const before = await readCopy(database.sql);
    await database.sql`drop schema tidemark cascade`;
    await database.sql`drop table note`;
    await folder.list(["0004_note"]);
    await new FilledDatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
    const after = await readCopy(database.sql);
    expect(after.slice(before.length).map(({ tag, type }) => `${tag} ${type}`)).toEqual([
      "0004_note migration.started",
      "0004_note migration.done",
    ]);
  });

  test("goes through the sink that the application hands over", async () => {
    await folder.take(
      await projectFolder({
        "0004_log": "create table my_log (event jsonb primary key)",
      }),
    );
    const eventSink = {
      table: "my_log",
      sql: "insert into public.my_log select e from jsonb_array_elements($1) e on conflict do nothing",
    };
    const migrator = new DatabaseMigrator({
      url: database.url,
      dir: folder.dir,
      eventSink: { ...eventSink, table: "public.my_log" },
    });
    await migrator.migrate();
    const { events } = await readLedgerContent(database.url);
    const rows = await database.sql<{ event: { id: number } }[]>`
      select event from my_log order by event->'id'`;
    expect(rows.map(({ event }) => event.id)).toEqual(events.map(({ id }) => id));
    expect(await readCopy(database.sql)).toEqual([]);
  });
});

const OWN = [
  "0000_create_eventstore",
  "0001_create_projections",
  "0002_protect_events",
  "0003_add_idempotency_keys_and_snapshots",
];

/** Runs the project's migrations, then one that harms the copy, then one that makes it good. */
async function harmAndMend(harm: string, mend: string, url = database.url) {
  await folder.take(await projectFolder({ "0004_harm": harm, "0005_between": "select 1" }));
  const harmed = await migrate(url);
  await folder.write("0006_mend", mend);
  await folder.list([...OWN, "0004_harm", "0005_between", "0006_mend"]);
  const mended = await migrate(url);
  return { harmed, mended };
}

describe("a migration that changes the app's events table", () => {
  test("by a column that the sink does not fill: it succeeds with a warning, the next one catches up", async () => {
    const { harmed, mended } = await harmAndMend(
      "alter table eventstore.events add column region text not null default 'eu'; alter table eventstore.events alter column region drop default",
      "alter table eventstore.events drop column region",
    );
    expect(harmed.outcome).toBe("applied");
    expect(harmed.warnings).toEqual([
      {
        kind: "copy-behind",
        message:
          'the event store\'s copy of the migration events stays behind: null value in column "region" of relation "events" violates not-null constraint (SQLSTATE 23502). The next migration that can write it does.',
      },
    ]);
    expect(mended.warnings).toEqual([]);
    await expectSameStory(database.url, database.sql);
  });

  test("by another name: it succeeds with a warning, and the old name brings the rest", async () => {
    const { harmed, mended } = await harmAndMend(
      "alter table eventstore.events rename to old_events",
      "alter table eventstore.old_events rename to events",
    );
    expect(harmed.warnings).toEqual([
      {
        kind: "copy-behind",
        message:
          "the event store's copy of the migration events stays behind: there is no table eventstore.events any more. The next migration that can write it does.",
      },
    ]);
    expect(mended.warnings).toEqual([]);
    await expectSameStory(database.url, database.sql);
  });

  test("by dropping it: it succeeds with a warning, and a new table gets the whole story", async () => {
    const { harmed, mended } = await harmAndMend(
      "create table eventstore.kept (like eventstore.events including all); drop table eventstore.events",
      "alter table eventstore.kept rename to events",
    );
    expect(harmed.warnings).toHaveLength(1);
    expect(mended.warnings).toEqual([]);
    await expectSameStory(database.url, database.sql);
  });

  test("by dropping its whole schema: it succeeds with a warning", async () => {
    await folder.take(await projectFolder({ "0004_harm": "drop schema eventstore cascade" }));
    const { warnings } = await migrate();
    expect(warnings).toHaveLength(1);
    expect(
      await new DatabaseMigrator({ url: database.url, dir: folder.dir }).currentVersion(),
    ).toBe("0004_harm");
  });

  test.each([
    ["the right to insert", "revoke insert on eventstore.events from current_user"],
    ["the right to the schema", "revoke usage on schema eventstore from current_user"],
  ])("by revoking %s from the runner's role: it succeeds with a warning", async (_what, revoke) => {
    const role = `sink_${database.name}`;
    await onServer(async (admin) => {
      await admin.ask(`create role ${role} login password 'pw'`);
      await admin.ask(`grant create on database ${database.name} to ${role}`);
    });
    const url = urlOfDatabase(database.name, { user: role, password: "pw" });
    try {
      const { harmed, mended } = await harmAndMend(
        // The owner of a table or schema has every right that was not revoked from it by name.
        revoke,
        revoke.replace("revoke", "grant").replace(" from ", " to "),
        url,
      );
      expect(harmed.warnings[0]?.message).toMatch(/permission denied .*SQLSTATE 42501/);
      expect(mended.warnings).toEqual([]);
      await expectSameStory(database.url, database.sql);
    } finally {
      await onServer(async (admin) => {
        const own = postgres(urlOfDatabase(database.name), { max: 1, onnotice: () => undefined });
        await own.unsafe(`reassign owned by ${role} to current_user; drop owned by ${role}`);
        await own.end();
        await admin.ask(`drop role ${role}`);
      });
    }
  });

  test.each([
    [
      "a constraint that is checked at COMMIT",
      `create table public.instances (id text primary key);
       alter table eventstore.events add constraint known_instance foreign key (instance_id)
       references public.instances deferrable initially deferred not valid`,
      "alter table eventstore.events drop constraint known_instance",
      /known_instance.*23503/,
    ],
    [
      "a trigger that asserts",
      `create function public.refuse() returns trigger language plpgsql as
         $$ begin assert false, 'not today'; return new; end $$;
       create trigger refuse before insert on eventstore.events
       for each row execute function public.refuse()`,
      "drop trigger refuse on eventstore.events",
      /not today.*P0004/,
    ],
  ])(
    "by %s: it succeeds with a warning, so do failure and repair, and the next one catches up",
    async (_what, harm, mend, warning) => {
      await folder.take(
        await projectFolder({
          "0004_harm": harm,
          "0005_broken": "select nothing from nowhere",
        }),
      );
      await expect(migrate()).rejects.toMatchObject({
        code: "migration_failed",
        tag: "0005_broken",
      });
      const repaired = await new DatabaseMigrator({ url: database.url, dir: folder.dir }).repair();
      expect(repaired.repaired).toHaveLength(1);
      expect(repaired.warnings[0]?.message).toMatch(warning);
      await folder.write("0005_broken", "select 1");
      await folder.write("0006_mend", mend);
      await folder.list([...OWN, "0004_harm", "0005_broken", "0006_mend"]);
      expect((await migrate()).warnings).toEqual([]);
      await expectSameStory(database.url, database.sql);
    },
  );

  test("is not held up by somebody who has locked it, however many migrations there are", async () => {
    await folder.take(await projectFolder());
    await migrate();
    const many = Array.from({ length: 20 }, (_item, i) => `0004_note_${i + 10}`);
    for (const tag of many) await folder.write(tag, `create table "${tag}" (id integer)`);
    await folder.list([...OWN, ...many]);
    const locked = await database.sql.reserve();
    await locked.unsafe("begin; lock table eventstore.events in share mode");
    const { warnings, durationMs } = await migrate();
    expect(durationMs).toBeLessThan(2_500);
    await locked.unsafe("rollback");
    locked.release();
    expect(warnings[0]?.message).toContain("eventstore.events is locked by another session");
    await folder.write("0005_note", "create table last (id integer)");
    await folder.list([...OWN, ...many, "0005_note"]);
    expect((await migrate()).warnings).toEqual([]);
    await expectSameStory(database.url, database.sql);
  });
});

describe("a sink file", () => {
  test("that names no table is refused before anything runs", async () => {
    await folder.take(await projectFolder());
    await writeFile(join(folder.dir, "event-sink.sql"), "insert into a.b select 1");
    await expect(migrate()).rejects.toMatchObject({ code: "history_invalid" });
    await writeFile(join(folder.dir, "event-sink.sql"), "-- tidemark: event-sink a.b\n");
    await expect(migrate()).rejects.toMatchObject({ code: "history_invalid" });
    expect(await database.sql`select to_regclass('tidemark.runner') as ledger`).toEqual([
      { ledger: null },
    ]);
  });

  test("that is not there means that nothing is copied", async () => {
    await folder.take(await projectFolder());
    await rm(join(folder.dir, "event-sink.sql"));
    expect((await migrate()).warnings).toEqual([]);
    expect(await readCopy(database.sql)).toEqual([]);
  });
});
