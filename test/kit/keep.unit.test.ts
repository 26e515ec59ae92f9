import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkWritten } from "../../src/db/kit/check.ts";
import { copyKitFolder, readKitFolder } from "../../src/db/kit/folder.ts";
import type { KitFolder } from "../../src/db/kit/kit-folder.ts";
import { keepFiles } from "../../src/db/kit/put.ts";
import { journalOf } from "../helpers/history.ts";

let root: string;
let path: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-keep-"));
  path = join(root, "drizzle");
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function texts(folder: string): Promise<Readonly<Record<string, string>>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((it) => join(it.parentPath, it.name));
  const read = files
    .toSorted()
    .map(async (file) => [file.slice(folder.length + 1), await readFile(file, "utf8")]);
  return Object.fromEntries(await Promise.all(read));
}

const snapshot = (id: string, prevId: string) => JSON.stringify({ id, prevId });
const NONE = "00000000-0000-0000-0000-000000000000";

/** A folder with one migration. */
async function folderOfOne(): Promise<KitFolder> {
  await mkdir(join(path, "meta"), { recursive: true });
  await writeFile(join(path, "0000_first.sql"), "select 1;");
  await writeFile(join(path, "meta/0000_snapshot.json"), snapshot("one", NONE));
  await writeFile(join(path, "meta/_journal.json"), journalOf(["0000_first"]));
  return readKitFolder(root, "drizzle");
}

describe("what is kept", () => {
  const kept = {
    added: [
      { path: "0000_a.sql", text: "select 1;" },
      { path: "0000_a.down.sql", text: "select 0;" },
      { path: "meta/0000_snapshot.json", text: "{}" },
    ],
    journal: "journal",
    sum: "sum",
  };

  test("makes the folder, and leaves nothing else in it", async () => {
    await keepFiles(await readKitFolder(root, "drizzle"), kept);
    expect(await texts(path)).toEqual({
      "0000_a.sql": "select 1;",
      "0000_a.down.sql": "select 0;",
      "meta/0000_snapshot.json": "{}",
      "meta/_journal.json": "journal",
      "tidemark.sum": "sum",
    });
  });

  test("is taken back where it cannot be kept as a whole: no folder is left", async () => {
    const folder = await readKitFolder(root, "drizzle");
    const added = [...kept.added, { path: "nowhere/x.sql", text: "" }];
    await expect(keepFiles(folder, { ...kept, added })).rejects.toMatchObject({
      code: "config",
      cause: { code: "ENOENT" },
    });
    expect(await readdir(root)).toEqual([]);
  });

  test.each([0, 1, 2, 3])("is taken back where %i files have their names", async (count) => {
    const folder = await folderOfOne();
    const before = await texts(path);
    const added = ["0001_b.sql", "meta/0001_snapshot.json"].map((name) => ({
      path: name,
      text: "",
    }));
    const named: string[] = [];
    const move = async (from: string, to: string) => {
      if (named.length === count) throw new Error("the disk is full");
      named.push(to.slice(path.length + 1));
      await rename(from, to);
    };
    await expect(keepFiles(folder, { ...kept, added }, { move })).rejects.toMatchObject({
      code: "config",
      fact: "drizzle cannot be written: the disk is full.",
    });
    // The journal makes a migration of what is there by then; the sum vouches for it.
    const order = ["0001_b.sql", "meta/0001_snapshot.json", "meta/_journal.json", "tidemark.sum"];
    expect(named).toEqual(order.slice(0, count));
    expect(await texts(path)).toEqual(before);
  });

  test("is not, where the journal is another one by now", async () => {
    const folder = await folderOfOne();
    await writeFile(join(path, "meta/_journal.json"), journalOf([]));
    const before = await texts(path);
    await expect(keepFiles(folder, kept)).rejects.toMatchObject({
      code: "history_invalid",
      fact: "drizzle/meta/_journal.json was changed while drizzle-kit was running.",
    });
    expect(await texts(path)).toEqual(before);
  });

  test("is not, where a file of its name has another text; the same text is no matter", async () => {
    const folder = await folderOfOne();
    const added = [{ path: "0001_b.sql", text: "select 2;" }];
    await writeFile(join(path, "0001_b.sql"), "-- somebody's");
    const before = await texts(path);
    await expect(keepFiles(folder, { ...kept, added })).rejects.toMatchObject({
      code: "history_invalid",
      fact: expect.stringContaining("drizzle/0001_b.sql already exists"),
    });
    expect(await texts(path)).toEqual(before);
    await writeFile(join(path, "0001_b.sql"), "select 2;");
    await keepFiles(folder, { ...kept, added });
    expect(await texts(path)).toMatchObject({ "tidemark.sum": "sum" });
  });
});

describe("what drizzle-kit has written", () => {
  /** Its copy of the folder, with a second migration in it. */
  async function written(change: (copy: string) => Promise<unknown>) {
    const folder = await folderOfOne();
    const copy = join(root, "copy");
    const stamps = await copyKitFolder(folder, copy);
    await writeFile(join(copy, "0001_b.sql"), "select 2;");
    await writeFile(join(copy, "meta/0001_snapshot.json"), snapshot("two", "one"));
    await writeFile(join(copy, "meta/_journal.json"), journalOf(["0000_first", "0001_b"]));
    await change(copy);
    return checkWritten(folder, copy, stamps);
  }

  test("is taken where it is one migration on top of the newest", async () => {
    expect(await written(async () => undefined)).toMatchObject({
      tag: "0001_b",
      sql: "select 2;",
      snapshot: expect.objectContaining({ path: "meta/0001_snapshot.json" }),
      warnings: [],
    });
  });

  test.each<[string, (copy: string) => Promise<unknown>, string]>([
    [
      "no entry in the journal",
      (copy) => writeFile(join(copy, "meta/_journal.json"), journalOf(["0000_first"])),
      "it has not added one entry to the journal",
    ],
    [
      "two of them",
      (copy) =>
        writeFile(join(copy, "meta/_journal.json"), journalOf(["0000_first", "0001_b", "c"])),
      "it has not added one entry to the journal",
    ],
    [
      "an older entry changed",
      (copy) => writeFile(join(copy, "meta/_journal.json"), journalOf(["0000_other", "0001_b"])),
      "it has changed older entries of the journal",
    ],
    ["no SQL", (copy) => rm(join(copy, "0001_b.sql")), "it has not written 0001_b.sql"],
    ["empty SQL", (copy) => writeFile(join(copy, "0001_b.sql"), "\n"), "0001_b.sql is empty"],
    [
      "no snapshot",
      (copy) => rm(join(copy, "meta/0001_snapshot.json")),
      "it has not written one snapshot: none",
    ],
    [
      "a snapshot of another line",
      (copy) => writeFile(join(copy, "meta/0001_snapshot.json"), snapshot("two", NONE)),
      "meta/0001_snapshot.json does not follow meta/0000_snapshot.json",
    ],
    [
      "an older file changed",
      (copy) => writeFile(join(copy, "0000_first.sql"), "select 100;"),
      "it has changed 0000_first.sql",
    ],
    [
      "an older file gone",
      (copy) => rm(join(copy, "meta/0000_snapshot.json")),
      "it has changed meta/0000_snapshot.json",
    ],
  ])("is refused with %s", async (_name, change, problem) => {
    await expect(written(change)).rejects.toMatchObject({
      code: "history_invalid",
      fact: `drizzle-kit's output cannot be kept: ${problem}.`,
    });
  });
});
