import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { tidemark } from "../helpers/cli.ts";
import { useDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/embedded-folder.ts";
import { expectSameStory, projectFolder } from "../helpers/event-copy.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { readLedgerContent, storyOf } from "../helpers/ledger.ts";
import { runInProcess, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const states = async () =>
  (await migrator().status()).migrations.map(({ state, attempt }) => `${state.kind} ${attempt}`);
const repair = (...args: readonly string[]) =>
  tidemark(["repair", "--url", database.url, "--dir", folder.dir, ...args], { cwd: folder.dir });

/** Leaves 0001 STUCK: its runner was killed after `started`, before its statements. */
async function killHalfWay() {
  const failpoint = { phase: "before", message: "migration:0001_add_author" } as const;
  const end = await runInProcess({ options: { url: database.url, dir: folder.dir }, failpoint });
  expect(end.signal).toBe("SIGKILL");
  // The server notices a moment later.
  await eventually("the runner is seen as gone", async () => (await states()).includes("STUCK 1"));
}

describe("repair", () => {
  test("clears what a killed runner left STUCK, and says so; the next run starts it anew", async () => {
    await folder.make(THREE);
    await killHalfWay();
    expect(await states()).toEqual(["DONE 1", "STUCK 1", "PENDING 0"]);
    const { code, stdout } = await repair();
    expect(stdout.replace(/\d{4}-\S+Z by .*\(process \d+\)/, "<when> by <whom>")).toBe(
      `Released the lease of a runner that is no longer running.
0001_add_author was STUCK: started <when> by <whom>, which is no longer running; its transaction was rolled back. Cleared: it is PENDING.
Next: tidemark migrate
`,
    );
    expect(code).toBe(0);
    expect(await states()).toEqual(["DONE 1", "PENDING 1", "PENDING 0"]);
    await migrator().migrate();
    const { events } = await readLedgerContent(database.url);
    expect(storyOf(events).slice(2)).toEqual([
      "0001_add_author started 1",
      "0001_add_author resolved 1",
      "0001_add_author started 2",
      "0001_add_author done 2",
      "0002_first_note started 1",
      "0002_first_note done 1",
    ]);
  });

  test("clears what FAILED, with its error in the log for good", async () => {
    await folder.make({ ...THREE, "0001_add_author": "select nothing from nowhere" });
    await migrator()
      .migrate()
      .catch(() => undefined);
    const { code, stdout } = await repair("--json");
    expect({ code, ...JSON.parse(stdout) }).toEqual({
      code: 0,
      repaired: [{ tag: "0001_add_author", before: "FAILED" }],
      kept: [],
      leaseFreed: false,
      warnings: [],
    });
    expect(await states()).toEqual(["DONE 1", "PENDING 1", "PENDING 0"]);
    const { events } = await readLedgerContent(database.url);
    expect(events.at(-2)).toMatchObject({ type: "migration.failed", payload: { error: {} } });
    expect(events.at(-1)).toMatchObject({
      type: "migration.resolved",
      payload: { before: "FAILED" },
    });
    expect((await repair()).stdout).toBe("Nothing to repair.\n");
  });

  test("takes a failed migration whose file is gone out of the status", async () => {
    await folder.make({ ...THREE, "0001_add_author": "select nothing from nowhere" });
    await migrator()
      .migrate()
      .catch(() => undefined);
    await folder.list(["0000_create_notes"]);
    expect((await migrator().status()).migrations.map(({ flags }) => flags)).toEqual([
      [],
      ["MISSING"],
    ]);
    await migrator().repair();
    expect((await migrator().status()).migrations.map(({ tag }) => tag)).toEqual([
      "0000_create_notes",
    ]);
  });

  test("leaves alone what has committed some of its statements, with exit code 6", async () => {
    await folder.make({ ...THREE, "0001_add_author": "select nothing from nowhere" });
    await migrator()
      .migrate()
      .catch(() => undefined);
    // What a later version of the runner does between two transactions of a file.
    await database.sql`
      with written as (
        insert into tidemark.migration_events (type, run_id, tag, attempt, checksum, payload, db_user,
          host, process_id, backend_pid, tool_version)
        select 'statement.done', run_id, tag, attempt, checksum, '{"statement": 1, "prefix": null}',
          db_user, host, process_id, backend_pid, tool_version
        from tidemark.migration_events where type = 'migration.failed'
        returning id, tag
      )
      update tidemark.schema_migrations m set statements_done = 1, event_id = w.id
      from written w where w.tag = m.tag`;
    const { code, stdout } = await repair();
    expect(stdout).toBe(
      "0001_add_author was not changed: 1 of its 1 statements are committed: the next run goes on after them.\n",
    );
    expect(code).toBe(6);
    expect(await states()).toEqual(["DONE 1", "FAILED 1", "PENDING 0"]);
  });

  test("does not touch a run that is at work: it waits, then names the holder", async () => {
    await folder.make({ "0000_gone": "select nothing from nowhere" });
    await migrator()
      .migrate()
      .catch(() => undefined);
    await folder.write("0000_slow", "select pg_advisory_xact_lock(18)");
    await folder.list(["0000_slow"]);
    const held = await database.sql.reserve();
    await held.unsafe("select pg_advisory_lock(18)");
    const runner = await startRunner();
    const started = runner.seen("migration-started");
    runner.start({ options: { url: database.url, dir: folder.dir, lockTimeoutMs: 60_000 } });
    await started;
    const { code, stderr } = await repair("--wait-timeout", "0.5");
    expect(stderr).toContain(
      `for another runner: postgres@${hostname()} (process ${runner.child.pid})`,
    );
    expect(stderr).toContain("running 0000_slow");
    expect(code).toBe(5);
    expect(await states()).toEqual(["STARTED 1", "FAILED 1"]);
    await held.unsafe("select pg_advisory_unlock(18)");
    held.release();
    expect((await runner.end).report?.applied).toHaveLength(1);
  });

  test("with nothing to do locks nothing and needs no right to write, with a copy of the events too", async () => {
    await folder.take(await projectFolder());
    await migrator().migrate();
    const token = async () => (await database.sql`select token from tidemark.runner`)[0]?.token;
    const before = await token();
    expect(await migrator().repair()).toEqual({
      repaired: [],
      kept: [],
      leaseFreed: false,
      warnings: [],
    });
    expect(await token()).toBe(before);
  });

  test("whose lease is taken from under it starts over", async () => {
    await folder.make(THREE);
    await killHalfWay();
    const seen: string[] = [];
    const repairing = new DatabaseMigrator(
      { url: database.url, dir: folder.dir },
      {
        onFailpoint: async ({ phase, message }) => {
          if (phase !== "before" || message !== "repair" || seen.includes("lease-lost")) return;
          await database.sql`update tidemark.runner set token = token + 1, run_id = null`;
        },
      },
    );
    const report = await repairing.repair({ onProgress: ({ kind }) => seen.push(kind) });
    expect(seen).toContain("lease-lost");
    expect(report.repaired.map(({ tag }) => tag)).toEqual(["0001_add_author"]);
  });

  test("gives the lease back with what it writes: there is no moment between the two", async () => {
    await folder.make(THREE);
    await killHalfWay();
    const holders: unknown[] = [];
    const repairing = new DatabaseMigrator(
      { url: database.url, dir: folder.dir },
      {
        onFailpoint: async ({ phase, message }) => {
          if (phase !== "after" || message !== "repair") return;
          holders.push(...(await database.sql`select run_id from tidemark.runner`));
        },
      },
    );
    await repairing.repair();
    expect(holders).toEqual([{ run_id: null }]);
  });

  test("by many at once is one repair", async () => {
    await folder.make(THREE);
    await killHalfWay();
    const ends = await Promise.all([repair(), repair(), repair(), repair()]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const { events } = await readLedgerContent(database.url);
    expect(events.filter(({ type }) => type === "migration.resolved")).toHaveLength(1);
  });

  test("keeps a migration of which a part is committed, and says so where its file is gone", async () => {
    await folder.make({
      "0000_a": "create table a (id integer);\ncommit;\nselect 1 / 0;",
    });
    await migrator()
      .migrate()
      .catch(() => undefined);
    expect((await migrator().repair()).kept).toEqual([
      {
        tag: "0000_a",
        reason: "2 of its 3 statements are committed: the next run goes on after them",
      },
    ]);
    await folder.list([]);
    expect((await migrator().repair()).kept).toEqual([
      {
        tag: "0000_a",
        reason:
          "2 of its 3 statements are committed, and it is no longer in the folder: bring its file and its journal entry back, so that a run can finish it",
      },
    ]);
  });

  test("of a database without a ledger does nothing, and creates nothing", async () => {
    await folder.make(THREE);
    expect((await repair()).stdout).toBe("Nothing to repair.\n");
    expect(await database.sql`select to_regclass('tidemark.runner') as ledger`).toEqual([
      { ledger: null },
    ]);
  });

  test("needs no folder that can be read: a merge conflict in the journal is another trouble", async () => {
    await folder.make({ ...THREE, "0001_add_author": "select nothing from nowhere" });
    await migrator()
      .migrate()
      .catch(() => undefined);
    await folder.write("meta/_journal", "");
    const repairing = migrator();
    await folder.remove();
    expect((await repairing.repair()).repaired).toHaveLength(1);
  });

  test("brings the event store's copy up to date, with its own event", async () => {
    await folder.take(await projectFolder({ "0003_broken": "select nothing from nowhere" }));
    await migrator()
      .migrate()
      .catch(() => undefined);
    await database.sql`alter table eventstore.events rename to hidden`;
    const { warnings } = await migrator().repair();
    expect(warnings).toHaveLength(1);
    await database.sql`alter table eventstore.hidden rename to events`;
    expect((await migrator().repair()).warnings).toEqual([]);
    await expectSameStory(database.url, database.sql);
  });
});
