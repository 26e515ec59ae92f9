import { describe, expect, test } from "vitest";
import { colorsFor } from "../../src/cli/support/colors.ts";
import { plainConfig } from "../../src/cli/support/config-text.ts";
import { parseConfig, testDatabaseUrl } from "../../src/config.ts";
import { resolveOptions } from "../../src/db/migrate/calls/options.ts";

const URL_A = "postgres://ada:pw@db:5432/shop";

describe("the environment", () => {
  test.each([
    ["nothing", {}, {}],
    ["the application's database", { DATABASE_URL: URL_A }, { databaseUrl: URL_A }],
    [
      "postgresql: as well",
      { DATABASE_URL: "postgresql://db/x" },
      { databaseUrl: "postgresql://db/x" },
    ],
    [
      "a database to migrate through",
      { MIGRATION_DATABASE_URL: URL_A },
      { migrationDatabaseUrl: URL_A },
    ],
    ["an empty variable as not set", { DATABASE_URL: "" }, {}],
    ["white space around a URL", { DATABASE_URL: ` ${URL_A}\n` }, { databaseUrl: URL_A }],
    ["production", { NODE_ENV: "production" }, { production: true }],
    ["the application's version", { APP_VERSION: "1.2.3" }, { appVersion: "1.2.3" }],
  ])("gives %s", (_name, env, expected) => {
    expect(parseConfig(env)).toEqual({
      databaseUrl: undefined,
      migrationDatabaseUrl: undefined,
      production: false,
      appVersion: undefined,
      ...expected,
    });
  });

  test("has every mistake named at once, and no password shown", () => {
    const parse = () =>
      parseConfig({
        DATABASE_URL: "mysql://ada:hunter2@db/x",
        MIGRATION_DATABASE_URL: "hunter2 db",
      });
    expect(parse).toThrow(/DATABASE_URL starts with mysql:.*MIGRATION_DATABASE_URL is not a URL/s);
    expect(parse).not.toThrow(/hunter2/);
    expect(parse).toThrow(expect.objectContaining({ code: "config", exitCode: 2 }));
  });
});

describe("the migrator's options", () => {
  test("have defaults", () => {
    expect(resolveOptions({ url: URL_A })).toEqual({
      url: URL_A,
      dir: "./drizzle",
      schema: "tidemark",
      connectTimeoutMs: 10_000,
      stepTimeoutMs: 600_000,
      runsBackfills: false,
      waitTimeoutMs: 600_000,
      lockPatience: { lockTimeoutMs: 5_000, lockTries: 10, lockBudgetMs: undefined },
      eventSink: undefined,
      appVersion: null,
      drizzleTable: { schema: "drizzle", table: "__drizzle_migrations", isNamed: false },
      rowValues: "left-out",
      urlWarnings: [],
    });
  });

  test.each([
    [{ url: "" }, "there is no database URL"],
    [{ url: "db" }, "the database URL is not a URL like postgres:"],
    [{ url: "http://db" }, "starts with http://"],
    [{ url: URL_A, dir: "" }, "folder has no name"],
    [{ url: URL_A, ledgerSchema: "" }, "has no name"],
    [{ url: URL_A, ledgerSchema: "é".repeat(32) }, "longer than PostgreSQL's 63 bytes"],
    [{ url: URL_A, ledgerSchema: "pg_x" }, "PostgreSQL reserves"],
    [{ url: URL_A, lockTimeoutMs: 0 }, "the lock time-out is 0"],
    [{ url: URL_A, lockTimeoutMs: Number.NaN }, "the lock time-out is NaN"],
    [{ url: URL_A, lockTimeoutMs: 2 ** 31 }, "the lock time-out is 2147483648"],
    [{ url: URL_A, lockTries: 0 }, "the number of lock tries is 0"],
    [{ url: URL_A, lockTries: 1.5 }, "the number of lock tries is 1.5"],
    [{ url: URL_A, lockBudgetMs: -1 }, "the lock budget is -1"],
    [{ url: URL_A, connectTimeoutMs: Number.NaN }, "connect time-out is NaN"],
    [{ url: URL_A, connectTimeoutMs: 2 ** 31 }, "from 0 to 2147483647 is expected"],
    [{ url: URL_A, waitTimeoutMs: -1 }, "wait time-out is -1"],
  ])("%j are refused", (options, text) => {
    expect(() => resolveOptions(options)).toThrow(text);
  });
});

describe("the folder that drizzle.config.ts names", () => {
  test.each([
    ["a plain literal", `export default defineConfig({\n  out: "./drizzle",\n});`, "./drizzle"],
    ["single quotes, last in its object", "module.exports = { out: 'db/m' }", "db/m"],
    ["a variable", "const out = './x';\nexport default { out };", undefined],
    ["an expression", "export default { out: './x' + suffix };", undefined],
    ["a template", "export default { out: `./x` };", undefined],
    ["a commented line", "export default {\n  // out: './x',\n};", undefined],
    ["a block comment", "/* out: './old' */ export default {\n out: './x',\n};", "./x"],
    ["beside a glob", `export default { schema: "./src/**/*.ts", out: "./x" }; // */`, "./x"],
    ["beside a URL", `export default { docs: 'https://x', out: "./x" };`, "./x"],
    ["a key of ours", `export default { out: "./x", tidemark: {} };`, undefined],
    [
      "an import of ours",
      `import type { T } from "tidemark";\nexport default { out: "./x" };`,
      "./x",
    ],
    ["two of them", "export default {\n out: './x',\n};\nconst b = { out: './y' };", undefined],
  ])("is read without running the file where it is %s", (_name, text, expected) => {
    expect(plainConfig(text)?.out).toBe(expected);
  });

  test.each([
    // Run, it would cost more than the rest of a run with nothing pending.
    ['migrations: { prefix: "index" },', {}],
    ['migrations: { prefix: "index", table: "ran" },', { table: "ran" }],
    ["", {}],
    ["migrations: { table: 'ran', schema: \"public\" },", { schema: "public", table: "ran" }],
    ["migrations: {\n  schema: 'public',\n },", { schema: "public" }],
    ["migrations: { table: NAME },", undefined],
    ["...shared,", undefined],
    ["migrations,", undefined],
  ])("and drizzle's own table with %j", (line, expected) => {
    const text = `export default defineConfig({\n  out: "./db/migrations",\n  ${line}\n});`;
    expect(plainConfig(text)?.drizzleTable).toEqual(expected);
  });
});

describe("colours", () => {
  test.each([
    ["on a terminal", true, true, { TERM: "xterm-256color" }, true],
    ["not in a pipe", false, true, {}, false],
    ["in a pipe when forced", false, true, { FORCE_COLOR: "1" }, true],
    ["not with --no-color", true, false, {}, false],
    ["not with NO_COLOR", true, true, { NO_COLOR: "1" }, false],
    ["not on a dumb terminal", true, true, { TERM: "dumb" }, false],
  ])("%s", (_name, isTTY, wanted, env, coloured) => {
    const plain = (text: string) => text;
    const { red } = colorsFor({ isTTY }, wanted, env);
    expect(red.toString() === plain.toString()).toBe(!coloured);
  });
});

test("the test server is TEST_DATABASE_URL, never DATABASE_URL", () => {
  const url = "postgres://db/tests";
  expect(testDatabaseUrl({ TEST_DATABASE_URL: url, DATABASE_URL: "postgres://db/app" })).toBe(url);
  expect(testDatabaseUrl({ DATABASE_URL: "postgres://db/app" })).toBeUndefined();
  expect(() => testDatabaseUrl({ TEST_DATABASE_URL: "mysql://db/tests" })).toThrow(
    "TEST_DATABASE_URL starts with mysql://",
  );
});
