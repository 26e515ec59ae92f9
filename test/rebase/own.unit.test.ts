import { describe, expect, test } from "vitest";
import { assemble } from "../../src/db/rebase/assemble.ts";
import { findOwn } from "../../src/db/rebase/own.ts";
import { placeBehind } from "../../src/db/rebase/place.ts";
import type { Sides } from "../../src/db/rebase/sides.ts";
import { entriesOf } from "../../src/db/verify/entries.ts";
import type { FolderState } from "../../src/db/verify/folder-state.ts";

type Tables = Readonly<Record<string, object>>;

/** A folder of migrations, each `tag: [sql, tables of its snapshot]`; the snapshot's id is its SQL. */
function folder(
  migrations: Readonly<Record<string, readonly [sql: string, tables?: Tables]>>,
): FolderState {
  const files = new Map<string, string>();
  let prevId = "";
  for (const [idx, [tag, [sql, tables]]] of Object.entries(migrations).entries()) {
    files.set(`${tag}.sql`, sql);
    if (tables === undefined) continue;
    const snapshot = { id: sql, prevId, version: "7", dialect: "postgresql", tables };
    files.set(`meta/${String(idx).padStart(4, "0")}_snapshot.json`, JSON.stringify(snapshot));
    prevId = sql;
  }
  const entries = Object.keys(migrations).map((tag, idx) => ({
    idx,
    version: "7",
    when: idx + 1,
    tag,
    breakpoints: true,
  }));
  files.set("meta/_journal.json", JSON.stringify({ version: "7", dialect: "postgresql", entries }));
  return { dir: "drizzle", files };
}

const A = ["a", { a: {} }] as const;
const FORK = folder({ "0000_a": A });
const BASE = folder({ "0000_a": A, "0001_b": ["b", { a: {}, b: {} }] });
const OWN = folder({
  "0000_a": A,
  "0001_c": ["c", { a: {}, c: {} }],
  "0002_d": ["d", { a: {}, c: {}, d: {} }],
});
const LATE = (BASE.files.get("meta/_journal.json") ?? "").replace('"when":2', '"when":99');
const MARKS = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> main\n";

const sides = (disk: FolderState, parts: Partial<Sides> = {}): Sides => ({
  ...{ ref: "main", disk, base: BASE, fork: FORK, own: [OWN], operation: "merge", isMerged: true },
  newer: undefined,
  ...{ unmerged: new Set<string>(), unmergedElsewhere: [] },
  ...parts,
});

/** What a merge leaves: all files of both, and marks where both added one. */
function merged(
  marked: readonly string[],
  other: Readonly<Record<string, string>> = {},
): FolderState {
  const files = new Map([...BASE.files, ...OWN.files, ...Object.entries(other)]);
  for (const path of marked) files.set(path, MARKS);
  return { dir: "drizzle", files };
}

const CONFLICT = ["meta/_journal.json", "meta/0001_snapshot.json", "tidemark.sum"];

describe("a branch's own migrations", () => {
  test("are found where the merge left marks in the journal and the snapshot", () => {
    const found = findOwn(sides(merged(CONFLICT)));
    expect(found.own.map(({ tag, sql, snapshot }) => [tag, sql, snapshot?.snapshot.id])).toEqual([
      ["0001_c", "c", "c"],
      ["0002_d", "d", "d"],
    ]);
    expect(found.theirs).toEqual(["0001_b"]);
  });

  test("are found in the commits where the folder has the base's journal and snapshots", () => {
    const theirs = Object.fromEntries([...BASE.files].filter(([path]) => path.startsWith("meta/")));
    const found = findOwn(sides(merged([], theirs), { operation: undefined }));
    expect(found.own.map(({ tag, snapshot }) => [tag, snapshot?.snapshot.id])).toEqual([
      ["0001_c", "c"],
      ["0002_d", "d"],
    ]);
  });

  test("do not include a file that no journal names, nor what is gone from the folder", () => {
    const disk = merged(CONFLICT, { "0009_stray.sql": "stray" });
    (disk.files as Map<string, string>).delete("0002_d.sql");
    expect(findOwn(sides(disk)).own.map(({ tag }) => tag)).toEqual(["0001_c"]);
  });

  test("may have a name of the base's, with another text", () => {
    const mine = folder({ "0000_a": A, "0001_b": ["mine"] });
    const disk = { dir: "drizzle", files: new Map([...BASE.files, ["0001_b.sql", MARKS]]) };
    const found = findOwn(sides(disk, { own: [mine], unmerged: new Set(["0001_b.sql"]) }));
    expect(found.own.map(({ tag, sql }) => [tag, sql])).toEqual([["0001_b", "mine"]]);
    // The base's entry of that name is not its entry.
    const late = { ...BASE, files: new Map([...BASE.files, ["meta/_journal.json", LATE]]) };
    const states = { own: [late, mine], unmerged: new Set(["0001_b.sql"]) };
    expect(findOwn(sides(disk, states)).own[0]?.entry.when).toBe(2);
    // Moved, and not yet added to git's index.
    const done = new Map([...BASE.files, ["0002_b.sql", "mine"]]);
    const again = sides(
      { dir: "drizzle", files: done },
      { own: [mine], unmerged: new Set(["0001_b.sql"]) },
    );
    expect(findOwn(again).own).toEqual([]);
  });

  test("are not the base's that were edited, and not those that nobody has whole", () => {
    expect(findOwn(sides(merged(CONFLICT, { "0000_a.sql": "other" }))).edited).toEqual(["0000_a"]);
    const broken = folder({ "0000_a": A, "0001_c": [MARKS] });
    const disk = { dir: "drizzle", files: new Map([...BASE.files, ...broken.files]) };
    expect(findOwn(sides(disk, { own: [] })).unsettled).toEqual(["0001_c.sql"]);
  });
});

describe("the new folder", () => {
  const assembled = (given: Sides) => {
    const found = findOwn(given);
    const placed = placeBehind(
      found.own.map(({ entry }) => entry),
      entriesOf(given.base) ?? [],
      "0.x",
    );
    const moves = found.own.flatMap((own, place) => {
      const to = placed[place];
      return to === undefined ? [] : [{ own, placed: to }];
    });
    return assemble(given, found, moves);
  };

  test("has the base's files, then the own ones, each snapshot with what its migration changed", () => {
    const { files } = assembled(sides(merged(CONFLICT)));
    expect([...files.keys()].toSorted()).toEqual([
      ...["0000_a.sql", "0001_b.sql", "0002_c.sql", "0003_d.sql", "meta/0000_snapshot.json"],
      ...[
        "meta/0001_snapshot.json",
        "meta/0002_snapshot.json",
        "meta/0003_snapshot.json",
        "meta/_journal.json",
      ],
    ]);
    const at = (number: number) =>
      JSON.parse(files.get(`meta/000${number}_snapshot.json`) ?? "") as object;
    expect(at(1)).toMatchObject({ id: "b", prevId: "a" });
    expect(at(2)).toMatchObject({ id: "c", prevId: "b", tables: { a: {}, b: {}, c: {} } });
    expect(at(3)).toMatchObject({ id: "d", prevId: "c", tables: { a: {}, b: {}, c: {}, d: {} } });
  });

  test("keeps what only this branch has changed of the base's files, and refuses what both have", () => {
    const path = "0000_a.down.sql";
    const withDown = (state: FolderState, text: string): FolderState => ({
      ...state,
      files: new Map([...state.files, [path, text]]),
    });
    const disk = merged(CONFLICT, { [path]: "mine" });
    const at = (fork: string, base: string) =>
      sides(disk, { fork: withDown(FORK, fork), base: withDown(BASE, base) });
    expect(assembled(at("old", "old")).files.get(path)).toBe("mine");
    expect(assembled(at("mine", "new")).files.get(path)).toBe("new");
    expect(() => assembled(at("old", "new"))).toThrow(
      "main and this branch have both changed drizzle/0000_a.down.sql.",
    );
    expect(() => assembled(sides(merged([...CONFLICT, "before.sql"])))).toThrow(
      "drizzle/before.sql",
    );
  });
});
