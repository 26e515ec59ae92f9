import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkWrittenFolder } from "../../src/db/kit/check-1x.ts";
import { copyKitFolder, readKitFolder } from "../../src/db/kit/folder.ts";
import { keepFolder } from "../../src/db/kit/put-1x.ts";

let root: string;
let path: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-keep-"));
  path = join(root, "drizzle");
});

afterEach(() => rm(root, { recursive: true, force: true }));

/** Every file, and every folder that holds none, with its text. */
async function texts(folder: string): Promise<Readonly<Record<string, string>>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((it) => join(it.parentPath, it.name));
  const read = files
    .toSorted()
    .map(async (file) => [file.slice(folder.length + 1), await readFile(file, "utf8")]);
  return Object.fromEntries(await Promise.all(read));
}

const NONE = "00000000-0000-0000-0000-000000000000";
const FIRST = "20250101000000_first";
const SECOND = "20250102000000_second";
const base = (id: string) => JSON.stringify({ id, prevIds: [NONE], ddl: [] });
const diff = (id: string, ...prevIds: readonly string[]) =>
  JSON.stringify({ id, prevIds, deltas: [] });

async function put(folder: string, tag: string, files: Readonly<Record<string, string>>) {
  await mkdir(join(folder, tag), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, tag, name), text);
  }
}

/** A folder with one migration. */
async function folderOfOne() {
  await put(path, FIRST, { "migration.sql": "select 1;", "snapshot.json": base("one") });
  return readKitFolder(root, "drizzle");
}

describe("what is kept in the layout of 1.x", () => {
  const kept = {
    tag: SECOND,
    added: [
      { path: `${SECOND}/migration.sql`, text: "select 2;" },
      { path: `${SECOND}/migration.down.sql`, text: "select 0;" },
      { path: `${SECOND}/snapshot.json`, text: diff("two", "one") },
    ],
    sum: "sum",
  };

  test("makes the folder, and leaves nothing else in it", async () => {
    await keepFolder(await readKitFolder(root, "drizzle", "check", "1.x"), kept);
    expect(await texts(path)).toEqual({
      [`${SECOND}/migration.sql`]: "select 2;",
      [`${SECOND}/migration.down.sql`]: "select 0;",
      [`${SECOND}/snapshot.json`]: diff("two", "one"),
      "tidemark.sum": "sum",
    });
    expect((await readdir(path)).toSorted()).toEqual([SECOND, "tidemark.sum"]);
  });

  test("is taken back where it cannot be kept as a whole: no folder is left", async () => {
    const folder = await readKitFolder(root, "drizzle", "check", "1.x");
    const added = [...kept.added, ...kept.added];
    await expect(keepFolder(folder, { ...kept, added })).rejects.toMatchObject({
      code: "config",
      cause: { code: "EEXIST" },
    });
    expect(await readdir(root)).toEqual([]);
  });

  test.each([0, 1])("is a migration at once, and taken back after %i moves", async (count) => {
    const folder = await folderOfOne();
    const before = await texts(path);
    const named: string[] = [];
    const move = async (from: string, to: string) => {
      // By now, nothing of it is a migration.
      expect((await readKitFolder(root, "drizzle")).entries).toHaveLength(1 + named.length);
      if (named.length === count) throw new Error("the disk is full");
      named.push(to.slice(path.length + 1));
      await rename(from, to);
    };
    await expect(keepFolder(folder, kept, { move })).rejects.toMatchObject({
      code: "config",
      fact: "drizzle cannot be written: the disk is full.",
    });
    expect(named).toEqual([SECOND].slice(0, count));
    expect(await texts(path)).toEqual(before);
    expect(await readdir(path)).toEqual([FIRST]);
  });

  test("is not, where the sum is another one by now, or a migration was added", async () => {
    const folder = await folderOfOne();
    await put(path, "20250101120000_pulled", { "migration.sql": "select 3;" });
    const before = await texts(path);
    await expect(keepFolder(folder, kept)).rejects.toMatchObject({
      code: "history_invalid",
      fact: "drizzle/20250101120000_pulled was added while drizzle-kit was running.",
    });
    expect(await texts(path)).toEqual(before);
    await writeFile(join(path, "tidemark.sum"), "another");
    await expect(keepFolder(folder, kept)).rejects.toMatchObject({
      code: "history_invalid",
      fact: "drizzle/tidemark.sum was changed while drizzle-kit was running.",
    });
  });
});

describe("what drizzle-kit 1.x has written", () => {
  /** Its copy of the folder, with a second migration in it. */
  async function written(change: (copy: string) => Promise<unknown>) {
    const folder = await folderOfOne();
    const copy = join(root, "copy");
    const stamps = await copyKitFolder(folder, copy);
    await put(copy, SECOND, { "migration.sql": "select 2;", "snapshot.json": diff("two", "one") });
    await change(copy);
    return checkWrittenFolder(folder, copy, stamps);
  }

  test("is taken where it is one folder on top of the newest", async () => {
    expect(await written(async () => undefined)).toMatchObject({
      tag: SECOND,
      sql: "select 2;",
      snapshot: { path: `${SECOND}/snapshot.json` },
      warnings: [],
    });
  });

  test("gets a time after the newest's, where it would come before it", async () => {
    const found = await written((copy) =>
      rename(join(copy, SECOND), join(copy, "20240102000000_second")),
    );
    expect(found).toMatchObject({
      tag: "20250101000001_second",
      snapshot: { path: "20250101000001_second/snapshot.json" },
      warnings: [expect.stringContaining("this clock is behind the newest migration")],
    });
  });

  test.each<[string, (copy: string) => Promise<unknown>, string]>([
    [
      "no folder",
      (copy) => rm(join(copy, SECOND), { recursive: true }),
      "it has not written one folder: none",
    ],
    [
      "two of them",
      (copy) => put(copy, "20250103000000_x", { "migration.sql": "" }),
      `it has not written one folder: ${SECOND}, 20250103000000_x`,
    ],
    [
      "no SQL",
      (copy) => rm(join(copy, SECOND, "migration.sql")),
      `it has not written ${SECOND}/migration.sql`,
    ],
    [
      "empty SQL",
      (copy) => put(copy, SECOND, { "migration.sql": "\n" }),
      `${SECOND}/migration.sql is empty`,
    ],
    [
      "no snapshot",
      (copy) => rm(join(copy, SECOND, "snapshot.json")),
      `it has not written ${SECOND}/snapshot.json`,
    ],
    [
      "a snapshot of another line",
      (copy) => put(copy, SECOND, { "snapshot.json": base("two") }),
      `${SECOND}/snapshot.json does not follow ${FIRST}/snapshot.json`,
    ],
    [
      "an older file changed",
      (copy) => put(copy, FIRST, { "migration.sql": "select 100;" }),
      `it has changed ${FIRST}/migration.sql`,
    ],
    [
      "an older file gone",
      (copy) => rm(join(copy, FIRST, "snapshot.json")),
      `it has changed ${FIRST}/snapshot.json`,
    ],
  ])("is refused with %s", async (_name, change, problem) => {
    await expect(written(change)).rejects.toMatchObject({
      code: "history_invalid",
      fact: `drizzle-kit's output cannot be kept: ${problem}.`,
    });
  });

  test("is refused where it would come before a folder whose name is no time", async () => {
    await put(path, "zero", { "migration.sql": "select 1;", "snapshot.json": base("one") });
    const folder = await readKitFolder(root, "drizzle");
    const copy = join(root, "copy");
    const stamps = await copyKitFolder(folder, copy);
    await put(copy, SECOND, { "migration.sql": "select 2;", "snapshot.json": diff("two", "one") });
    await expect(checkWrittenFolder(folder, copy, stamps)).rejects.toMatchObject({
      fact: expect.stringContaining(`${SECOND} would come before zero, which is no time`),
    });
  });
});
