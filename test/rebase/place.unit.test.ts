import { describe, expect, test } from "vitest";
import { misplaced, placeBehind } from "../../src/db/rebase/place.ts";

const entry = (idx: number, tag: string, when: number) => ({ idx, tag, when });
const shown = (placed: ReturnType<typeof placeBehind>) =>
  placed.map(
    ({ tag, entry: { idx, when }, snapshotPath }) => `${idx} ${tag} ${when} ${snapshotPath}`,
  );

describe("places behind the base", () => {
  test("raise numbers and times that collide, each above the one before", () => {
    const base = [entry(0, "0000_a", 100), entry(1, "0001_b", 300)];
    const own = [entry(1, "0001_mine", 200), entry(2, "0002_more", 250)];
    expect(shown(placeBehind(own, base, "0.x"))).toEqual([
      "2 0002_mine 301 meta/0002_snapshot.json",
      "3 0003_more 302 meta/0003_snapshot.json",
    ]);
  });

  test("keep what comes behind already", () => {
    const base = [entry(0, "0000_a", 100)];
    const own = [entry(3, "0003_mine", 200), entry(4, "0004_more", 150)];
    expect(shown(placeBehind(own, base, "0.x"))).toEqual([
      "3 0003_mine 200 meta/0003_snapshot.json",
      "4 0004_more 201 meta/0004_snapshot.json",
    ]);
  });

  test("leave the base its snapshots where its names are ahead of its numbers", () => {
    const base = [entry(0, "0001_a", 100), entry(1, "0002_b", 300)];
    const own = [entry(1, "0002_mine", 200), entry(2, "0003_more", 250)];
    expect(shown(placeBehind(own, base, "0.x"))).toEqual([
      "3 0003_mine 301 meta/0003_snapshot.json",
      "4 0004_more 302 meta/0004_snapshot.json",
    ]);
  });

  test("go by the base's latest time, which need not be its last", () => {
    const base = [entry(0, "0000_a", 900), entry(1, "0001_b", 300)];
    expect(shown(placeBehind([entry(1, "0001_mine", 400)], base, "0.x"))).toEqual([
      "2 0002_mine 901 meta/0002_snapshot.json",
    ]);
  });

  test("raise prefixes that are times, and leave names that a person gave", () => {
    const base = [entry(0, "20250101120000_a", 100), entry(1, "20250301120059_b", 300)];
    const own = [entry(1, "20250201120000_mine", 200), entry(2, "fill", 250)];
    expect(shown(placeBehind(own, base, "0.x"))).toEqual([
      "2 20250301120100_mine 301 meta/20250301120100_snapshot.json",
      "3 fill 302 meta/0003_snapshot.json",
    ]);
    expect(
      shown(
        placeBehind([entry(1, "1700000000_mine", 200)], [entry(0, "1700000005_a", 300)], "0.x"),
      ),
    ).toEqual(["1 1700000006_mine 301 meta/1700000006_snapshot.json"]);
  });

  test("give folders of 1.x times a second apart", () => {
    const own = [{ tag: "20250201120000_mine" }, { tag: "20250201120001_more" }];
    const placed = placeBehind(own, [{ tag: "20250301235959_b" }], "1.x");
    expect(placed.map(({ tag }) => tag)).toEqual(["20250302000000_mine", "20250302000001_more"]);
  });

  test("cannot be found for a name that the base has, or that no time begins", () => {
    const base = [entry(0, "init", 100)];
    const own = placeBehind([entry(1, "init", 200)], base, "0.x");
    expect(misplaced(own, base, "0.x")).toEqual(["init"]);
    const old = [{ tag: "20250301235959_b" }];
    expect(misplaced(placeBehind([{ tag: "0001_mine" }], old, "1.x"), old, "1.x")).toEqual([
      "0001_mine",
    ]);
  });
});
