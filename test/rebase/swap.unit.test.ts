import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { finishSwap, isHalfSwapped, swapIn, swapTo } from "../../src/db/rebase/swap.ts";

const BEFORE = new Map([
  ["0001_mine.sql", "mine"],
  ["meta/_journal.json", "<<<<<<< ours"],
  ["meta/0001_snapshot.json", "broken"],
  ["tidemark.sum", "old"],
  ["20250101120000_mine/migration.sql", "folder"],
]);
const AFTER = new Map([
  ["0001_theirs.sql", "theirs"],
  ["0002_mine.sql", "mine"],
  ["meta/0001_snapshot.json", "theirs"],
  ["meta/0002_snapshot.json", "mine"],
  ["meta/_journal.json", "both"],
  ["tidemark.sum", "new"],
  ["20250102120000_mine/migration.sql", "folder"],
]);

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tidemark-swap-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const [path, text] of BEFORE) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
});

async function files(): Promise<ReadonlyMap<string, string>> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const texts = paths.map(
    async (path) => [path.slice(dir.length + 1), await readFile(path, "utf8")] as const,
  );
  return new Map(await Promise.all(texts));
}

describe("a swap", () => {
  test("leaves what was wanted, and no empty folder", async () => {
    await swapIn(dir, await swapTo(dir, BEFORE, AFTER));
    expect(await files()).toEqual(AFTER);
    expect(await readdir(dir)).not.toContain("20250101120000_mine");
    expect(await finishSwap(dir)).toBe(false);
  });

  test("gives the journal its text after the migrations, and the sum its last", async () => {
    const { written } = await swapTo(dir, BEFORE, AFTER);
    expect([...written.keys()].slice(-2)).toEqual(["meta/_journal.json", "tidemark.sum"]);
  });

  // One move makes it ready, seven give the files their names.
  test.each([0, 1, 2, 3, 4, 5, 6, 7])(
    "that ends after %i moves is undone or finished, never half",
    async (most) => {
      const swap = await swapTo(dir, BEFORE, AFTER);
      let moves = 0;
      const move = async (from: string, to: string) => {
        if (moves === most) throw new Error("the disk is full");
        moves += 1;
        await rename(from, to);
      };
      await expect(swapIn(dir, swap, move)).rejects.toThrow("cannot be written: the disk is full");
      expect(await isHalfSwapped(dir)).toBe(most > 0);
      if (most === 0) expect(await files()).toEqual(BEFORE);
      expect(await finishSwap(dir)).toBe(most > 0);
      expect(await files()).toEqual(most === 0 ? BEFORE : AFTER);
    },
  );

  test.each([0, 3])("that is killed after %i moves likewise", async (most) => {
    const { written, deleted } = await swapTo(dir, BEFORE, AFTER);
    const swap = JSON.stringify({ written: [...written], deleted });
    const args = ["--import", "tsx", "test/helpers/swap-child.ts", dir, String(most), swap];
    const { signal } = spawnSync(process.execPath, args);
    expect(signal).toBe("SIGKILL");
    expect(await finishSwap(dir)).toBe(most > 0);
    expect(await files()).toEqual(most === 0 ? BEFORE : AFTER);
  });

  test("whose draft was never finished is cleared away", async () => {
    await mkdir(join(dir, "_rebase.draft/files"), { recursive: true });
    await writeFile(join(dir, "_rebase.draft/files/0"), "ha");
    expect(await finishSwap(dir)).toBe(false);
    expect(await files()).toEqual(BEFORE);
  });
});
