import { afterAll, beforeAll, expect, test } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { credited, useStore } from "../helpers/account.ts";
import { type PgBouncer, startPgBouncer } from "../helpers/pgbouncer.ts";

const fixture = useStore();
let pooler: PgBouncer;
let pool: DatabasePool;

beforeAll(async () => {
  pooler = await startPgBouncer([fixture.url], { default_pool_size: 2 });
  pool = new DatabasePool({ url: pooler.through(fixture.url), max: 8 });
});

afterAll(async () => {
  await pool?.close();
  await pooler?.stop();
});

test("behind a pooler in transaction mode, whose backends share no prepared statements, writers append side by side", async () => {
  const store = createEventStore({ pool });
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      for (let i = 0; i < 20; i += 1) {
        const intent = fixture.at(`a${writer}`).append({
          expected: i * 2,
          events: [credited(1), credited(2)],
          claim: [{ type: "holder", value: `${writer} ${i}` }],
        });
        // In a transaction a statement that its backend does not know is an error for good.
        await pool.transaction((transaction) =>
          store.push([intent], { idempotencyKey: `${writer} ${i}`, transaction }),
        );
      }
    }),
  );
  const barrier = await store.barrier(fixture.instance);
  const events = [];
  for await (const event of store.readInstance(fixture.instance)) events.push(event);
  expect(events).toHaveLength(320);
  expect(events.at(-1)?.position).toBeLessThanOrEqual(barrier ?? 0);
});
