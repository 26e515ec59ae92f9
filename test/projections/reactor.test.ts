import { describe, expect, test } from "vitest";
import {
  defineReactor,
  listQuarantined,
  on,
  type Reaction,
  retryQuarantined,
} from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { appendRaw, many } from "../helpers/raw-events.ts";
import { tally, tallyProjection } from "../helpers/tally.ts";
import { until } from "../helpers/until.ts";

const db = useProjections();
const handles = [on(tally, ["tally.added"])] as const;

interface Call {
  readonly id: string;
  readonly key: string;
}

/** A reactor that writes down its calls, and fails where it is told to. */
function recorder(
  fail: (call: Call, times: number, reaction: Reaction) => Promise<void> | void = () => undefined,
  more: { tries?: number; timeoutMs?: number; from?: "now" | "beginning" } = {},
) {
  const calls: Call[] = [];
  const reactor = defineReactor({
    name: "mailer",
    handles,
    ...more,
    react: async ({ aggregateId: id }, reaction) => {
      const call = { id, key: reaction.key };
      calls.push(call);
      await fail(call, calls.filter(({ key }) => key === call.key).length, reaction);
    },
  });
  return { calls, reactor };
}

describe("a reactor", () => {
  test("is called for each event of an instance, in order, with a key of its own", async () => {
    await appendRaw(db.pool, [...many(6, 3), { type: "tally.ignored", payload: {} }]);
    const { calls, reactor } = recorder();
    const runner = db.runner({ reactors: [reactor] });
    await runner.catchUp();
    await runner.catchUp();
    expect(calls).toEqual(
      Array.from({ length: 6 }, (_, n) => ({ id: `t${n % 3}`, key: `i1/${db.base + n + 1}` })),
    );
    expect(await db.state("mailer")).toMatchObject({ position: db.base + 7 });
  });

  test("is called again with the same key after a failure, then goes on", async () => {
    await appendRaw(db.pool, many(3, 3));
    const { calls, reactor } = recorder((call, times) => {
      if (call.id === "t1" && times === 1) throw new Error("the post is closed");
    });
    const runner = db.runner({ reactors: [reactor] });
    await runner.catchUp();
    expect(calls.map(({ id }) => id)).toEqual(["t0", "t1", "t1", "t2"]);
    expect(runner.of("trying-again")).toMatchObject([
      { position: db.base + 2, attempt: 1, error: "the post is closed" },
    ]);
    expect(await listQuarantined({ pool: db.pool })).toEqual([]);
  });

  test("holds an aggregate back after its last try, and the others go on; a retry sends what was held", async () => {
    await appendRaw(db.pool, many(6, 3));
    const { calls, reactor } = recorder(
      ({ id }) => {
        if (id === "t1") throw new Error("no such address");
      },
      { tries: 1 },
    );
    const { pool } = db;
    await db.runner({ reactors: [reactor] }).catchUp();
    expect(calls.map(({ id }) => id)).toEqual(["t0", "t1", "t2", "t0", "t2"]);
    expect(await listQuarantined({ pool })).toMatchObject([
      { projection: "mailer", aggregateId: "t1", failedSequence: 1, error: "no such address" },
    ]);
    const mended = recorder();
    await retryQuarantined({ pool, projection: mended.reactor });
    expect(mended.calls).toEqual([
      { id: "t1", key: `i1/${db.base + 2}` },
      { id: "t1", key: `i1/${db.base + 5}` },
    ]);
  });

  test("that takes too long is told so by its signal, and counts as failed", async () => {
    await appendRaw(db.pool, many(1));
    let aborted: unknown;
    const { reactor } = recorder(
      (_call, _times, { signal }) =>
        new Promise(() => {
          signal.addEventListener("abort", () => {
            aborted = signal.reason;
          });
        }),
      { tries: 1, timeoutMs: 50 },
    );
    await db.runner({ reactors: [reactor] }).catchUp();
    expect(aborted).toMatchObject({ code: "react_timeout" });
    expect(await listQuarantined({ pool: db.pool })).toMatchObject([
      { error: expect.stringContaining("took longer than 50 ms") },
    ]);
  });

  test("is aborted by a stop, which counts as nothing: the event comes again", async () => {
    await appendRaw(db.pool, many(2, 2));
    let isIn: () => void = () => undefined;
    const entered = new Promise<void>((resolve) => {
      isIn = resolve;
    });
    const { reactor } = recorder(
      (_call, _times, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          isIn();
        }),
      { tries: 1 },
    );
    const runner = db.runner({ reactors: [reactor] });
    runner.start();
    await entered;
    expect(await runner.stop({ timeoutMs: 1_000 })).toEqual({ drained: true });
    expect(await listQuarantined({ pool: db.pool })).toEqual([]);
    const next = recorder();
    await db.runner({ reactors: [next.reactor] }).catchUp();
    expect(next.calls.map(({ id }) => id)).toEqual(["t0", "t1"]);
  });

  test("that is slow keeps no projection waiting", async () => {
    const instances = Array.from({ length: 10 }, (_, n) => `i${n}`);
    await appendRaw(
      db.pool,
      instances.flatMap((instanceId) => many(2, 2, { instanceId })),
    );
    const { calls, reactor } = recorder(
      (_call, _times, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    );
    const runner = db.runner({ projections: [tallyProjection()], reactors: [reactor] });
    runner.start();
    await until(() => calls.length).toBe(2);
    await until(db.steps).toBe(20);
    expect(calls).toHaveLength(2);
  });

  test("from now on leaves out what was there before it", async () => {
    await appendRaw(db.pool, many(5));
    const { calls, reactor } = recorder(undefined, { from: "now" });
    const runner = db.runner({ reactors: [reactor] });
    await runner.catchUp();
    await appendRaw(db.pool, [{ id: "new" }]);
    await runner.catchUp();
    expect(calls.map(({ id }) => id)).toEqual(["new"]);
  });
});
