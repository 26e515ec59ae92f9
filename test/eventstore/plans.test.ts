import { beforeAll, describe, expect, test } from "vitest";
import type { Expected } from "../../src/eventstore/index.ts";
import { preparePush } from "../../src/eventstore/prepared-push.ts";
import { pushStatement } from "../../src/eventstore/push-statement.ts";
import { aggregatePages, instancePages } from "../../src/eventstore/read.ts";
import { account, credited, opened, useStore } from "../helpers/account.ts";
import { explain, seedEvents } from "../helpers/schema-plans.ts";

const fixture = useStore();

beforeAll(() => seedEvents(fixture.pool, { count: 25_000, instances: 5 }));

interface Sent {
  readonly text: string;
  readonly params: readonly unknown[];
}

/** The statements that reading one page sends. */
async function sentBy(
  read: (
    run: <Row>(text: string, params: readonly unknown[]) => Promise<readonly Row[]>,
  ) => AsyncGenerator,
): Promise<Sent> {
  const sent: Sent[] = [];
  await read(async (text, params) => {
    sent.push({ text, params });
    return [];
  }).next();
  const [first] = sent;
  if (first === undefined) throw new Error("nothing was sent");
  return first;
}

const push = (count: number, claimed: boolean, expected: Expected = "any") =>
  pushStatement(
    preparePush(
      [
        account.at({ instanceId: "i1", id: "a", owner: "o", creator: "c" }).append({
          expected,
          events: [opened(), ...Array.from({ length: count - 1 }, () => credited(1))],
          ...(claimed && { claim: [{ type: "holder", value: "Ada" }] }),
        }),
      ],
      claimed ? { idempotencyKey: "k" } : {},
    ),
  );
const one = [{ aggregateType: "type1", eventTypes: ["type.event1"] }];
const some = [{ aggregateType: "type1" }, { aggregateType: "type2" }];

const statements: Readonly<Record<string, () => Sent | Promise<Sent>>> = {
  "push of one event": () => push(1, false),
  "push of a first event": () => push(1, false, "none"),
  "push of many events": () => push(100, false),
  "push with a unique value and a key": () => push(100, true),
  "page of an aggregate": () =>
    sentBy((run) => aggregatePages(run, account, { instanceId: "i1", id: "a" })),
  "page of an instance": () => sentBy((run) => instancePages(run, "i1", 20_000)),
  "page of one type": () =>
    sentBy((run) => instancePages(run, "i1", 20_000, { select: one, pageSize: 50 })),
  "page of several types": () =>
    sentBy((run) => instancePages(run, "i1", 20_000, { select: some })),
};

describe.each(Object.entries(statements))("%s", (name, statement) => {
  test.each(["custom", "generic"] as const)(
    "finds events by an index, and sorts no stored event (%s plan)",
    async (mode) => {
      const { text, params } = await statement();
      const literals = params.map((value) =>
        value === null ? "null" : `'${String(value).replaceAll("'", "''")}'`,
      );
      const nodes = await explain(fixture.pool, text, literals, mode);
      expect(nodes.filter((node) => node["Node Type"] === "Seq Scan")).toEqual([]);
      const names = nodes.map((node) => node["Node Type"]);
      // The first event of an aggregate is not looked for: the key refuses a second one.
      if (name !== "push of a first event") {
        expect(names.some((node) => node.startsWith("Index"))).toBe(true);
      }
      // What is sorted is the push's own few events, which come from no index.
      const sorted = nodes.filter((node) => node["Node Type"].includes("Sort"));
      if (text.includes("insert into")) {
        expect(sorted.length).toBeLessThanOrEqual(3);
      } else {
        expect(sorted).toEqual([]);
      }
    },
  );
});
