import { describe, expect, test } from "vitest";
import { checksumOf, EMPTY_HEAD, linkAfter } from "../../src/db/migrate/history/checksum.ts";
import { parseJournal } from "../../src/db/migrate/history/journal.ts";
import { checkSumFile, formatSumFile } from "../../src/db/migrate/history/sum-file.ts";
import type { History } from "../../src/db/migrate/types.ts";

const journal = (...entries: readonly unknown[]) => JSON.stringify({ version: "7", entries });

describe("a journal", () => {
  test("keeps the order of its entries, whatever `when` and the prefixes say", () => {
    const text = journal(
      { idx: 0, when: 3, tag: "0000_a" },
      { idx: 1, when: 1, tag: "20240101120000_b" },
      { idx: 2, when: 2, tag: "free_name" },
      { when: 2, tag: "no_index" },
    );
    expect(parseJournal(text, "j").map(({ tag }) => tag)).toEqual([
      "0000_a",
      "20240101120000_b",
      "free_name",
      "no_index",
    ]);
  });

  test.each([
    ["no JSON", "{", "not JSON"],
    ["without entries", "{}", "no list `entries`"],
    ["null", "null", "no list `entries`"],
    [
      "a tag twice",
      journal({ idx: 0, tag: "a" }, { idx: 1, tag: "a" }),
      "the tag a is in entries 0 and 1",
    ],
    [
      "an index twice",
      journal({ idx: 0, tag: "a" }, { idx: 0, tag: "b" }),
      "the index 0 is in entries 0 and 1 (b)",
    ],
    [
      "a tag that leads out of the folder",
      journal({ idx: 0, tag: "../a" }),
      'entry 0 has the tag "../a"',
    ],
    ["an entry without a tag", journal({ idx: 0 }), "entry 0 has the tag undefined"],
    ["an entry that is nothing", journal(null), "entry 0 has the tag undefined"],
  ])("of %s is refused", (_name, text, message) => {
    expect(() => parseJournal(text, "meta/_journal.json")).toThrow(message);
    expect(() => parseJournal(text, "j")).toThrow(
      expect.objectContaining({ code: "history_invalid" }),
    );
  });

  test("has all its problems named at once", () => {
    const text = journal({ idx: 0, tag: "a" }, { idx: 0, tag: "a" }, { idx: 2, tag: "" });
    expect(() => parseJournal(text, "j")).toThrow(/the tag a.*the index 0.*entry 2/);
  });
});

describe("the sum file", () => {
  const historyOf = (...tags: readonly string[]): History => {
    let link = EMPTY_HEAD;
    const migrations = tags.map((tag, index) => {
      const checksum = checksumOf(tag);
      link = linkAfter(link, tag, checksum);
      return { tag, index, file: `${tag}.sql`, sql: tag, checksum, link };
    });
    return { dir: "drizzle", layout: "0.x", migrations, head: link, warnings: [] };
  };
  const check = (now: History, before: History) => () =>
    checkSumFile(now, formatSumFile(before), "drizzle/tidemark.sum");
  const history = historyOf("a", "b");

  test("has the head first, then a line a file", () => {
    expect(formatSumFile(history).split("\n")).toEqual([
      history.head,
      `a.sql ${checksumOf("a")}`,
      `b.sql ${checksumOf("b")}`,
      "",
    ]);
  });

  test("matches the history that it was written for, with either line end", () => {
    expect(check(history, history)).not.toThrow();
    const crlf = formatSumFile(history).replaceAll("\n", "\r\n");
    expect(() => checkSumFile(history, crlf, "s")).not.toThrow();
  });

  test.each([
    ["a new file", historyOf("a", "b", "c"), history, "c.sql is not listed"],
    ["a lost file", historyOf("a"), history, "b.sql is listed but not in the history"],
    ["another order", historyOf("b", "a"), history, "their order changed"],
  ])("names %s", (_name, now, before, message) => {
    expect(check(now, before)).toThrow(message);
    expect(check(now, before)).toThrow(expect.objectContaining({ code: "history_invalid" }));
  });

  test("names an edited file with both checksums", () => {
    const [a, b] = history.migrations;
    if (a === undefined || b === undefined) throw new Error("two were made");
    const edited = { ...history, migrations: [a, { ...b, checksum: checksumOf("edited") }] };
    expect(check(edited, history)).toThrow(
      `b.sql was ${checksumOf("b")} and is ${checksumOf("edited")}`,
    );
  });

  test("names a line that is no file and its sum, as a merge conflict leaves", () => {
    const text = formatSumFile(history).replace("a.sql", "<<<<<<< HEAD\na.sql");
    expect(() => checkSumFile(history, text, "s")).toThrow(
      "line 2 is not a file name and its checksum",
    );
  });
});
