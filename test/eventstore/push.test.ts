import { describe, expect, test } from "vitest";
import {
  ConcurrencyConflict,
  type EventStore,
  EventStoreError,
  UniqueViolation,
} from "../../src/eventstore/index.ts";
import { account, credited, opened, useStore } from "../helpers/account.ts";

const fixture = useStore();

/** What the push is refused with. */
async function refusal(pushed: Promise<unknown>): Promise<EventStoreError> {
  const error = await pushed.then(
    () => new Error("it was not refused"),
    (reason: unknown) => reason,
  );
  if (error instanceof EventStoreError) return error;
  throw error;
}

describe("a push", () => {
  test("appends events of several aggregates in their order, and returns them as they are stored", async () => {
    const { store } = fixture;
    const { events, position, replayed } = await store.push([
      fixture.at("a").append({ expected: "none", events: [opened("Ada"), credited(5)] }),
      fixture.at("b").append({ expected: "none", events: [opened("Grace")] }),
    ]);
    expect(events.map(({ aggregateId, sequence, type }) => [aggregateId, sequence, type])).toEqual([
      ["a", 1, "account.opened"],
      ["a", 2, "account.credited"],
      ["b", 1, "account.opened"],
    ]);
    const positions = events.map((event) => event.position);
    expect(positions).toEqual(positions.toSorted((x, y) => x - y));
    expect(position).toBe(positions.at(-1));
    expect(replayed).toBe(false);
    expect([...(await fixture.eventsOf("a")), ...(await fixture.eventsOf("b"))]).toEqual(events);
    expect(events[1]).toMatchObject({ revision: 2, owner: "bank", creator: "teller" });
    expect(events[1]?.createdAt).toBeInstanceOf(Date);
  });

  test("is one statement, however many events and aggregates", async () => {
    const { store } = fixture;
    const intents = Array.from({ length: 50 }, (_, i) =>
      fixture.at(`a${i}`).append({
        expected: "none",
        events: [opened(`Holder ${i}`), credited(1)],
        claim: [{ type: "holder", value: `Holder ${i}` }],
      }),
    );
    await store.push(intents, { idempotencyKey: "k" });
    const row = await fixture.pool.queryOne(
      `select count(distinct created_at)::int as statements, count(*)::int as events
       from eventstore.events where instance_id = $1`,
      [fixture.instance],
    );
    expect(row).toEqual({ statements: 1, events: 100 });
  });

  test("keeps the order of 1,000 events", async () => {
    const { store } = fixture;
    const amounts = Array.from({ length: 1_000 }, (_, i) => i + 1);
    await store.push([fixture.at("a").append({ expected: "none", events: amounts.map(credited) })]);
    const stored = await fixture.eventsOf("a");
    expect(stored.map(({ sequence }) => sequence)).toEqual(amounts);
    expect(stored.map(({ payload }) => payload)).toEqual(amounts.map((amount) => ({ amount })));
    const positions = stored.map(({ position }) => position);
    expect(positions).toEqual(positions.toSorted((x, y) => x - y));
  });
});

describe("the expected version", () => {
  const cases = [
    { there: 0, expected: 0, met: true },
    { there: 0, expected: 1, met: false },
    { there: 0, expected: "none", met: true },
    { there: 0, expected: "exists", met: false },
    { there: 0, expected: "any", met: true },
    { there: 2, expected: 0, met: false },
    { there: 2, expected: 1, met: false },
    { there: 2, expected: 2, met: true },
    { there: 2, expected: 3, met: false },
    { there: 2, expected: "none", met: false },
    { there: 2, expected: "exists", met: true },
    { there: 2, expected: "any", met: true },
  ] as const;

  // With one event and with several, which are statements of their own.
  test.each(
    cases.flatMap((it) => [
      { ...it, count: 1 },
      { ...it, count: 2 },
    ]),
  )(
    "$expected of an aggregate at $there, with $count events: met is $met",
    async ({ there, expected, met, count }) => {
      const { store } = fixture;
      if (there === 2) {
        await store.push([
          fixture.at("a").append({ expected: "none", events: [opened(), credited(1)] }),
        ]);
      }
      const pushed = store.push([
        fixture
          .at("a")
          .append({ expected, events: Array.from({ length: count }, () => credited(7)) }),
      ]);
      if (met) {
        const { events } = await pushed;
        expect(events.map(({ sequence }) => sequence)).toEqual(
          Array.from({ length: count }, (_, i) => there + 1 + i),
        );
        return;
      }
      const error = await refusal(pushed);
      expect(error).toBeInstanceOf(ConcurrencyConflict);
      expect(error).toMatchObject({ code: "concurrency_conflict", expected, actual: there });
      expect(await fixture.eventsOf("a")).toHaveLength(there);
    },
  );

  test("that is not met is an error with the actual one and the events since", async () => {
    const { store } = fixture;
    const first = [opened("Ada"), credited(1)];
    await store.push([fixture.at("a").append({ expected: "none", events: first })]);
    await store.push([fixture.at("a").append({ expected: 2, events: [credited(2), credited(3)] })]);
    const error = await refusal(
      store.push([fixture.at("a").append({ expected: 2, events: [credited(9)] })]),
    );
    expect(error.message).toMatchInlineSnapshot(`
      "account a is at version 4; expected version 2.
      Nothing was written. Load it again, decide again, and append what is still right."
    `);
    expect(error).toMatchObject({
      aggregate: { instanceId: fixture.instance, type: "account", id: "a" },
      expected: 2,
      actual: 4,
      events: [
        { sequence: 3, payload: { amount: 2 } },
        { sequence: 4, payload: { amount: 3 } },
      ],
    });
  });

  test("is per aggregate: one conflict undoes the whole push", async () => {
    const { store } = fixture;
    await store.push([fixture.at("b").append({ expected: "none", events: [opened()] })]);
    const error = await refusal(
      store.push([
        fixture.at("a").append({
          expected: "none",
          events: [opened("Grace")],
          claim: [{ type: "holder", value: "Grace" }],
        }),
        fixture.at("b").append({ expected: "none", events: [opened()] }),
      ]),
    );
    expect(error).toMatchObject({ aggregate: { id: "b" }, actual: 1 });
    expect(await fixture.eventsOf("a")).toEqual([]);
    await store.push([
      fixture.at("c").append({
        expected: "none",
        events: [opened("Grace")],
        claim: [{ type: "holder", value: "grace" }],
      }),
    ]);
  });

  test("lets one of many simultaneous writers win each version", async () => {
    const { store } = fixture;
    await store.push([fixture.at("a").append({ expected: "none", events: [opened()] })]);
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      let won = 0;
      for (let version = 1; version <= 20; ) {
        try {
          await store.push([
            fixture.at("a").append({ expected: version, events: [credited(writer + 1)] }),
          ]);
          won += 1;
          version += 1;
        } catch (error) {
          if (!(error instanceof ConcurrencyConflict)) throw error;
          expect(error.actual).toBeGreaterThan(version);
          version = error.actual;
        }
      }
      return won;
    });
    const won = (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);
    const stored = await fixture.eventsOf("a");
    expect(stored).toHaveLength(won + 1);
    expect(stored.map(({ sequence }) => sequence)).toEqual(stored.map((_, i) => i + 1));
  });

  test("any: writers at the same moment each get their turn", async () => {
    const { store } = fixture;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 10; i += 1) {
          await store.push([fixture.at("a").append({ expected: "any", events: [credited(1)] })]);
        }
      }),
    );
    expect((await fixture.eventsOf("a")).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 80 }, (_, i) => i + 1),
    );
  });
});

describe("a unique value", () => {
  const open = (store: EventStore, id: string, holder: string) =>
    store.push([
      fixture.at(id).append({
        expected: "none",
        events: [opened(holder)],
        claim: [{ type: "holder", value: holder }],
      }),
    ]);

  test("that another aggregate has is refused, naming type and value and nothing more", async () => {
    const { store } = fixture;
    await open(store, "a", "Émilie");
    const error = await refusal(open(store, "b", "e\u0301MILIE".normalize("NFD")));
    expect(error).toBeInstanceOf(UniqueViolation);
    expect(error).toMatchObject({ uniqueType: "holder", value: "émilie" });
    expect(error.message).toMatchInlineSnapshot(`
      "The holder "émilie" is taken.
      Nothing was written. Choose another holder."
    `);
    expect(await fixture.eventsOf("b")).toEqual([]);
  });

  test("is free in another instance", async () => {
    const { store } = fixture;
    await open(store, "a", "Ada");
    await store.push([
      fixture.at("a", `${fixture.instance}-2`).append({
        expected: "none",
        events: [opened("Ada")],
        claim: [{ type: "holder", value: "Ada" }],
      }),
    ]);
  });

  test("is released before values are claimed: two aggregates can swap theirs", async () => {
    const { store } = fixture;
    await open(store, "a", "Ada");
    await open(store, "b", "Grace");
    const ada = [{ type: "holder", value: "ADA" }];
    const grace = [{ type: "holder", value: "grace" }];
    await store.push([
      fixture.at("a").append({ expected: 1, events: [credited(1)], claim: grace, release: ada }),
      fixture.at("b").append({ expected: 1, events: [credited(1)], claim: ada, release: grace }),
    ]);
    expect(await refusal(open(store, "c", "Ada"))).toMatchObject({ code: "unique_violation" });
    await store.push([
      fixture.at("a").append({ expected: 2, events: [credited(1)], release: grace }),
    ]);
    await open(store, "c", "Grace");
  });

  test("is given to one of many that want it at the same moment, and the others are told", async () => {
    const { store } = fixture;
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => open(store, `a${i}`, "Ada")),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toHaveLength(7);
    for (const { reason } of refused) {
      expect(reason).toMatchObject({ code: "unique_violation", value: "ada" });
    }
  });

  test("claimed twice in one push is refused", async () => {
    const { store } = fixture;
    const claim = [{ type: "holder", value: "Ada" }];
    const error = await refusal(
      store.push([
        fixture.at("a").append({ expected: "none", events: [opened()], claim }),
        fixture.at("b").append({ expected: "none", events: [opened()], claim }),
      ]),
    );
    expect(error).toMatchObject({ code: "unique_violation", value: "ada" });
  });
});

describe("what makes no sense is refused before anything is sent", () => {
  test.each([
    [
      "an unknown type",
      () => [
        fixture.at("a").append({
          expected: "any",
          events: [{ type: "account.burnt", payload: {} } as never],
        }),
      ],
    ],
    ["a wrong field", () => [fixture.at("a").append({ expected: "any", events: [credited(-1)] })]],
    [
      "an unknown field",
      () => [
        fixture.at("a").append({
          expected: "any",
          events: [{ type: "account.closed", payload: { why: "x" } as never }],
        }),
      ],
    ],
    ["no events", () => [fixture.at("a").append({ expected: "any", events: [] })]],
    ["no intents", () => []],
    [
      "two instances",
      () =>
        [fixture.at("a", "i1"), fixture.at("b", "i2")].map((it) =>
          it.append({ expected: "any", events: [opened()] }),
        ),
    ],
    [
      "an aggregate twice",
      () =>
        [fixture.at("a"), fixture.at("a")].map((it) =>
          it.append({ expected: "any", events: [opened()] }),
        ),
    ],
    ["a negative version", () => [fixture.at("a").append({ expected: -1, events: [opened()] })]],
    [
      "an empty owner",
      () => [
        account
          .at({ instanceId: fixture.instance, id: "a", owner: "", creator: "c" })
          .append({ expected: "any", events: [opened()] }),
      ],
    ],
  ])("%s", async (_, intents) => {
    const { store } = fixture;
    const error = await refusal(store.push(intents()));
    expect(`${error.code}: ${error.message}`).toMatchSnapshot();
    expect(await fixture.eventsOf("a")).toEqual([]);
  });
});
