import { expect, test } from "vitest";
import { layoutOfVersion } from "../../src/db/kit/locate.ts";
import { hasChanges, parseSnapshot, type Snapshot } from "../../src/db/kit/snapshots.ts";

function read(path: string, text: string): Snapshot {
  const snapshot = parseSnapshot(path, text);
  if (typeof snapshot === "string") throw new Error(`${path}: ${snapshot}`);
  return snapshot;
}

test("a migration is known as a person's by its snapshot, in each format", () => {
  const text = (content: object) => JSON.stringify({ id: "a", ...content });
  const of = (content: object) => read("x/snapshot.json", text(content));
  const table = { entityType: "tables", schema: "public", name: "t" };
  const [none, whole] = [of({ prevIds: [], ddl: [] }), of({ prevIds: ["b"], ddl: [table] })];
  expect(hasChanges(none, undefined)).toBe(false);
  expect(hasChanges(whole, undefined)).toBe(true);
  // Format 8 holds all of it again; the order of fields means nothing.
  const again = of({
    prevIds: ["a"],
    ddl: [{ name: "t", schema: "public", entityType: "tables" }],
  });
  expect(hasChanges(again, whole)).toBe(false);
  expect(hasChanges(of({ prevIds: ["a"], deltas: [] }), whole)).toBe(false);
  expect(hasChanges(of({ prevIds: ["a"], deltas: [{ op: "create", row: table }] }), none)).toBe(
    true,
  );
  const old = of({ prevId: "", version: "7", tables: { t: { name: "t" } } });
  expect(hasChanges(old, undefined)).toBe(true);
  expect(hasChanges(of({ prevId: "a", version: "7", tables: { t: { name: "t" } } }), old)).toBe(
    false,
  );
});

test.each([
  ["<<<<<<< HEAD", "it is not JSON"],
  ["{}", "it has no id"],
  ['{"id": "a"}', "it has no prevId"],
  ['{"id": "a", "prevIds": []}', "it has neither ddl nor deltas"],
])("%s is no snapshot", (text, why) => {
  expect(parseSnapshot("x/snapshot.json", text)).toBe(why);
});

test.each([
  ["0.30.6", undefined],
  ["0.31.11", "0.x"],
  ["1.0.0-beta.2", undefined],
  ["1.0.0-rc.4", undefined],
  ["1.0.0-rc.5", "1.x"],
  ["1.0.0-rc.5-ab785fc", "1.x"],
  ["1.0.0-rc.10", "1.x"],
  ["1.0.0", "1.x"],
  ["1.12.3", "1.x"],
  ["1.1.0-beta.1", "1.x"],
  ["2.0.0", undefined],
])("drizzle-kit %s writes the layout %s", (version, layout) => {
  expect(layoutOfVersion(version)).toBe(layout);
});
