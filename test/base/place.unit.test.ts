import { describe, expect, test } from "vitest";
import { codePoints, offsetOfCodePoint, placeOf } from "../../src/db/base/place.ts";
import { snippet } from "../../src/db/migrate/sql/snippet.ts";

describe("places in a text", () => {
  test.each([
    ["", 0],
    ["abc", 3],
    ["é", 1],
    ["🌊a", 2],
    ["e\u0301", 2],
  ])("%j has its code points counted", (text, count) => {
    expect(codePoints(text)).toBe(count);
  });

  test.each([
    ["abc", 0, 0],
    ["abc", 2, 2],
    ["🌊a🌊b", 1, 2],
    ["🌊a🌊b", 3, 5],
    ["ab", 9, 2],
  ])("in %j code point %i starts at UTF-16 offset %i", (text, index, offset) => {
    expect(offsetOfCodePoint(text, index)).toBe(offset);
  });

  test.each([
    ["ab\ncd", 0, { line: 1, column: 1 }],
    ["ab\ncd", 4, { line: 2, column: 2 }],
    ["ab\r\ncd", 5, { line: 2, column: 2 }],
    ["🌊🌊x", 4, { line: 1, column: 3 }],
  ])("in %j offset %i is at %j", (text, offset, place) => {
    expect(placeOf(text, offset)).toEqual(place);
  });
});

describe("the snippet", () => {
  test("shows two lines before and a caret", () => {
    const text = "one\ntwo\nthree\nfour wrong";
    expect(snippet(text, text.indexOf("wrong"))).toBe(
      ["2 | two", "3 | three", "4 | four wrong", "  |      ^"].join("\n"),
    );
  });

  test("puts the caret right behind wide characters and tabs", () => {
    expect(snippet("\t漢字 x", 4)).toBe(["1 |  漢字 x", "  |       ^"].join("\n"));
  });

  test("shows control characters instead of sending them to the terminal", () => {
    expect(snippet("a\0b\x1b[31mc", 1)).toBe(["1 | a␀b␛[31mc", "  |  ^"].join("\n"));
  });

  test("cuts a line of thousands of characters around the caret", () => {
    const text = `${"a".repeat(5_000)}X${"b".repeat(5_000)}`;
    const [line = "", caret = ""] = snippet(text, 5_000).split("\n");
    expect(line.length).toBeLessThan(200);
    expect(line[caret.indexOf("^")]).toBe("X");
  });
});
