import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { compareCatalogs, readCatalog } from "../../src/db/catalog/index.ts";
import {
  abandonRebuild,
  type Projection,
  type RebuildOptions,
  type RebuildProgress,
  rebuildProjection,
} from "../../src/projections/index.ts";
import { meanwhile } from "../helpers/meanwhile.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { startProjector } from "../helpers/projector-process.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { POISON, tallies, tallyProjection } from "../helpers/tally.ts";
import { until } from "../helpers/until.ts";

const db = useProjections();

/** Counts double: its tables are told from those of the projection before. */
function doubled(more: Parameters<typeof tallyProjection>[0] = {}): Projection {
  const projection = tallyProjection(more);
  const double = (payload: unknown) => ({ by: 2 * Number((payload as { by: number }).by) });
  return {
    ...projection,
    handle: (tx, batch, tables) =>
      projection.handle(
        tx,
        batch.map((event) => ({ ...event, payload: double(event.payload) })),
        tables,
      ),
  };
}

async function rebuild(
  projection: Projection,
  more: Partial<Pick<RebuildOptions, "batchSize" | "onProgress">> = {},
) {
  const { pool, store } = db;
  const progress: RebuildProgress[] = [];
  const onProgress = (item: RebuildProgress) => {
    progress.push(item);
    more.onProgress?.(item);
  };
  const report = await rebuildProjection({ pool, store, projection, ...more, onProgress });
  return { report, progress, kinds: progress.map(({ kind }) => kind) };
}

/** Appends and lets the projection catch up. */
async function filled(count: number) {
  await appendRaw(db.pool, many(count));
  await db.runner({ projections: [tallyProjection()] }).catchUp();
}

const catalog = () => readCatalog({ url: db.url });
const schemas = () =>
  db.pool.query("select nspname from pg_namespace where nspname like 'projections\\_%'");
const total = async () =>
  (await db.tallies()).reduce((sum, { total: one }) => sum + Number(one), 0);

describe("a rebuild", () => {
  test("puts tables of the new handler in the place of the old, and the catalog is the same", async () => {
    await filled(2_500);
    const role = `tally_reader_${randomBytes(4).toString("hex")}`;
    for (const statement of [
      `create role ${role}`,
      `grant usage on schema projections to ${role}`,
      `grant select on projections.tallies to ${role}`,
      `grant select (id), update (position) on projections.tally_steps to ${role} with grant option`,
      "comment on table projections.tallies is 'it''s a tally'",
      "comment on column projections.tallies.total is 'all of it'",
      "comment on constraint tallies_pk on projections.tallies is 'the key'",
      "comment on index projections.tallies_total_idx is 'by total'",
      "alter table projections.tallies set (fillfactor = 70, toast.autovacuum_enabled = false)",
      "alter table projections.tallies add constraint tallies_seq_key unique (sequences, id) deferrable initially deferred",
      "create unique index tallies_upper_idx on projections.tallies (upper(id), instance_id) include (total) where total > -1",
      "create view public.totals with (security_barrier) as select t.id, sum(t.total) as total from projections.tallies t join projections.tally_steps s using (instance_id, id) group by t.id",
      "create view public.of_totals as select max(total) as most from public.totals",
      `grant select on public.totals to ${role}`,
      // Tables made from now on would have more than the live ones.
      `alter default privileges grant select, delete on tables to ${role}, public`,
    ]) {
      await db.pool.query(statement);
    }
    try {
      const before = await catalog();
      const { report, kinds, progress } = await rebuild(doubled());
      expect(compareCatalogs(before, await catalog())).toEqual({ differences: [], warnings: [] });
      expect(report).toMatchObject({ events: 2_500, quarantined: 0 });
      expect([kinds[0], kinds.at(-1)]).toEqual(["prepared", "swapped"]);
      const building = progress.filter((item) => item.kind === "building");
      expect(building.map(({ events, remaining }) => [events, remaining])).toEqual(
        expect.arrayContaining([
          [1_000, 1_500],
          [2_500, 0],
        ]),
      );
      expect((await db.tallies()).map((tally) => tally.total)).toEqual(Array(10).fill(500));
      expect(await db.pool.query("select most::int from public.of_totals")).toEqual([
        { most: 500 * 250 },
      ]);
      // The live projection goes on from there.
      await appendRaw(db.pool, many(10));
      await db.runner({ projections: [doubled()] }).catchUp();
      expect(await total()).toBe(5_020);
      expect(await schemas()).toEqual([]);
      expect(await db.state("tallies~rebuild")).toBeUndefined();
    } finally {
      await db.pool.query(`drop owned by ${role}`);
      await db.pool.query(`drop role ${role}`);
    }
  });

  test("beside appends and running projections: readers see the old or the new, no event twice or never", async () => {
    await filled(3_000);
    const runner = db.runner({ projections: [tallyProjection()], batchSize: 100 });
    runner.start();
    let appended = 3_000;
    const appending = meanwhile(async () => {
      await appendRaw(db.pool, many(20));
      appended += 20;
    });
    const seen = new Set<number>();
    const reading = meanwhile(async () => {
      // One statement over both tables: as many steps as the sequences say.
      const row = await db.pool.queryOne<{ steps: number; sequences: number; factor: number }>(
        `select (select count(*)::int from projections.tally_steps) as steps,
           sum(cardinality(sequences))::int as sequences,
           (sum(total) / sum(cardinality(sequences)))::int as factor
         from projections.tallies`,
      );
      expect(row?.steps).toBe(row?.sequences);
      seen.add(row?.factor ?? 0);
    });
    // The new handler is deployed with the rebuild: what runs until then has the old one.
    const { kinds } = await rebuild(tallyProjection());
    await Promise.all([appending.stop(), reading.stop()]);
    await runner.stop();
    await db.runner({ projections: [tallyProjection()] }).catchUp();
    expect(kinds).toContain("swapped");
    expect([...seen]).toEqual([1]);
    expect(await db.steps()).toBe(appended);
    for (const { sequences } of await db.tallies()) {
      expect(sequences).toEqual(sequences.map((_, n) => n + 1));
    }
  });

  test("that is killed is resumed: what was built stays, and nothing is handled twice", async () => {
    await filled(2_000);
    const killed = await startProjector();
    killed.start({
      url: db.url,
      rebuild: true,
      batchSize: 100,
      signalAt: { batch: 12, signal: "SIGKILL" },
    });
    await killed.end;
    expect(await total()).toBe(2_000);
    expect(await schemas()).toEqual([{ nspname: "projections_rebuild_tallies" }]);
    const { report, progress } = await rebuild(tallyProjection(), { batchSize: 100 });
    expect(progress[0]).toMatchObject({ kind: "prepared", isResumed: true });
    expect(report.events).toBe(900);
    expect(await db.steps()).toBe(2_000);
    expect(await total()).toBe(2_000);
  });

  test("is done by one at a time: the other says so", async () => {
    await filled(10);
    let second: Promise<unknown> = Promise.resolve();
    const first = doubled({
      before: async () => {
        second = rebuild(tallyProjection()).catch((error: unknown) => error);
        expect(await second).toMatchObject({ code: "busy" });
        const abandoning = abandonRebuild({ pool: db.pool, projection: tallyProjection() });
        await expect(abandoning).rejects.toMatchObject({ code: "busy" });
      },
    });
    await rebuild(first);
    expect(await total()).toBe(20);
  });

  test("refuses a handler that writes the live tables, and leaves them alone", async () => {
    await filled(10);
    const stray: Projection = {
      ...tallyProjection(),
      handle: async (tx) => void (await tx.delete(tallies)),
    };
    await expect(rebuild(stray)).rejects.toMatchObject({
      code: "live_table",
      fact: expect.stringContaining("projections.tallies"),
    });
    const raw: Projection = {
      ...tallyProjection(),
      handle: async (tx) => void (await tx.execute("delete from projections.tally_steps")),
    };
    await expect(rebuild(raw)).rejects.toMatchObject({ code: "live_table" });
    expect(await total()).toBe(10);
    expect(await abandonRebuild({ pool: db.pool, projection: stray })).toBe(true);
    expect(await schemas()).toEqual([]);
    expect(await abandonRebuild({ pool: db.pool, projection: stray })).toBe(false);
  });

  test("takes its own quarantines over, in place of those before", async () => {
    await appendRaw(db.pool, many(10));
    await appendRaw(db.pool, [
      { id: "t1", payload: { by: POISON } },
      { id: "t2", payload: { by: POISON / 2 } },
    ]);
    await db.runner({ projections: [tallyProjection()] }).catchUp();
    expect(await db.failures()).toMatchObject([{ aggregate_id: "t1" }]);
    const { report, kinds } = await rebuild(doubled());
    expect(kinds).toContain("quarantined");
    expect(report.quarantined).toBe(2);
    expect((await db.failures()).map((row) => [row.projection_name, row.aggregate_id])).toEqual([
      ["tallies", "t1"],
      ["tallies", "t2"],
    ]);
  });

  test("does not take back a migration that changed the tables meanwhile", async () => {
    await filled(10);
    const migrating = doubled({
      before: async () => {
        await db.pool.query("alter table projections.tallies add column if not exists note text");
      },
    });
    await expect(rebuild(migrating)).rejects.toMatchObject({
      code: "not_rebuildable",
      fact: expect.stringContaining("have changed since"),
    });
    // Neither is it resumed after one.
    await expect(rebuild(doubled())).rejects.toMatchObject({ code: "not_rebuildable" });
    await db.pool.query("select note from projections.tallies");
    expect(await total()).toBe(10);
    await abandonRebuild({ pool: db.pool, projection: doubled() });
    await rebuild(doubled());
    await db.pool.query("select note from projections.tallies");
    expect(await total()).toBe(20);
  });

  test("waits for a long reader without keeping the others from reading", async () => {
    await filled(10);
    let longest = 0;
    const reading = meanwhile(async () => {
      const started = performance.now();
      await db.tallies();
      longest = Math.max(longest, performance.now() - started);
    });
    const waits: RebuildProgress[] = [];
    const rebuilding = db.pool.transaction(async (reader) => {
      await reader.query("select from projections.tallies");
      const started = rebuild(doubled(), { onProgress: (item) => void waits.push(item) });
      await until(() => waits.map(({ kind }) => kind)).toContain("swap-waits");
      return { started };
    });
    const { kinds } = await (await rebuilding).started;
    await reading.stop();
    expect(kinds.at(-1)).toBe("swapped");
    expect(longest).toBeLessThan(2_000);
    expect(await total()).toBe(20);
  });

  test.each([
    [
      "create trigger t after insert on projections.tallies execute function public.f()",
      "trigger t",
    ],
    ["create policy p on projections.tallies", "policy p"],
    [
      "create materialized view m as select id from projections.tallies",
      "materialized view public.m",
    ],
    [
      "create table other (i text, d text, foreign key (i, d) references projections.tallies)",
      "constraint other_i_d_fkey",
    ],
    ["create rule r as on delete to projections.tallies do also notify x", "rule r"],
    ["create function g(t projections.tallies) returns int return 1", "function public.g"],
    ["alter table projections.tallies add n serial", "sequence projections.tallies_n_seq"],
    ["create statistics s on id, total from projections.tallies", "statistics object public.s"],
    ["create publication p for table projections.tallies", "publication"],
    ["alter table projections.tallies enable row level security", "row level security"],
  ])("refuses up front what it would lose: %s", async (statement, named) => {
    await db.pool.query(
      "create or replace function public.f() returns trigger language plpgsql as 'begin return null; end'",
    );
    await db.pool.query(statement);
    await expect(rebuild(tallyProjection())).rejects.toMatchObject({
      code: "not_rebuildable",
      fact: expect.stringContaining(named),
    });
    expect(await schemas()).toEqual([]);
  });
});
