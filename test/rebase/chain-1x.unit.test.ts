import { expect, test } from "vitest";
import { parseSnapshot } from "../../src/db/kit/snapshots.ts";
import { chainDeltas } from "../../src/db/rebase/chain-1x.ts";
import type { OwnMigration, SnapshotText } from "../../src/db/rebase/own.ts";

function snapshot(id: string, prevIds: readonly string[], body: object): SnapshotText {
  const path = `${id}/snapshot.json`;
  const text = JSON.stringify({ version: "9", id, prevIds, ...body });
  const parsed = parseSnapshot(path, text);
  if (typeof parsed === "string") throw new Error(parsed);
  return { path, text, snapshot: parsed };
}

const enumKey = 'enums\0["public","mood"]';
const ageKey = 'columns\0["public","users","age"]';
const mood = (...values: readonly string[]) => ({
  entityType: "enums",
  schema: "public",
  name: "mood",
  values,
});
const first = snapshot("first", ["00000000-0000-0000-0000-000000000000"], { ddl: [mood("a")] });
const alter = (key: string, set: object) => ({ deltas: [{ op: "alter", key, set }] });

function moved(own: SnapshotText, base: readonly SnapshotText[]) {
  const migration: OwnMigration = {
    ...{ tag: own.snapshot.id, sql: "", entry: { tag: own.snapshot.id }, down: undefined },
    ...{ snapshot: own, beside: [first, own] },
  };
  const placed = { from: "", tag: "", entry: { tag: "" }, snapshotPath: "moved/snapshot.json" };
  const [chained] = chainDeltas([{ own: migration, placed }], base);
  return { ...chained, json: JSON.parse(chained?.text ?? "null") as object | null };
}

test("a snapshot of differences follows the base's ends and keeps its differences", () => {
  const drop = { deltas: [{ op: "drop", key: ageKey }] };
  const theirs = snapshot("theirs", ["first"], { deltas: [] });
  const { json, conflicts } = moved(snapshot("own", ["first"], drop), [first, theirs]);
  expect(json).toEqual({ version: "9", id: "own", prevIds: ["theirs"], ...drop });
  expect(conflicts).toEqual([]);
});

test("values of an enum get those that the base has added", () => {
  const theirs = snapshot("theirs", ["first"], alter(enumKey, { values: ["a", "b"] }));
  const { json, conflicts } = moved(
    snapshot("own", ["first"], alter(enumKey, { values: ["0", "a"] })),
    [first, theirs],
  );
  expect(json).toMatchObject(alter(enumKey, { values: ["0", "a", "b"] }));
  expect(conflicts).toEqual([]);
});

test.each([
  [alter(ageKey, { type: "bigint" }), alter(ageKey, { type: "text" }), ["column public.users.age"]],
  [alter(ageKey, { type: "bigint" }), alter(ageKey, { notNull: true }), []],
  [
    alter(ageKey, { type: "bigint" }),
    { deltas: [{ op: "drop", key: ageKey }] },
    ["column public.users.age"],
  ],
  [alter(enumKey, { values: [] }), alter(enumKey, { values: ["a", "b"] }), ["enum public.mood"]],
])("both change the same: %j, %j", (own, theirs, expected) => {
  const base = [first, snapshot("theirs", ["first"], theirs)];
  expect(moved(snapshot("own", ["first"], own), base).conflicts).toEqual(expected);
});

test("a first one behind another's first makes what is not there", () => {
  const row = { entityType: "tables", schema: "public", name: "orgs" };
  const own = snapshot("own", [], { ddl: [mood("a"), row] });
  expect(moved(own, [first]).json).toEqual({
    version: "9",
    id: "own",
    prevIds: ["first"],
    deltas: [{ op: "create", row }],
  });
});

test("one of an older format that follows another cannot be derived", () => {
  expect(moved(snapshot("own", ["first"], { ddl: [] }), [first])).toMatchObject({
    kind: "lost",
    text: undefined,
  });
});
