import { expect, onTestFinished, test } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { createProjectionRunner } from "../../src/projections/index.ts";
import { useProjections } from "../helpers/projection-fixture.ts";
import { tally, tallyProjection } from "../helpers/tally.ts";

const db = useProjections();

test.each(["repeatable read", "serializable"])(
  "where transactions are %s by default, writers append side by side, and each event is handled once",
  async (isolation) => {
    const url = new URL(db.url);
    url.searchParams.set(
      "options",
      `-c default_transaction_isolation=${isolation.replace(" ", "\\ ")}`,
    );
    const pool = new DatabasePool({ url: url.href });
    onTestFinished(() => pool.close());
    expect(await pool.query("show default_transaction_isolation")).toEqual([
      { default_transaction_isolation: isolation },
    ]);
    const store = createEventStore({ pool });
    const runners = [1, 2].map(() =>
      createProjectionRunner({ pool, store, projections: [tallyProjection({})] }),
    );
    for (const runner of runners) runner.start();
    const before = await db.steps();
    const at = (id: string) => tally.at({ instanceId: "i1", id, owner: "o", creator: "c" });
    await Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let i = 0; i < 20; i += 1) {
          const events = [{ type: "tally.added", payload: { by: 1 } }] as const;
          // One of their own, and one that all of them write.
          await store.push([
            at(`own ${writer}`).append({ expected: i, events }),
            at("shared").append({ expected: "any", events }),
          ]);
        }
      }),
    );
    await expect.poll(db.steps, { timeout: 20_000 }).toBe(before + 160);
    await Promise.all(runners.map((runner) => runner.stop()));
    expect(await db.failures()).toEqual([]);
  },
);
