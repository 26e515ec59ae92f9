import { buildFactBase } from "@supabase/pg-delta/core";
import { expect, test } from "vitest";
import { readWarnings } from "../../src/db/catalog/compare.ts";
import { type Difference, describeDifference } from "../../src/db/catalog/index.ts";

const view = { kind: "view", name: "shop.adults", within: ["shop"] };

test.each<{ readonly difference: Difference; readonly said: string }>([
  {
    difference: { ...view, change: "missing", expected: " SELECT 1;" },
    said: "view shop.adults is missing (SELECT 1;)",
  },
  {
    difference: { ...view, change: "unexpected", found: "SELECT 1\n FROM t;" },
    said: "view shop.adults is not expected",
  },
  {
    difference: { ...view, change: "different", property: "owner", expected: "ada", found: "bob" },
    said: "view shop.adults: owner: expected ada, found bob",
  },
  {
    difference: {
      ...view,
      change: "different",
      property: "definition",
      expected: "SELECT 1\n FROM t;",
      found: "SELECT 1\n FROM u;",
    },
    said: "view shop.adults: definition, line 2: expected FROM t;, found FROM u;",
  },
  {
    difference: {
      ...view,
      change: "different",
      property: "definition",
      expected: "SELECT 1\n FROM t;",
      found: "SELECT 1\n FROM t;\n --",
    },
    said: "view shop.adults: definition, line 3: expected the end, found --",
  },
])("a difference is a sentence: $said", ({ difference, said }) => {
  expect(describeDifference(difference)).toBe(said);
});

test("catalogs of two major versions come with a warning", () => {
  const contents = (majorVersion: number) => ({
    facts: buildFactBase([], []),
    traits: [],
    warnings: [],
    majorVersion,
  });
  expect(readWarnings(contents(18), contents(18))).toEqual([]);
  expect(readWarnings(contents(18), contents(15))).toEqual([
    {
      kind: "other-major-version",
      message:
        "The expected catalog is from PostgreSQL 18, the actual one from 15; they print definitions differently. Compare databases of one major version.",
    },
  ]);
});
