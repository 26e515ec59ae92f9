import { expect, test } from "vitest";
import { acquireEmbeddedServer } from "../../src/db/embedded/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { createProjectionRunner } from "../../src/projections/index.ts";
import { isListening, postmasterPid, withFolder } from "../helpers/embedded-folder.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { createTallyTables, tallyProjection } from "../helpers/tally.ts";
import { until } from "../helpers/until.ts";

// As in production: what an append has been told is committed is on the disk.
const settings = { synchronous_commit: "on", fsync: "on" };

test("a server that crashes takes rows and position back together: no event is lost or handled twice", {
  timeout: 120_000,
}, async () => {
  await withFolder(async (dir) => {
    let lostBatches = 0;
    for (let round = 0; round < 4; round += 1) {
      const { url, port } = await acquireEmbeddedServer({ dir, settings });
      const pool = new DatabasePool({ url });
      const store = createEventStore({ pool });
      if (round === 0) {
        await new DatabaseMigrator({ url, dir: "drizzle" }).migrate();
        await createTallyTables(pool);
      }
      // What the crash before left, then what it takes up again.
      const before = await consistent(pool);
      let seen = 0;
      const projections = [tallyProjection()];
      const onProgress = (item: { kind: string; events?: number; position?: number }) => {
        if (item.kind === "advanced") seen = Math.max(seen, item.position ?? 0);
      };
      await createProjectionRunner({ pool, store, projections, onProgress }).catchUp();
      expect((await consistent(pool)).steps).toBe(before.events);
      const runner = createProjectionRunner({
        pool,
        store,
        projections,
        batchSize: 10,
        onProgress,
      });
      runner.start();
      for (let n = 0; n < 100; n += 1) {
        await appendRaw(pool, many(10));
        runner.wake();
      }
      await until(() => seen).toBeGreaterThan(before.position);
      process.kill(await postmasterPid(dir), "SIGQUIT");
      await until(() => isListening(port)).toBe(false);
      await runner.stop({ timeoutMs: 1_000 });
      await pool.close({ timeoutMs: 0 });
      const after = await acquireEmbeddedServer({ dir, settings });
      const looking = new DatabasePool({ url: after.url });
      const left = await consistent(looking);
      expect(left.events).toBe(before.events + 1_000);
      if (left.position < seen) lostBatches += 1;
      await looking.close();
    }
    console.log(`the position was taken back by ${lostBatches} of 4 crashes`);
  });
});

/** Fails unless the rows are those of the events up to the position. */
async function consistent(pool: DatabasePool) {
  const row = await pool.queryOne<{
    events: number;
    steps: number;
    upTo: number;
    position: number;
    sequences: number;
  }>(
    `select (select count(*)::int from eventstore.events where aggregate_type = 'tally') as events,
       (select count(*)::int from projections.tally_steps) as steps,
       (select count(*)::int from eventstore.events
        where aggregate_type = 'tally' and global_sequence <= s.position) as "upTo",
       coalesce(s.position, 0) as position,
       (select coalesce(sum(cardinality(sequences)), 0)::int from projections.tallies) as sequences
     from (select 1) as one
     left join projections.current_states s
       on s.projection_name = 'tallies' and s.instance_id = 'i1'`,
  );
  if (row === undefined) throw new Error("no row");
  expect(row.steps).toBe(row.upTo);
  expect(row.sequences).toBe(row.steps);
  return { events: row.events, steps: row.steps, position: row.position };
}
