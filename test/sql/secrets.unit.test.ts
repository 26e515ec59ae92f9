import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { loadParser } from "../../src/db/migrate/sql/grammar.ts";
import { maskSecrets, maskText } from "../../src/db/migrate/sql/secrets.ts";
import { snippet } from "../../src/db/migrate/sql/snippet.ts";

beforeAll(async () => {
  await loadParser();
});

describe("what must not be shown is masked:", () => {
  test.each([
    [
      "a role's password",
      "create role ü login password 'hunter2' valid until 'x'",
      "create role ü login password '***' valid until '***'",
    ],
    [
      "an encrypted one",
      "ALTER USER ada ENCRYPTED PASSWORD E'hun\\'ter2'",
      "ALTER USER ada ENCRYPTED PASSWORD '***'",
    ],
    [
      "one in a text with control characters",
      "create role ada pasword\f 'hunter2 \u0001' -- \v;\nvalid until 'x'",
      "create role ada pasword\f '***' -- \v;\nvalid until '***'",
    ],
    [
      "one behind a misspelled word",
      "create role ada pasword 'hunter2'",
      "create role ada pasword '***'",
    ],
    [
      "a subscription's connection",
      "alter subscription s connection 'host=h password=hunter2'",
      "alter subscription s connection '***'",
    ],
    [
      "a user mapping's options",
      "create user mapping for ada server s options (user 'ada', password 'hunter2')",
      "create user mapping for ada server s options (user '***', password '***')",
    ],
    [
      "in a DO block",
      "do $x$ begin alter role a password 'hunter2'; end $x$",
      "do $x$ begin alter role a password '***'; end $x$",
    ],
    [
      "in a text that is executed",
      "do $$ begin execute 'alter role a password ''hunter2'''; end $$",
      "do $$ begin execute 'alter role a password ''***'''; end $$",
    ],
    [
      "in a connection string",
      "select dblink('host=h password=hunter2 user=a')",
      "select dblink('host=h password=*** user=a')",
    ],
    [
      "in a URL",
      "select set_config('app.url', 'postgres://ada:hunter2@db/x', false)",
      "select set_config('app.url', 'postgres://ada:***@db/x', false)",
    ],
    [
      "in another kind of literal",
      "create role a password U&'hunter2'",
      "create role a password '***'",
    ],
    [
      "in a quoted part of a connection string",
      "select dblink('password=''hunter2 and more''')",
      "select dblink('password=***')",
    ],
    [
      "in a literal with backslashes",
      "do E'begin create role x password \\'hunter2\\'; end'",
      "do E'begin create role x password ''***''; end'",
    ],
    [
      "that format puts in",
      "do $$ begin execute format('create role x password %L', 'hunter2'); end $$",
      "do $$ begin execute format('create role x password %L', '***'); end $$",
    ],
    [
      "of a setting",
      "set app.jwt_secret = 'hunter2'; select set_config('app.password', 'hunter2', false)",
      "set app.jwt_secret = '***'; select set_config('app.password', '***', false)",
    ],
    [
      "in a comment",
      "-- create role a password 'hunter2'\nselect 1",
      "-- create role a password '***'\nselect 1",
    ],
    [
      "behind dollars, cut off",
      "create role a password $$ hunter2",
      "create role a password '***'",
    ],
    ["of a text that is cut off", "alter role a password 'hunt", "alter role a password '***'"],
  ])("%s", (_name, sql, expected) => {
    expect(maskSecrets(sql).text).toBe(expected);
  });

  test.each([
    "create table users (password text default 'none', role text)",
    "insert into roles (name) values ('user'), ('it''s a password')",
    "comment on table users is 'the user''s connection'",
    "select 1",
  ])("and nothing else: %s", (sql) => {
    expect(maskSecrets(sql).text).toBe(sql);
  });
});

test("a place behind a secret is pointed at where it lies in what is shown", () => {
  const sql = "select 1;\nalter role ada password 'hunter2-and-more', nologin broken;";
  expect(snippet(sql, sql.indexOf("broken"))).toBe(
    "1 | select 1;\n2 | alter role ada password '***', nologin broken;\n  |                                        ^",
  );
});

test("a secret of several lines leaves the lines their numbers", () => {
  const sql = "alter role a password 'one\ntwo';\nselect broken";
  expect(snippet(sql, sql.indexOf("broken"))).toContain("3 | select broken");
});

test("a message that repeats a secret of the file does not show it", () => {
  const { secrets } = maskSecrets("create role ada pasword 'hunter2'");
  expect(maskText('syntax error at or near "hunter2"', secrets)).toBe(
    'syntax error at or near "***"',
  );
});

test.each([
  ["hexadecimal digits before a URL's", `${"ab12".repeat(80_000)}://`],
  ["what nearly is a connection string", "password = ".repeat(30_000)],
  ["quotes that are not closed", "password '".repeat(30_000)],
  ["spaces", `password${" ".repeat(300_000)}=`],
])(
  "300 kB of %s is read in seconds, not in the square of its length",
  { timeout: 30_000 },
  (_name, text) => {
    const start = performance.now();
    maskText(text, []);
    maskSecrets(`select '${text.replaceAll("'", "''")}'`);
    expect(performance.now() - start).toBeLessThan(10_000);
  },
);

test("whatever the text, nothing is thrown, and places stay within it", () => {
  const part = fc.constantFrom(
    ...["password ", "'", "''", "$$", "create role x ", ";", "\n", "--", "/*", "U&'", "E'\\'"],
    ...["://a:b@", "é", "= ", "%L", "🌊"],
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.nat(), (parts, seed) => {
      const sql = parts.join("");
      const { text, offsetOf } = maskSecrets(sql);
      const offset = seed % (sql.length + 1);
      expect(offsetOf(offset)).toBeGreaterThanOrEqual(0);
      expect(offsetOf(offset)).toBeLessThanOrEqual(text.length);
    }),
  );
});
