import { describe, expect, test } from "vitest";
import { codePoints } from "../../src/db/base/place.ts";
import { culpritOf } from "../../src/db/migrate/execute/failure-text.ts";
import { type Message, type Stage, stageOf } from "../../src/db/migrate/execute/transaction.ts";
import { parseStatements } from "../../src/db/migrate/sql/statements.ts";

const FILE = "-- 🌊\nselect '🌊';\nselect nope;\n";

async function messageOf(sql: string): Promise<Message> {
  const statements = await parseStatements(sql, "f.sql");
  let text = "begin; -- 🌊🌊\n";
  const starts = statements.map((statement) => {
    const start = text.length;
    text += `${statement.text}\n;\n`;
    return start;
  });
  const placed = statements.map((statement, index) => ({ statement, index }));
  return { text, statements: placed, starts };
}

describe("the statement that an error belongs to", () => {
  test("is the one that its position lies in, counted in code points", async () => {
    const message = await messageOf(FILE);
    const position = String(codePoints(message.text.slice(0, message.text.indexOf("nope"))) + 1);
    const error = { code: "42703", message: "no", position };
    const expected = { index: 1, offset: FILE.indexOf("nope") };
    expect(culpritOf(message, { kind: "statement", index: 1 }, error)).toMatchObject(expected);
    // Syntax that only a newer server knows: the position comes without any marker.
    expect(culpritOf(message, { kind: "fence" }, error)).toMatchObject(expected);
  });

  test("is the one behind the last marker where there is no position", async () => {
    const message = await messageOf(FILE);
    const error = { code: "23505", message: "no" };
    expect(culpritOf(message, { kind: "statement", index: 0 }, error)).toMatchObject({
      index: 0,
      offset: FILE.indexOf("select '🌊'"),
    });
  });

  test.each<Stage>([{ kind: "fence" }, { kind: "constraints" }, { kind: "record" }])(
    "is none at %j",
    async (stage) => {
      const message = await messageOf(FILE);
      expect(culpritOf(message, stage, { code: "23503", message: "no" })).toBeUndefined();
      // A position in our own part of the message points at nothing of the user's.
      expect(
        culpritOf(message, stage, { code: "42P01", message: "no", position: "2" }),
      ).toBeUndefined();
    },
  );
});

test("the markers tell the stage", async () => {
  const message = await messageOf(FILE);
  expect([undefined, 0, 1, 2, 3].map((marker) => stageOf(message, marker))).toEqual([
    { kind: "fence" },
    { kind: "statement", index: 0 },
    { kind: "statement", index: 1 },
    { kind: "constraints" },
    { kind: "record" },
  ]);
});
