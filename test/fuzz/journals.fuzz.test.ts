import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/db/base/problem.ts";
import { parseSinkFile } from "../../src/db/migrate/history/event-sink-file.ts";
import { parseJournal, readJournal } from "../../src/db/migrate/history/journal.ts";
import { recordedSums } from "../../src/db/migrate/history/sum-file.ts";
import { FUZZ_TIMEOUT_MS, fuzzed, REPEAT } from "../helpers/fuzz.ts";
import { refusedOr } from "../helpers/refused.ts";

const timeout = FUZZ_TIMEOUT_MS;
const anything = fc.string({ unit: "binary", maxLength: 30 });
const text = fc.oneof(anything, fc.string({ unit: "grapheme", maxLength: 20 }));

describe(`a journal (${REPEAT})`, () => {
  const entry = fc.record(
    {
      idx: fc.oneof(fc.nat(9), anything, fc.constant(null)),
      tag: fc.oneof(text, fc.constantFrom("a", "../a", "__proto__", "constructor"), fc.nat()),
      when: fc.oneof(fc.integer(), fc.double(), anything),
      version: fc.oneof(anything, fc.nat(9)),
    },
    { requiredKeys: [] },
  );
  const journal = fc.record(
    {
      version: fc.oneof(fc.constantFrom("5", "6", "7", 7, 99, null), anything),
      dialect: fc.oneof(fc.constantFrom("postgresql", "pg", "mysql", null), anything),
      entries: fc.oneof(fc.array(fc.oneof(entry, fc.jsonValue())), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const anyJournal = fc.oneof(
    journal.map((value) => JSON.stringify(value)),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.tuple(journal, fc.nat(), anything).map(([value, at, scrap]) => {
      const whole = JSON.stringify(value);
      return whole.slice(0, at % whole.length) + scrap + whole.slice((at % whole.length) + 1);
    }),
    anything,
  );

  test("is read, or is no usable journal", { timeout }, () => {
    fc.assert(
      fc.property(anyJournal, (written) => {
        for (const read of [parseJournal, readJournal]) {
          const found = refusedOr(() => read(written, "_journal.json"));
          if (found instanceof Problem) expect(found.code).toBe("history_invalid");
        }
        refusedOr(() => recordedSums(written));
        refusedOr(() => parseSinkFile(written, "event-sink.sql"));
      }),
      fuzzed(3),
    );
  });

  test("that was written comes back", { timeout }, () => {
    const tag = text.filter((name) => !/[/\\\0\r\n]/.test(name) && !["", ".", ".."].includes(name));
    fc.assert(
      fc.property(fc.uniqueArray(tag, { maxLength: 8 }), fc.boolean(), (tags, hasBom) => {
        const entries = tags.map((name, idx) => ({
          idx,
          version: "7",
          when: idx,
          tag: name,
          breakpoints: true,
        }));
        const written = JSON.stringify({ version: "7", dialect: "postgresql", entries }, null, 2);
        expect(parseJournal(`${hasBom ? "\uFEFF" : ""}${written}`, "j")).toEqual(entries);
      }),
      fuzzed(1),
    );
  });
});
