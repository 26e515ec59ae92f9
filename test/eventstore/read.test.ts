import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { defineAggregate, event } from "../../src/eventstore/index.ts";
import { account, credited, opened, useStore } from "../helpers/account.ts";

const fixture = useStore();

async function collect<T>(events: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const one of events) found.push(one);
  return found;
}

describe("reading an aggregate", () => {
  test("page by page gives what one page gives, from any version on", async () => {
    const { store } = fixture;
    const ref = { instanceId: fixture.instance, id: "a" };
    const amounts = Array.from({ length: 25 }, (_, i) => i + 1);
    await store.push([fixture.at("a").append({ expected: "none", events: amounts.map(credited) })]);
    for (const pageSize of [1, 5, 24, 25, 26]) {
      const events = await collect(store.readAggregate(account, ref, { pageSize }));
      expect(events.map(({ sequence }) => sequence)).toEqual(amounts);
    }
    const tail = await collect(store.readAggregate(account, ref, { after: 20, pageSize: 3 }));
    expect(tail.map(({ sequence }) => sequence)).toEqual([21, 22, 23, 24, 25]);
  });

  test("brings events of an older revision into the newest shape, and leaves the database as it is", async () => {
    const { pool, store, instance } = fixture;
    const old =
      "insert into eventstore.events (instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner, payload) values ($1, 'account', 'old', 1, 'account.credited', 1, 'c', 'o', $2)";
    await pool.query(old, [instance, { cents: 200 }]);
    const [event] = await fixture.eventsOf("old");
    expect(event).toMatchObject({ payload: { amount: 2 }, revision: 1 });
    expect(await collect(store.readInstance(instance))).toMatchObject([
      { payload: { cents: 200 } },
    ]);
  });

  test.each([
    ["a type", "account.burnt", 1, {}],
    ["a revision", "account.credited", 9, {}],
    ["a shape", "account.opened", 1, { holder: "" }],
  ])("refuses %s that this release does not know", async (_, type, revision, payload) => {
    const { pool, instance } = fixture;
    await pool.query(
      "insert into eventstore.events (instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner, payload) values ($1, 'account', 'a', 1, $2, $3, 'c', 'o', $4)",
      [instance, type, revision, payload],
    );
    const error = await fixture.eventsOf("a").catch((reason: unknown) => reason);
    expect(String(error)).toMatchSnapshot();
  });
});

describe("reading an instance", () => {
  const other = defineAggregate({ type: "box", events: { "box.shut": event(z.object({})) } });

  beforeAll(async () => {
    const { store } = fixture;
    const intents = Array.from({ length: 40 }, (_, i) =>
      i % 4 === 0
        ? other
            .at({ instanceId: "read", id: `b${i}`, owner: "o", creator: "c" })
            .append({ expected: "none", events: [{ type: "box.shut", payload: {} }] })
        : fixture.at(`a${i}`, "read").append({ expected: "none", events: [opened(), credited(1)] }),
    );
    await store.push(intents);
    await store.push([fixture.at("x", "unread").append({ expected: "none", events: [opened()] })]);
  });

  const cases = [
    { name: "everything", select: undefined, count: 70 },
    { name: "a kind of aggregate", select: [{ aggregateType: "account" }], count: 60 },
    {
      name: "one type",
      select: [{ aggregateType: "account", eventTypes: ["account.credited"] }],
      count: 30,
    },
    {
      name: "types of two kinds",
      select: [
        { aggregateType: "account", eventTypes: ["account.opened"] },
        { aggregateType: "box", eventTypes: ["box.shut"] },
      ],
      count: 40,
    },
  ];

  test.each(cases)("$name: the same in pages of any size, in order", async ({ select, count }) => {
    const { store } = fixture;
    const more = select === undefined ? {} : { select };
    const whole = await collect(store.readInstance("read", more));
    expect(whole).toHaveLength(count);
    expect(new Set(whole.map(({ instanceId }) => instanceId))).toEqual(new Set(["read"]));
    const positions = whole.map(({ position }) => position);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    for (const pageSize of [1, 7, count]) {
      expect(await collect(store.readInstance("read", { ...more, pageSize }))).toEqual(whole);
    }
    const after = whole[count / 2 - 1]?.position ?? 0;
    expect(await collect(store.readInstance("read", { ...more, after }))).toEqual(
      whole.slice(count / 2),
    );
  });

  test("refuses a page without events", async () => {
    const reading = collect(fixture.store.readInstance("read", { pageSize: 0 }));
    await expect(reading).rejects.toMatchObject({ code: "usage" });
  });
});
