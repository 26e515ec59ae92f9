import { describe, expect, test } from "vitest";
import {
  checksumOf,
  EMPTY_HEAD,
  headOf,
  isChecksum,
  linkAfter,
  prefixOf,
} from "../../src/db/migrate/history/checksum.ts";

describe("the checksum of a file", () => {
  const text = "create table t (\n  id integer\n);\n";

  test.each([
    ["as it is", text],
    ["with CRLF line ends", text.replaceAll("\n", "\r\n")],
    ["with a byte-order mark", `\uFEFF${text}`],
    ["with both", `\uFEFF${text.replaceAll("\n", "\r\n")}`],
  ])("is the same %s", (_name, form) => {
    expect(checksumOf(form)).toBe(checksumOf(text));
  });

  test.each([
    ["a space", `${text} `],
    ["a lone carriage return", text.replace("\n", "\r")],
    ["a byte-order mark that is not at the start", `${text}\uFEFF`],
  ])("differs by %s", (_name, other) => {
    expect(checksumOf(other)).not.toBe(checksumOf(text));
  });

  test("is SHA-256 as other tools compute it", () => {
    expect(checksumOf("abc")).toBe(
      "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    expect(isChecksum(checksumOf("abc"))).toBe(true);
    expect(isChecksum("sha256:abc")).toBe(false);
  });
});

describe("the chain of a history", () => {
  const a = { tag: "0000_a", checksum: checksumOf("a") };
  const b = { tag: "0001_b", checksum: checksumOf("b") };

  test("starts empty and grows link by link", () => {
    expect(headOf([])).toBe(EMPTY_HEAD);
    expect(headOf([a, b])).toBe(
      linkAfter(linkAfter(EMPTY_HEAD, a.tag, a.checksum), b.tag, b.checksum),
    );
  });

  test.each([
    ["order", [b, a]],
    ["a tag", [a, { ...b, tag: "0001_c" }]],
    ["a checksum", [a, { ...b, checksum: a.checksum }]],
    ["length", [a]],
  ])("tells apart by %s", (_name, other) => {
    expect(headOf(other)).not.toBe(headOf([a, b]));
  });
});

test("the digest of applied statements tells where one ends and the next begins", () => {
  expect(prefixOf([{ text: "a" }, { text: "bc" }])).not.toBe(
    prefixOf([{ text: "ab" }, { text: "c" }]),
  );
  expect(prefixOf([{ text: "a\r\nb" }])).toBe(prefixOf([{ text: "a\nb" }]));
  const list = ["a", "b", "c", "d"].map((text) => ({ text }));
  for (const count of [2, 3, 3, 1, 4, 0, 9]) {
    expect(prefixOf(list, count)).toBe(prefixOf(list.slice(0, count)));
  }
});
