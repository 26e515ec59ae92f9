import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";
import { createDatabase, type TestDatabase, useDatabase } from "../helpers/database.ts";
import { DOWN_MIXED, folderWithDowns } from "../helpers/down-history.ts";
import type { HistoryFolder } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { runHerd, runInProcess, startRunner } from "../helpers/runner-process.ts";

/** Long runs are asked for: `CHAOS_RUNS=1000`; all failpoints in turn. */
const CHAOS_RUNS = Number(process.env.CHAOS_RUNS ?? 14);

const database = useDatabase();
let folder: HistoryFolder;

beforeEach(async () => {
  folder = await folderWithDowns(DOWN_MIXED);
});
afterEach(() => folder.remove());

async function migrated(): Promise<TestDatabase> {
  const made = await createDatabase();
  await new DatabaseMigrator({ url: made.url, dir: folder.dir }).migrate();
  return made;
}

/** What an undisturbed rollback passes, and leaves. */
async function undisturbed(steps: number) {
  const points: Failpoint[] = [];
  const onFailpoint = (point: Failpoint) => {
    points.push(point);
  };
  const one = await migrated();
  await new DatabaseMigrator({ url: one.url, dir: folder.dir }, { onFailpoint }).rollback({
    steps,
  });
  const content = await contentOf(one);
  await one.drop();
  return { points, content };
}

describe("a rollback killed with SIGKILL", () => {
  test("at each failpoint on the way down: the next one goes on where it stopped, and ends as an undisturbed one", {
    timeout: 60_000 + CHAOS_RUNS * 15_000,
  }, async () => {
    const { points, content } = await undisturbed(3);
    expect(points.map(({ message }) => message)).toContain("statement:0001_index#1");
    const each = points.map((_, nth) => nth).filter((nth) => nth > 1);
    const stride = Math.max(1, Math.floor(each.length / CHAOS_RUNS));
    const start = Math.floor(Math.random() * stride);
    for (const nth of each.filter((_, i) => i % stride === start)) {
      const { phase, message } = points[nth] ?? { phase: "none", message: "none" };
      const at = `${nth}: ${phase} ${message}`;
      const victim = await migrated();
      const options = { url: victim.url, dir: folder.dir };
      const rollback = { to: "0000_tables" };
      const end = await runInProcess({ options, rollback, failpoint: { nth } });
      expect(end.signal, at).toBe("SIGKILL");
      const migrator = new DatabaseMigrator(options);
      const report = await migrator.rollback(rollback);
      expect(report.version, at).toBe("0000_tables");
      expect(await contentOf(victim), at).toEqual(content);
      // Where the server had finished all of it, nobody took the lease again: it is the dead run's still.
      const [runner] = await victim.sql`select run_id from tidemark.runner`;
      if (report.outcome === "reverted") expect(runner, at).toEqual({ run_id: null });
      await expectFoldToMatch(victim.url);
      expect((await migrator.migrate()).version, at).toBe("0003_view");
      await expectFoldToMatch(victim.url);
      await victim.drop();
    }
  });

  test("between two of its statements: migrate refuses to run it up, status says so, rollback goes on", async () => {
    const victim = await migrated();
    const options = { url: victim.url, dir: folder.dir };
    const migrator = new DatabaseMigrator(options);
    await migrator.rollback();
    const failpoint = { phase: "before", message: "statement:0002_swap#3" } as const;
    const end = await runInProcess({ options, rollback: {}, failpoint });
    expect(end.signal).toBe("SIGKILL");
    await expect
      .poll(async () => (await migrator.status()).migrations[2])
      .toMatchObject({ state: { kind: "STUCK", statementsDone: 2 }, flags: ["REVERTING"] });
    expect((await migrator.status()).problems).toMatchObject([{ code: "in_doubt" }]);
    await expect(migrator.migrate()).rejects.toMatchObject({
      code: "in_doubt",
      tag: "0002_swap",
      outcome: "nothing-run",
    });
    expect(await victim.sql`select min_reader from tidemark.runner`).toEqual([{ min_reader: 3 }]);
    expect((await migrator.repair()).kept).toMatchObject([{ tag: "0002_swap" }]);
    expect((await migrator.rollback()).reverted.map(({ tag }) => tag)).toEqual(["0002_swap"]);
    expect(await victim.sql`select min_reader from tidemark.runner`).toEqual([{ min_reader: 2 }]);
    expect((await migrator.migrate()).version).toBe("0003_view");
    await victim.drop();
  });

  test("before anything of it is committed: repair leaves the migration applied, as it was", async () => {
    const victim = await migrated();
    const options = { url: victim.url, dir: folder.dir };
    const before = await contentOf(victim);
    const failpoint = { phase: "after", message: "start" } as const;
    // Its transaction fails where the server is still at it: a view keeps the table.
    await victim.sql`create table keeper (id integer)`;
    await folder.write("0003_view.down", "drop view emails; select 1 / 0;");
    await runInProcess({ options, rollback: {}, failpoint });
    const migrator = new DatabaseMigrator(options);
    await expect
      .poll(async () => (await migrator.status()).migrations[3]?.state.kind)
      .toBe("STUCK");
    await expect(migrator.migrate()).rejects.toMatchObject({ code: "in_doubt" });
    const report = await migrator.repair();
    expect(report.repaired).toMatchObject([{ tag: "0003_view", restored: true }]);
    await victim.sql`drop table keeper`;
    expect(await contentOf(victim)).toEqual(before);
    await expectFoldToMatch(victim.url);
    expect((await migrator.migrate()).outcome).toBe("current");
    await victim.drop();
  });
});

describe("eight rollbacks at one moment", () => {
  test("take each migration back once; the others find it done", async () => {
    const options = { url: database.url, dir: folder.dir };
    await new DatabaseMigrator(options).migrate();
    const ends = await runHerd(8, { options, rollback: { to: "0000_tables" } });
    expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
    const reverted = ends.flatMap(({ report }) => report?.reverted ?? []);
    expect(reverted.map(({ tag }) => tag)).toEqual(["0003_view", "0002_swap", "0001_index"]);
    const { events } = await expectFoldToMatch(database.url);
    expect(events.filter(({ type }) => type === "migration.reverted")).toHaveLength(3);
  });

  test("of one step each take back no more than what they had seen", async () => {
    const options = { url: database.url, dir: folder.dir };
    await new DatabaseMigrator(options).migrate();
    const runners = await Promise.all(Array.from({ length: 8 }, startRunner));
    for (const runner of runners) {
      const failpoint = { phase: "before", message: "take", signal: "SIGSTOP" } as const;
      runner.start({ options, rollback: {}, failpoint });
    }
    await Promise.all(runners.map(({ atFailpoint }) => atFailpoint));
    for (const runner of runners) runner.resume();
    const ends = await Promise.all(runners.map(({ end }) => end));
    expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
    expect(ends.filter(({ report }) => report?.reverted.length === 1)).toHaveLength(1);
    expect((await new DatabaseMigrator(options).status()).version).toBe("0002_swap");
  });

  test("beside a migrate, which waits and then applies what is pending", async () => {
    const options = { url: database.url, dir: folder.dir };
    const migrator = new DatabaseMigrator(options);
    await migrator.migrate();
    const down = await startRunner();
    const failpoint = { phase: "before", message: "statement:0002_swap#3" } as const;
    down.start({ options, rollback: { steps: 2 }, failpoint: { ...failpoint, signal: "SIGSTOP" } });
    await down.atFailpoint;
    const up = await startRunner();
    up.start({ options });
    await up.seen("waiting");
    down.resume();
    expect((await down.end).report?.reverted).toHaveLength(2);
    expect((await up.end).report?.applied.map(({ tag }) => tag)).toEqual([
      "0002_swap",
      "0003_view",
    ]);
    await expectFoldToMatch(database.url);
  });
});

async function contentOf({ sql }: TestDatabase) {
  return {
    columns: await sql`
      select table_name::text, column_name::text, data_type::text
      from information_schema.columns where table_schema = 'public'
      order by table_name, column_name`,
    indexes: await sql`
      select c.relname::text, pg_get_indexdef(i.indexrelid) as definition, i.indisvalid
      from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' order by c.relname`,
    rows: await sql`select tag, state, rank, checksum, statements_done, under_way, reverting is null as ended
      from tidemark.schema_migrations order by tag`,
    downs:
      await sql`select tag from tidemark.schema_migrations where down_sql is not null order by tag`,
    runner: await sql`select head, min_reader from tidemark.runner`,
  };
}
