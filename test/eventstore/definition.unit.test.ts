import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  defineAggregate,
  type EventOf,
  event,
  foldUnique,
  type StoredEventOf,
  scenario,
} from "../../src/eventstore/index.ts";
import { accountDecider, credited, opened } from "../helpers/account.ts";

describe("a definition", () => {
  test("needs an upcast from each older revision", () => {
    const define = () => event(z.object({}), { revision: 3, upcasts: { 1: (old) => old } });
    expect(define).toThrowErrorMatchingInlineSnapshot(`
      [EventStoreError: An event of revision 3 has no upcast from revision 2.
      Add upcasts: { 2: (payload) => … }, which makes it one of revision 3.]
    `);
  });

  // Checked by the compiler: each line below that should not compile would fail `check:types` if it did.
  test("gives the types of its events, of what is stored, and of what a push needs", () => {
    const box = defineAggregate({
      type: "box",
      events: {
        "box.filled": event(z.object({ with: z.string(), count: z.number() })),
        "box.shut": event(z.object({})),
      },
    });
    const filled: EventOf<typeof box> = { type: "box.filled", payload: { with: "tea", count: 1 } };
    const target = { instanceId: "i", id: "b", owner: "o", creator: "c" };
    box.at(target).append({ expected: "none", events: [filled] });
    const narrow = (stored: StoredEventOf<typeof box>): number =>
      stored.type === "box.filled" ? stored.payload.count + stored.position : stored.sequence;
    expect(narrow).toBeInstanceOf(Function);

    // @ts-expect-error an event that the box does not have
    const unknown: EventOf<typeof box> = { type: "box.burnt", payload: {} };
    // @ts-expect-error a payload without its count
    const lacking: EventOf<typeof box> = { type: "box.filled", payload: { with: "tea" } };
    const { owner: _owner, ...noOwner } = target;
    const { creator: _creator, ...noCreator } = target;
    const { instanceId: _instance, ...noInstance } = target;
    // @ts-expect-error no owner
    box.at(noOwner);
    // @ts-expect-error no creator
    box.at(noCreator);
    // @ts-expect-error no instance
    box.at(noInstance);
    // @ts-expect-error no expected version
    box.at(target).append({ events: [filled] });
    // @ts-expect-error a payload that JSON cannot hold
    event(z.object({ at: z.date() }));
    expect([unknown, lacking]).toHaveLength(2);
  });
});

test("unique values are compared in NFC and lower case", () => {
  expect(foldUnique("E\u0301MILIE")).toBe("émilie");
  expect(foldUnique("ADA")).toBe(foldUnique("ada"));
});

describe("a scenario", () => {
  const { given } = scenario(accountDecider);
  const open = { kind: "open", holder: "Ada" } as const;

  test("passes when what was decided is what was expected", () => {
    given([])
      .when(open)
      .thenEvents([opened("Ada")])
      .thenClaims(["holder ada"]);
    given([opened()]).when({ kind: "credit", amount: 0 }).thenNothing();
    given([opened("Ada"), credited(5)])
      .when({ kind: "close" })
      .thenClaims([], ["holder ada"]);
    given([]).when({ kind: "close" }).thenRefuses("not_found");
  });

  test.each([
    [
      "other events",
      () =>
        given([])
          .when(open)
          .thenEvents([opened("Grace")]),
    ],
    ["events where none were expected", () => given([]).when(open).thenNothing()],
    ["other claims", () => given([]).when(open).thenClaims([])],
    ["a refusal", () => given([]).when({ kind: "close" }).thenNothing()],
    ["no refusal", () => given([]).when(open).thenRefuses("not_found")],
    ["another refusal", () => given([]).when({ kind: "close" }).thenRefuses("taken")],
    [
      "a payload that does not fit",
      () =>
        given([])
          .when({ kind: "open", holder: "" })
          .thenEvents([opened("")]),
    ],
  ])("fails on %s, and shows both sides", (_, check) => {
    expect(check).toThrowErrorMatchingSnapshot();
  });
});
