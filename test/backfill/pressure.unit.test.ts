import { describe, expect, test } from "vitest";
import { filesBetween } from "../../src/db/migrate/backfill/pressure.ts";

const MB = 2 ** 20;

describe("WAL files that wait to be archived", () => {
  test.each([
    ["000000010000000000000001", "000000010000000000000001", 0],
    ["000000010000000000000001", "000000010000000000000002", 0],
    ["000000010000000000000001", "000000010000000000000005", 3],
    ["0000000100000000000000FE", "000000010000000100000001", 2],
    ["0000000100000000000000FF", "000000010000000200000000", 256],
  ])("from %s to %s, of 16 MB", (archived, current, files) => {
    expect(filesBetween(archived, current, 16 * MB)).toBe(files);
  });

  test("of 64 MB, of which a log has 64", () => {
    expect(filesBetween("00000001000000000000003F", "000000010000000100000000", 64 * MB)).toBe(0);
    expect(filesBetween("00000001000000000000003F", "000000010000000100000002", 64 * MB)).toBe(2);
  });

  test("across a new time line are counted by their place", () => {
    expect(filesBetween("000000010000000000000003", "000000020000000000000006", 16 * MB)).toBe(2);
  });

  test("are unknown before the first, and after a history file or a partial one", () => {
    const current = "000000020000000000000006";
    expect(filesBetween(null, current, 16 * MB)).toBe(0);
    expect(filesBetween("00000002.history", current, 16 * MB)).toBe(0);
    expect(filesBetween("000000010000000000000003.partial", current, 16 * MB)).toBe(0);
  });
});
