import fc from "fast-check";
import { expect, test } from "vitest";
import { forksOf } from "../../src/db/kit/chain.ts";
import { reorderedEnums, withEnumOrder } from "../../src/db/kit/enum-order.ts";
import { type SnapshotSchema, snapshotOwners } from "../../src/db/kit/snapshots.ts";
import { undeclaredWarnings } from "../../src/db/kit/undeclared.ts";

const paths = (...names: readonly string[]) => names.map((name) => `meta/${name}_snapshot.json`);

test.each<{
  what: string;
  tags: readonly (string | { tag: string; idx: number })[];
  snapshots: readonly string[];
  owners: readonly string[];
}>([
  {
    what: "its prefix",
    tags: ["0000_a", "0001_b"],
    snapshots: ["0000", "0001"],
    owners: ["0000_a", "0001_b"],
  },
  {
    what: "its time",
    tags: ["20240112093015_a"],
    snapshots: ["20240112093015"],
    owners: ["20240112093015_a"],
  },
  {
    what: "its place in the journal",
    tags: ["init", "add"],
    snapshots: ["0000", "0001"],
    owners: ["init", "add"],
  },
  { what: "its number", tags: [{ tag: "add", idx: 7 }], snapshots: ["0007"], owners: ["add"] },
  {
    what: "its number, where two have one prefix",
    tags: [
      { tag: "0001_a", idx: 1 },
      { tag: "0001_b", idx: 2 },
    ],
    snapshots: ["0001", "0002"],
    owners: ["0001_a", "0001_b"],
  },
  {
    what: "its prefix rather than its place",
    tags: ["0001_a", "b"],
    snapshots: ["0001"],
    owners: ["0001_a"],
  },
  { what: "nothing", tags: ["0000_a"], snapshots: ["0000", "0004"], owners: ["0000_a", "nobody"] },
])("a snapshot is known as a migration's by $what", ({ tags, snapshots, owners }) => {
  const entries = tags.map((tag) => (typeof tag === "string" ? { tag } : tag));
  const found = snapshotOwners(paths(...snapshots), entries);
  expect(paths(...snapshots).map((path) => found.get(path) ?? "nobody")).toEqual(owners);
});

test("a snapshot of an older drizzle-kit, without views, sequences, roles and policies, is read", async () => {
  const old = { tables: {}, enums: {}, schemas: {} };
  const now = { tables: { "app.t": { schema: "app", columns: {} } } };
  const warnings = await undeclaredWarnings({
    before: old,
    after: now,
    trees: [],
    files: [],
  });
  expect(warnings).toEqual([expect.stringContaining("nothing makes the schema app")]);
});

test("an enum's order is told from values that come and go", () => {
  const snapshot = (...values: readonly string[]): SnapshotSchema => ({
    enums: { "app.mood": { name: "mood", schema: "app", values } },
  });
  const ordered = (before: SnapshotSchema, after: SnapshotSchema) =>
    JSON.parse(withEnumOrder(JSON.stringify(before), reorderedEnums(before, after))).enums[
      "app.mood"
    ].values;
  const [before, after] = [snapshot("a", "b", "c", "d"), snapshot("d", "x", "c", "a")];
  expect(reorderedEnums(before, after)).toEqual([
    { name: ["app", "mood"], values: ["a", "b", "c", "d"], wanted: ["d", "x", "c", "a"] },
  ]);
  expect(ordered(before, after)).toEqual(["d", "b", "c", "a"]);
  const more = snapshot("x", "a", "b", "d");
  expect(reorderedEnums(before, more)).toEqual([]);
  expect(ordered(before, more)).toEqual(["a", "b", "c", "d"]);
  expect(reorderedEnums(before, {})).toEqual([]);
});

test("snapshots that fork in any way are in one line once they are mended", () => {
  // Each follows an earlier one, or one that is not there (-1).
  const tree = fc.array(fc.nat(), { minLength: 1, maxLength: 12 }).map((picks) =>
    picks.map((pick, place) => ({
      path: `meta/${String(place).padStart(4, "0")}_snapshot.json`,
      id: `id ${place}`,
      prevId: `id ${(pick % (place + 1)) - 1}`,
    })),
  );
  fc.assert(
    fc.property(tree, (snapshots) => {
      const edits = new Map(
        forksOf(snapshots).flatMap(({ mend }) => mend.map(({ path, prevId }) => [path, prevId])),
      );
      const mended = snapshots.map((link) => ({
        ...link,
        prevId: edits.get(link.path) ?? link.prevId,
      }));
      expect(forksOf(mended)).toEqual([]);
      // From the newest, all others are reached.
      const newest = mended.at(-1)?.id;
      const line = new Set<string>();
      for (let id = newest; id !== undefined && !line.has(id); ) {
        line.add(id);
        id = mended.find((link) => link.id === id)?.prevId;
      }
      for (const { id } of mended) expect(line).toContain(id);
    }),
  );
});
