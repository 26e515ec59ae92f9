import { expect, onTestFinished, test } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { startProjector } from "../helpers/projector-process.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { until } from "../helpers/until.ts";

const db = useProjections();

test.each([1, 3])(
  "projectors through a PgBouncer with a pool of %i, killed one after the other, handle each event once",
  async (size) => {
    const pooler = await startPgBouncer([db.url], { default_pool_size: size });
    onTestFinished(pooler.stop);
    const url = `${pooler.through(db.url)}?pgbouncer=true`;
    const stays = await startProjector();
    stays.start({ url, batchSize: 50, idleTimeoutMs: 2_000 });
    const writer = new DatabasePool({ url });
    onTestFinished(() => writer.close());
    let written = 0;
    for (let round = 0; round < 4; round += 1) {
      const killed = await startProjector();
      killed.start({ url, batchSize: 20, signalAt: { batch: 2, signal: "SIGKILL" } });
      const isOver = killed.end.then(() => true);
      const next = () => Promise.race([isOver, new Promise((go) => setImmediate(go, false))]);
      do {
        await appendRaw(writer, many(50));
        written += 50;
      } while ((await next()) !== true && written < 20_000);
    }
    await until(db.steps).toBe(written);
    await stays.stop();
    expect(await db.failures()).toEqual([]);
    // No setting outlives its transaction on the server's connections.
    const settings = await writer.query(
      "select current_setting('statement_timeout') as a, current_setting('idle_in_transaction_session_timeout') as b",
    );
    expect(settings).toEqual([{ a: "0", b: "0" }]);
  },
);

test("a rebuild through a PgBouncer, beside projectors, is killed, resumed and swapped", async () => {
  const pooler = await startPgBouncer([db.url], { default_pool_size: 4 });
  onTestFinished(pooler.stop);
  const url = `${pooler.through(db.url)}?pgbouncer=true`;
  await appendRaw(db.pool, many(2_000));
  const projector = await startProjector();
  projector.start({ url, batchSize: 50 });
  await until(db.steps).toBe(2_000);
  const task = { url, rebuild: true, batchSize: 100 };
  const killed = await startProjector();
  killed.start({ ...task, signalAt: { batch: 8, signal: "SIGKILL" } });
  await killed.end;
  await appendRaw(db.pool, many(500));
  const next = await startProjector();
  next.start(task);
  await next.end;
  expect(next.progress.map(({ kind }) => kind as string)).toContain("swapped");
  await until(db.steps).toBe(2_500);
  await projector.stop();
  expect((await db.tallies()).map(({ total }) => total)).toEqual(Array(10).fill(250));
});
