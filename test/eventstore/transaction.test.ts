import { sql } from "drizzle-orm";
import { drizzle as drizzleOverPg } from "drizzle-orm/node-postgres";
import { drizzle as drizzleOverPostgres } from "drizzle-orm/postgres-js";
import pg from "pg";
import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { ConcurrencyConflict, type DrizzleTransaction } from "../../src/eventstore/index.ts";
import { credited, opened, useStore } from "../helpers/account.ts";

const fixture = useStore();

beforeAll(() => fixture.pool.query("create table notes (note text)"));

const notes = () => fixture.pool.query("select note from notes order by note");

describe("in a transaction of the caller's", () => {
  test("events are committed with the rest of it, or not at all", async () => {
    const { store, pool } = fixture;
    const write = (id: string, after: () => void) =>
      pool.transaction(async (transaction) => {
        await transaction.query("insert into notes values ($1)", [id]);
        await store.push([fixture.at(id).append({ expected: "none", events: [opened()] })], {
          transaction,
        });
        after();
      });
    await write("a", () => undefined);
    await expect(
      write("b", () => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(await fixture.eventsOf("a")).toHaveLength(1);
    expect(await fixture.eventsOf("b")).toHaveLength(0);
    expect(await notes()).toEqual([{ note: "a" }]);
  });

  test("a refusal undoes the push alone: the transaction can go on", async () => {
    const { store, pool } = fixture;
    await store.push([
      fixture.at("a").append({
        expected: "none",
        events: [opened()],
        claim: [{ type: "holder", value: "Ada" }],
      }),
    ]);
    await pool.drizzle.transaction(async (transaction) => {
      const conflict = store.push(
        [fixture.at("a").append({ expected: 7, events: [credited(1)] })],
        {
          transaction,
        },
      );
      await expect(conflict).rejects.toMatchObject({ code: "concurrency_conflict", actual: 1 });
      const taken = store.push(
        [
          fixture.at("b").append({
            expected: "none",
            events: [opened()],
            claim: [{ type: "holder", value: "ADA" }],
          }),
        ],
        { transaction },
      );
      await expect(taken).rejects.toMatchObject({ code: "unique_violation", value: "ada" });
      await store.push([fixture.at("a").append({ expected: 1, events: [credited(2)] })], {
        transaction,
      });
    });
    expect(await fixture.eventsOf("a")).toHaveLength(2);
  });

  test("of two that cannot see each other the second is refused, with what the first appended", async () => {
    const { store, pool } = fixture;
    await store.push([fixture.at("a").append({ expected: "none", events: [opened()] })]);
    let second: Promise<unknown> | undefined;
    await pool.transaction(async (transaction) => {
      await store.push([fixture.at("a").append({ expected: 1, events: [credited(1)] })], {
        transaction,
      });
      second = pool
        .transaction((other) =>
          store.push([fixture.at("a").append({ expected: 1, events: [credited(2)] })], {
            transaction: other,
          }),
        )
        .catch((error: unknown) => error);
      // It waits for the first one to end, on the key of the same event.
      await expect
        .poll(() =>
          pool.queryOne(
            "select 1 as yes from pg_locks where not granted and locktype = 'transactionid'",
          ),
        )
        .toEqual({ yes: 1 });
    });
    const error = await second;
    expect(error).toBeInstanceOf(ConcurrencyConflict);
    expect(error).toMatchObject({ expected: 1, actual: 2, events: [{ payload: { amount: 1 } }] });
  });

  test.each(["postgres.js", "node-postgres"])("over %s of the caller's own", async (driver) => {
    const { store } = fixture;
    const client = driver === "postgres.js" ? postgres(fixture.url, { max: 1 }) : undefined;
    const pool = new pg.Pool({ connectionString: fixture.url, max: 1 });
    try {
      const db = client ? drizzleOverPostgres({ client }) : drizzleOverPg({ client: pool });
      await (db as unknown as DrizzleTransaction).transaction(async (transaction) => {
        const { events } = await store.push(
          [
            fixture.at("a").append({ expected: "none", events: [opened(), credited(1)] }),
            fixture.at("b").append({ expected: "none", events: [opened("Grace")] }),
          ],
          { transaction, idempotencyKey: "k" },
        );
        expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 1]);
        expect(events[0]?.createdAt).toBeInstanceOf(Date);
        await transaction.execute(sql`select 1`);
      });
      expect(await fixture.eventsOf("a")).toMatchObject([
        { payload: { holder: "Ada" } },
        { payload: { amount: 1 } },
      ]);
    } finally {
      await client?.end();
      await pool.end();
    }
  });
});

describe("inline handlers", () => {
  test("run in the append's transaction: what they write is there with the events", async () => {
    const store = fixture.open({
      inline: [
        async (transaction, events) => {
          for (const { type } of events) {
            await transaction.execute(sql`insert into notes values (${`inline ${type}`})`);
          }
        },
      ],
    });
    await store.push([fixture.at("a").append({ expected: "none", events: [opened()] })]);
    expect(await notes()).toContainEqual({ note: "inline account.opened" });
  });

  test("undo the append when they fail", async () => {
    const store = fixture.open({
      inline: [
        async () => {
          throw new Error("not today");
        },
      ],
    });
    const push = (options?: Parameters<typeof store.push>[1]) =>
      store.push([fixture.at("a").append({ expected: "none", events: [opened()] })], options);
    await expect(push()).rejects.toThrow("not today");
    await fixture.pool.transaction(async (transaction) => {
      await expect(push({ transaction })).rejects.toThrow("not today");
    });
    expect(await fixture.eventsOf("a")).toEqual([]);
  });
});

test("what is called after an append is called once it is committed, and not for what was there before", async () => {
  const seen: number[] = [];
  const store = fixture.open({ onAppended: ({ position }) => seen.push(position) });
  const push = () =>
    store.push([fixture.at("a").append({ expected: "any", events: [opened()] })], {
      idempotencyKey: "k",
    });
  const { position } = await push();
  await push();
  await expect(
    store.push([fixture.at("a").append({ expected: "none", events: [opened()] })]),
  ).rejects.toThrow();
  expect(seen).toEqual([position]);
});
