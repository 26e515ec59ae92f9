import { describe, expect, test } from "vitest";
import { useProjections } from "../helpers/projection-fixture.ts";
import { startProjector } from "../helpers/projector-process.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { tallyProjection } from "../helpers/tally.ts";
import { until } from "../helpers/until.ts";

const db = useProjections();
const steps = (count: number) => until(db.steps).toBe(count);

describe("a runner", () => {
  test("finds by itself what was appended", async () => {
    const runner = db.runner({ projections: [tallyProjection()] });
    runner.start();
    await appendRaw(db.pool, many(5));
    await steps(5);
  });

  test("looks at once when it is woken, however long its pauses are", async () => {
    const runner = db.runner({
      projections: [tallyProjection()],
      pollMs: { min: 3_600_000, max: 3_600_000 },
    });
    runner.start();
    await appendRaw(db.pool, many(5));
    for (let calls = 0; calls < 100; calls += 1) runner.wake();
    await steps(5);
    await appendRaw(db.pool, many(5));
    runner.wake();
    await steps(10);
  });

  test("lets many projections follow many instances, with one poll for all", async () => {
    const instances = Array.from({ length: 60 }, (_, n) => `i${n}`);
    await appendRaw(
      db.pool,
      instances.flatMap((instanceId) => many(3, 3, { instanceId })),
    );
    const names = ["tallies", "second", "third"];
    const projections = names.map((name, n) => ({
      ...tallyProjection({ name }),
      ...(n > 0 && { handle: async () => undefined }),
    }));
    const runner = db.runner({ projections });
    runner.start();
    await steps(180);
    await until(() =>
      db.pool.query(
        `select projection_name as name, count(*) as count from projections.current_states
           where position > 0 and instance_id <> 'system' group by 1 order by 1`,
      ),
    ).toEqual(names.toSorted().map((name) => ({ name, count: 60 })));
  });

  test("tries again when its connections are cut, and skips or doubles nothing", async () => {
    await appendRaw(db.pool, many(5_000));
    const runner = db.runner({ projections: [tallyProjection()], batchSize: 200 });
    let cuts = 0;
    const projection = tallyProjection();
    const cutting = db.runner({
      projections: [
        {
          ...projection,
          handle: async (tx, batch, tables) => {
            await projection.handle(tx, batch, tables);
            cuts += 1;
            if (cuts % 4 === 2) await tx.execute("select pg_terminate_backend(pg_backend_pid())");
          },
        },
      ],
      batchSize: 200,
    });
    runner.start();
    cutting.start();
    await steps(5_000);
    await runner.stop();
    await cutting.stop();
    expect([...runner.of("quarantined"), ...cutting.of("quarantined")]).toEqual([]);
    expect((await db.tallies()).map(({ total }) => total)).toEqual(Array(10).fill(500));
  });

  test("finishes the batch that it is at when it stops, and begins no other", async () => {
    await appendRaw(db.pool, many(100));
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let isIn: () => void = () => undefined;
    const entered = new Promise<void>((resolve) => {
      isIn = resolve;
    });
    const before = async () => {
      isIn();
      await held;
    };
    const runner = db.runner({ projections: [tallyProjection({ before })], batchSize: 10 });
    runner.start();
    await entered;
    const stopped = runner.stop({ timeoutMs: 10_000 });
    letGo();
    expect(await stopped).toEqual({ drained: true });
    expect(await db.steps()).toBe(10);
  });

  test("says so where a batch does not end in time, and nothing of it is committed", async () => {
    await appendRaw(db.pool, many(10));
    let isIn: () => void = () => undefined;
    const entered = new Promise<void>((resolve) => {
      isIn = resolve;
    });
    let refuse: (error: Error) => void = () => undefined;
    const never = new Promise<void>((_resolve, reject) => {
      refuse = reject;
    });
    const before = () => {
      isIn();
      return never;
    };
    const runner = db.runner({ projections: [tallyProjection({ before })] });
    runner.start();
    await entered;
    expect(await runner.stop({ timeoutMs: 50 })).toEqual({ drained: false });
    refuse(new Error("the test is over"));
    expect(await db.steps()).toBe(0);
  });
});

describe("processes that share the work", () => {
  test("handle each event once between them", async () => {
    const instances = Array.from({ length: 8 }, (_, n) => `i${n}`);
    const projectors = await Promise.all([startProjector(), startProjector(), startProjector()]);
    for (const projector of projectors) projector.start({ url: db.url, batchSize: 50 });
    for (let round = 0; round < 20; round += 1) {
      await appendRaw(
        db.pool,
        instances.flatMap((instanceId) => many(20, 10, { instanceId })),
      );
    }
    await steps(3_200);
    await Promise.all(projectors.map((projector) => projector.stop()));
    expect((await db.tallies()).map(({ total }) => total)).toEqual(Array(80).fill(40));
    const told = projectors.map(({ progress }) =>
      progress.reduce((sum, item) => sum + (item.kind === "advanced" ? item.events : 0), 0),
    );
    expect(told.reduce((a, b) => a + b)).toBeGreaterThanOrEqual(3_200);
    // Nobody came upon rows that another one had just written.
    const kinds = projectors.flatMap(({ progress }) => progress.map(({ kind }) => kind));
    expect([...new Set(kinds)]).toEqual(["advanced"]);
  });

  test("replace one that is killed in the middle of a batch, within seconds", async () => {
    await appendRaw(db.pool, many(1_000));
    const [killed, next] = await Promise.all([startProjector(), startProjector()]);
    killed.start({ url: db.url, batchSize: 100, signalAt: { batch: 3, signal: "SIGKILL" } });
    await killed.end;
    const started = performance.now();
    next.start({ url: db.url, batchSize: 100 });
    await steps(1_000);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect((await db.tallies()).map(({ total }) => total)).toEqual(Array(10).fill(100));
  });

  test("replace one that is frozen in the middle of a batch; continued, it does no harm", async () => {
    await appendRaw(db.pool, many(1_000));
    const [frozen, next] = await Promise.all([startProjector(), startProjector()]);
    const task = { url: db.url, batchSize: 100, idleTimeoutMs: 1_000 };
    frozen.start({ ...task, signalAt: { batch: 3, signal: "SIGSTOP" } });
    await frozen.atSignal;
    next.start(task);
    await steps(1_000);
    const going = setInterval(() => frozen.child.kill("SIGCONT"), 20);
    await appendRaw(db.pool, many(10));
    await steps(1_010);
    await frozen.stop();
    clearInterval(going);
    expect((await db.tallies()).map(({ total }) => total)).toEqual(Array(10).fill(101));
    expect(await db.failures()).toEqual([]);
  });
});
