import { describe, expect, test } from "vitest";
import {
  nextEnd,
  rangeOf,
  rowOf,
  type Target,
  updateOf,
} from "../../src/db/migrate/backfill/keys.ts";

const PEOPLE: Target = {
  name: "public.people",
  oid: 1,
  database: "shop",
  key: [{ name: "id", type: "bigint" }],
  rows: null,
};
const LINES: Target = {
  ...PEOPLE,
  name: "public.lines",
  key: [
    { name: "org", type: "text" },
    { name: "No", type: "integer" },
  ],
};

describe("the SQL of a key", () => {
  test("is a range over one column, open at either end", () => {
    expect(rangeOf(PEOPLE, ["7"], ["20"])).toBe(
      `(t."id") > ('7'::bigint) and (t."id") <= ('20'::bigint)`,
    );
    expect(rangeOf(PEOPLE, null, ["20"])).toBe(`(t."id") <= ('20'::bigint)`);
    expect(rangeOf(PEOPLE, null, null)).toBe("true");
  });

  test("compares composite keys by rows, as their index is ordered", () => {
    expect(rangeOf(LINES, ["a", "3"], ["b", "1"])).toBe(
      `(t."org", t."No") > ('a'::text, '3'::integer) and (t."org", t."No") <= ('b'::text, '1'::integer)`,
    );
  });

  test("quotes what the values hold", () => {
    const odd = rowOf(LINES, [`O'Neil \\ "x"`, "1"]);
    expect(odd).toContain("O''Neil");
    expect(odd).toContain(`and t."No" = '1'::integer`);
  });

  test("looks for the end in the index's order, no further than a batch", () => {
    const sql = nextEnd(LINES, ["a", "3"], 500);
    expect(sql).toContain(`order by t."org", t."No" offset 499 limit 1`);
    expect(sql).toContain(`order by t."org" desc, t."No" desc limit 1`);
  });

  test("an update keeps a condition that ends in a comment apart", () => {
    expect(updateOf(PEOPLE, { set: "n = 1", where: "n is null -- not yet" }, "true")).toBe(
      "update public.people t set n = 1\nwhere true\n  and (n is null -- not yet\n)",
    );
    expect(updateOf(PEOPLE, { set: "n = 1 -- all", where: undefined }, "true")).toBe(
      "update public.people t set n = 1 -- all\nwhere true",
    );
  });
});
