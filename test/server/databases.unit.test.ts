import postgres from "postgres";
import { describe, expect, test } from "vitest";
import type { Admin } from "../../src/db/server/admin.ts";
import { createDatabase } from "../../src/db/server/databases.ts";
import {
  formatMark,
  isLeftBehind,
  newDraftName,
  newTestName,
  parseMark,
  templateKey,
  templateName,
} from "../../src/db/server/marks.ts";

const HOUR_S = 3_600;
const KEY = templateKey("sha256:0", "ada");

describe("a mark", () => {
  const comment = formatMark({ atS: 7, lockedIn: "postgres" });

  test.each([
    ["template", templateName(KEY)],
    ["draft", newDraftName(KEY)],
    ["test", newTestName()],
  ])("says with the name what a %s is", (purpose, name) => {
    expect(parseMark(name, comment)).toEqual({ purpose, atS: 7, lockedIn: "postgres" });
  });

  test.each([
    ["a database without a comment", newTestName(), null],
    ["somebody's own comment", newTestName(), "keep this"],
    ["somebody's own JSON", newTestName(), `{"atS":7,"lockedIn":"postgres"}`],
    ["null in JSON", newTestName(), "null"],
    ["a database that was renamed", "kept", comment],
    ["an application's database", "tidemark", comment],
  ])("is not seen on %s", (_what, name, text) => {
    expect(parseMark(name, text)).toBeUndefined();
  });

  test.each([
    ["template", 24],
    ["draft", 1],
    ["test", 24],
  ] as const)("of a %s counts as left behind after %i hours", (purpose, hours) => {
    const mark = { purpose, atS: 0, lockedIn: "postgres" };
    expect(isLeftBehind(mark, hours * HOUR_S)).toBe(false);
    expect(isLeftBehind(mark, hours * HOUR_S + 1)).toBe(true);
  });
});

test("names fit into PostgreSQL's 63 bytes, and keys differ by content and role", () => {
  for (const name of [templateName(KEY), newDraftName(KEY), newTestName()]) {
    expect(name).toMatch(/^[a-z0-9_]{1,63}$/);
  }
  expect(templateKey("sha256:0", "ada")).toBe(KEY);
  expect(templateKey("sha256:1", "ada")).not.toBe(KEY);
  expect(templateKey("sha256:0", "bob")).not.toBe(KEY);
});

describe("copying a template", () => {
  /** A server that refuses with these SQLSTATEs before it does what it is told. */
  function stubServer(serverVersion: number, refusals: readonly string[] = []) {
    const left = [...refusals];
    const statements: string[] = [];
    const admin: Admin = {
      url: "postgres://localhost/postgres",
      role: "ada",
      serverVersion,
      database: "postgres",
      nowS: () => 0,
      ask: async (statement) => {
        statements.push(statement);
        const code = left.shift();
        if (code !== undefined) {
          throw Object.assign(Object.create(postgres.PostgresError.prototype), { code });
        }
        return [];
      },
    };
    return { admin, statements };
  }

  test.each([
    [140_000, `create database "a" template "t"`],
    [150_000, `create database "a" template "t" strategy file_copy`],
  ])("on a server %i sends what it understands", async (version, statement) => {
    const { admin, statements } = stubServer(version);
    await createDatabase(admin, "a", "t");
    expect(statements).toEqual([statement]);
  });

  test("tries again while somebody is connected to the template", async () => {
    const { admin, statements } = stubServer(180_000, ["55006", "55006"]);
    await createDatabase(admin, "a", "t");
    expect(statements).toHaveLength(3);
  });

  test("does not try again when the server says no for another reason", async () => {
    const { admin, statements } = stubServer(180_000, ["42501"]);
    await expect(createDatabase(admin, "a", "t")).rejects.toMatchObject({ code: "42501" });
    expect(statements).toHaveLength(1);
  });
});
