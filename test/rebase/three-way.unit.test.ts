import { describe, expect, test } from "vitest";
import { mergeThree, mergeValues } from "../../src/db/rebase/three-way.ts";

const table = (columns: object) => ({ tables: { "public.users": { name: "users", columns } } });
const id = { type: "serial" };

describe("what an own migration changed, on the base's schema", () => {
  test("is added to what the base changed elsewhere in the same table", () => {
    const merged = mergeThree(
      table({ id }),
      table({ id, nick: { type: "text" } }),
      table({ id, age: { type: "integer" } }),
    );
    expect(merged.value).toEqual(table({ id, age: { type: "integer" }, nick: { type: "text" } }));
    expect(merged.conflicts).toEqual([]);
  });

  test("removes what it removed", () => {
    const merged = mergeThree(
      table({ id, nick: { type: "text" } }),
      table({ id }),
      table({ id, nick: { type: "text" }, age: { type: "integer" } }),
    );
    expect(merged.value).toEqual(table({ id, age: { type: "integer" } }));
    expect(merged.conflicts).toEqual([]);
  });

  test("stands where both changed one thing, and the place is named", () => {
    const of = (type: string) => table({ id: { type } });
    const merged = mergeThree(of("serial"), of("bigserial"), of("integer"));
    expect(merged.value).toEqual(of("bigserial"));
    expect(merged.conflicts).toEqual([["tables", "public.users", "columns", "id", "type"]]);
    expect(mergeThree(of("serial"), of("integer"), of("integer")).conflicts).toEqual([]);
  });

  test("is a conflict where the base took away what it changed, and the other way round", () => {
    const changed = table({ id, nick: { type: "text" } });
    const place = [["tables", "public.users"]];
    expect(mergeThree(table({ id }), changed, { tables: {} }).conflicts).toEqual(place);
    expect(mergeThree(table({ id }), { tables: {} }, changed).conflicts).toEqual(place);
  });

  test("starts from nothing where both branches began a history", () => {
    const merged = mergeThree(
      undefined,
      { tables: { a: {} }, version: "7" },
      { tables: { b: {} }, version: "7" },
    );
    expect(merged).toEqual({ value: { tables: { a: {}, b: {} }, version: "7" }, conflicts: [] });
  });
});

describe("the values of an enum", () => {
  test("of both sides are kept, each own one before the value that it was put before", () => {
    expect(mergeValues(["a", "c"], ["a", "b", "c", "e"], ["a", "c", "d"])).toEqual([
      "a",
      "b",
      "c",
      "d",
      "e",
    ]);
  });

  test("are in conflict where a side took one away", () => {
    expect(mergeValues(["a", "b"], ["a"], ["a", "b", "c"])).toBeUndefined();
    const of = (values: readonly string[]) => ({ enums: { mood: { values } } });
    expect(mergeThree(of(["a", "b"]), of(["a"]), of(["a", "b", "c"])).conflicts).toEqual([
      ["enums", "mood", "values"],
    ]);
  });
});
