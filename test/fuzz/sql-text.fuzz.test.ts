import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { placeOf, snippetOf } from "../../src/db/base/place.ts";
import { MigrateError } from "../../src/db/migrate/index.ts";
import { loadParser, type Parser } from "../../src/db/migrate/sql/grammar.ts";
import { parseMigration } from "../../src/db/migrate/sql/parse.ts";
import { maskSecrets, maskText } from "../../src/db/migrate/sql/secrets.ts";
import { asksForNoParse, segmentsOf } from "../../src/db/migrate/sql/segments.ts";
import { maskAround } from "../../src/db/migrate/sql/snippet.ts";
import { readStatements, type Statement } from "../../src/db/migrate/sql/statements.ts";
import { cutByWords } from "../../src/db/migrate/sql/unread.ts";
import { dropsIn } from "../../src/db/sql-tree/drops.ts";
import { namesMade } from "../../src/db/sql-tree/made.ts";
import { rowWritesIn } from "../../src/db/sql-tree/row-writes.ts";
import { touchesOf } from "../../src/db/sql-tree/touched.ts";
import { inverseRenames } from "../../src/db/sql-tree/undo-renames.ts";
import { FUZZ_TIMEOUT_MS, fuzzed, REPEAT } from "../helpers/fuzz.ts";
import { anySql } from "../helpers/sql-scraps.ts";

let parser: Parser;
beforeAll(async () => {
  parser = await loadParser();
});

/** What it gives, or undefined where it refuses; what is thrown otherwise fails the property. */
async function refusedOr<T>(call: () => Promise<T> | T): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof MigrateError) return undefined;
    throw error;
  }
}

describe(`whatever stands in a file (${REPEAT})`, () => {
  test("reading it gives statements or an error of ours, and nothing of it is lost", {
    timeout: FUZZ_TIMEOUT_MS,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(anySql, async (sql) => {
        const statements = await refusedOr(() => readStatements(sql, "f.sql"));
        if (statements === undefined) return;
        let end = 0;
        for (const { text, offset } of statements) {
          expect(sql.slice(offset, offset + text.length)).toBe(text);
          expect(offset).toBeGreaterThanOrEqual(end);
          expectNothing(sql.slice(end, offset));
          end = offset + text.length;
        }
        expectNothing(sql.slice(end));
      }),
      fuzzed(2),
    );
  });

  test("statement by statement it is what it is as a whole, and what its words alone give", {
    timeout: FUZZ_TIMEOUT_MS,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(anySql, async (sql) => {
        const statements = await refusedOr(() => readStatements(sql, "f.sql"));
        if (statements === undefined || statements.some(({ unread }) => unread)) return;
        for (const { text, tree } of statements) {
          const alone = await readStatements(text, "f.sql");
          expect(alone.map((one) => plain(one.tree))).toEqual([plain(tree)]);
        }
        const words = (list: readonly { readonly text: string }[]) =>
          list.map(({ text }) => wordsOf(text));
        expect(words(cutByWords(parser, sql) ?? [])).toEqual(words(statements));
      }),
      fuzzed(2),
    );
  });

  test("judging it ends in statements or an error of ours", {
    timeout: FUZZ_TIMEOUT_MS,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        anySql,
        fc.constantFrom("none", "new-keywords", "all"),
        async (sql, leavesUnread) => {
          const migration = { tag: "0000_a", file: "0000_a.sql", sql };
          const statements = await refusedOr(() => parseMigration(migration, { leavesUnread }));
          if (statements === undefined || asksForNoParse(sql)) return;
          for (const asked of [false, true]) expectWhole(statements, asked);
        },
      ),
      fuzzed(2),
    );
  });

  test("the readers of its trees read it, or refuse it as we do", {
    timeout: FUZZ_TIMEOUT_MS,
  }, async () => {
    const readers = [dropsIn, namesMade, rowWritesIn, touchesOf, inverseRenames];
    await fc.assert(
      fc.asyncProperty(anySql, async (sql) => {
        for (const read of readers) await refusedOr<unknown>(() => read(sql));
      }),
      fuzzed(1),
    );
  });

  test("it can be shown at any place, without its secrets", {
    timeout: FUZZ_TIMEOUT_MS,
  }, async () => {
    await fc.assert(
      fc.property(anySql, fc.nat(), (sql, at) => {
        const offset = at % (sql.length + 1);
        const { line, column } = placeOf(sql, offset);
        expect(line).toBeGreaterThan(0);
        expect(column).toBeGreaterThan(0);
        snippetOf(sql, offset);
        maskAround(sql, offset);
        const masked = maskSecrets(sql);
        expect(masked.offsetOf(offset)).toBeGreaterThanOrEqual(0);
        expect(masked.offsetOf(offset)).toBeLessThanOrEqual(masked.text.length);
        // What was taken out is gone, wherever else it stands.
        maskText(sql, masked.secrets);
      }),
      fuzzed(2),
    );
  });
});

/** White space, comments and semicolons alone. */
function expectNothing(text: string): void {
  expect(wordsOf(text).filter((word) => word !== ";")).toEqual([]);
}

function wordsOf(text: string): readonly string[] {
  const words = parser.scan(text).map((token) => token.text);
  return words.filter((word) => !word.startsWith("--") && !word.startsWith("/*"));
}

/** Each statement is in one segment, but for the borders; the segments follow each other. */
function expectWhole(statements: readonly Statement[], noTransaction: boolean): void {
  const segments = segmentsOf(statements, noTransaction);
  let from = 0;
  for (const segment of segments) {
    expect(segment.from).toBe(from);
    from = segment.to;
  }
  expect(from).toBe(statements.length);
  const placed = segments.flatMap((segment) =>
    segment.kind === "outside"
      ? [segment.placed.index]
      : segment.statements.map(({ index }) => index),
  );
  const inside = statements.flatMap(({ tree }, i) => ("TransactionStmt" in tree ? [] : [i]));
  expect(placed).toEqual(inside);
}

/** A tree without its places. */
function plain(tree: unknown): string {
  return JSON.stringify(tree, (key, value) =>
    /location$|^stmt_len$|^(rexpr_)?list_(start|end)$/.test(key) ? undefined : value,
  );
}
