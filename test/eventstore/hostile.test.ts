import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { defineAggregate, event } from "../../src/eventstore/index.ts";
import { opened, useStore } from "../helpers/account.ts";

const fixture = useStore();

const loose = defineAggregate({
  type: "loose",
  events: {
    "loose.noted": event(
      z.object({
        text: z.string().optional(),
        by: z.record(z.string(), z.union([z.number(), z.nan()])).optional(),
      }),
    ),
  },
});

const note = (payload: object, id = "a") =>
  fixture.store.push([
    loose
      .at({ instanceId: fixture.instance, id, owner: "o", creator: "c" })
      .append({ expected: "any", events: [{ type: "loose.noted", payload }] }),
  ]);

const count = () =>
  fixture.pool.queryOne("select count(*)::int as n from eventstore.events where instance_id = $1", [
    fixture.instance,
  ]);

describe("a payload is stored as it is, or refused", () => {
  test.each([
    ["a key that every object inherits", { constructor: 1 }, "constructor: not in the schema"],
    ["a method's name", { toString: { a: 1 } }, "toString: not in the schema"],
    ["a prototype", JSON.parse('{"__proto__":{"toString":1}}'), "__proto__: not in the schema"],
    ["a prototype further down", { by: JSON.parse('{"__proto__":1}') }, "by.__proto__"],
    ["a NUL", { text: "a\0b" }, "text: has a NUL"],
    ["half of a surrogate pair", { text: "a\ud800b" }, "text: has a NUL or half"],
    ["a key with a NUL", { by: { "a\0": 1 } }, "by: a key has a NUL"],
    ["a number that JSON lacks", { by: { a: Number.NaN } }, "by.a: not a finite number"],
  ])("%s", async (_name, payload, fact) => {
    await expect(note(payload)).rejects.toMatchObject({
      code: "invalid_event",
      fact: expect.stringContaining(fact),
    });
    expect(await count()).toEqual({ n: 0 });
  });

  test("a pair of surrogates, a backslash before u0000, a megabyte", async () => {
    const text = `😀 \\u0000 ' " ${"x".repeat(1_000_000)}`;
    await note({ text, by: { constructor: 1, "it's": -1.5, big: 2 ** 53 } });
    const { value } = await fixture.store
      .readAggregate(loose, { instanceId: fixture.instance, id: "a" })
      .next();
    expect(value.payload).toEqual({ text, by: { constructor: 1, "it's": -1.5, big: 2 ** 53 } });
  });
});

test("ids and names that PostgreSQL would refuse, or make one of two, are refused", async () => {
  for (const id of ["a\0", "a\ud800", "\udc00"]) {
    await expect(note({}, id)).rejects.toMatchObject({ code: "usage", outcome: "nothing-written" });
  }
  const claim = [{ type: "holder", value: "a\ud800" }];
  const intent = fixture.at("a").append({ expected: "none", events: [opened()], claim });
  await expect(fixture.store.push([intent])).rejects.toMatchObject({ code: "usage" });
  const plain = fixture.at("a").append({ expected: "none", events: [opened()] });
  await expect(fixture.store.push([plain], { idempotencyKey: "k\0" })).rejects.toMatchObject({
    code: "usage",
  });
  expect(await count()).toEqual({ n: 0 });
});

test.each(["constructor", "toString", "__proto__"])("%s is no event", async (type) => {
  const stray = { type, payload: {} } as never;
  const push = fixture.store.push([fixture.at("a").append({ expected: "any", events: [stray] })]);
  await expect(push).rejects.toMatchObject({ code: "invalid_event" });
});

test("a listener that throws does not make a push that has succeeded look as if it had failed", async () => {
  const uncaught = vi.fn();
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", uncaught);
  try {
    const store = fixture.open({
      onAppended: () => {
        throw new Error("the listener is broken");
      },
    });
    const push = () =>
      store.push([fixture.at("a").append({ expected: "none", events: [opened()] })]);
    await expect(push()).resolves.toMatchObject({ replayed: false });
    await vi.waitFor(() => expect(uncaught).toHaveBeenCalledOnce());
  } finally {
    process.removeListener("uncaughtException", uncaught);
    for (const listener of others) process.on("uncaughtException", listener);
  }
});

describe.each(["repeatable read", "serializable"] as const)(
  "in a transaction of the caller's in %s, which does not see who was faster",
  (isolationLevel) => {
    /** What comes of a push in a transaction that began before `first`. */
    const afterwards = (
      first: () => Promise<unknown>,
      second: (
        transaction: Parameters<Parameters<typeof fixture.pool.transaction>[0]>[0],
      ) => Promise<unknown>,
    ) =>
      fixture.pool.transaction(
        async (transaction) => {
          await transaction.query("select from eventstore.events limit 1");
          await first();
          const result = await second(transaction).catch((error: unknown) => error);
          // It can go on.
          await transaction.query("select 1");
          return result;
        },
        { isolationLevel },
      );

    test("a conflict has the version that is, and the events since", async () => {
      const { store } = fixture;
      const one = () => fixture.at("a").append({ expected: "none", events: [opened("Grace")] });
      const result = await afterwards(
        () => store.push([one()]),
        (transaction) => store.push([one()], { transaction }),
      );
      expect(result).toMatchObject({
        code: "concurrency_conflict",
        expected: "none",
        actual: 1,
        events: [{ payload: { holder: "Grace" } }],
      });
    });

    test("a taken value is a unique violation", async () => {
      const { store } = fixture;
      const claim = [{ type: "holder", value: "Ada" }];
      const one = (id: string) =>
        fixture.at(id).append({ expected: "none", events: [opened()], claim });
      const result = await afterwards(
        () => store.push([one("a")]),
        (transaction) => store.push([one("b")], { transaction }),
      );
      expect(result).toMatchObject({ code: "unique_violation", value: "ada" });
    });

    test("a key gives what was appended under it", async () => {
      const { store } = fixture;
      const one = () => fixture.at("a").append({ expected: "any", events: [opened()] });
      let first: unknown;
      const result = await afterwards(
        async () => {
          first = (await store.push([one()], { idempotencyKey: "k" })).events;
        },
        (transaction) => store.push([one()], { transaction, idempotencyKey: "k" }),
      );
      expect(result).toMatchObject({ replayed: true, events: first });
      expect(await fixture.eventsOf("a")).toHaveLength(1);
    });
  },
);
