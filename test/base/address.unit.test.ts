import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config.ts";
import {
  describeTarget,
  driverUrl,
  replaceDatabase,
  urlProblem,
} from "../../src/db/base/address.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";

describe("a database URL", () => {
  test.each([
    [
      "postgres://u:pw@h:5433/db",
      "postgres://h:5433/?",
      { user: "u", password: "pw", database: "db" },
    ],
    ["postgresql://h/db", "postgres://h/?", { database: "db" }],
    ["POSTGRES://h", "postgres://h/?", {}],
    ["postgres:///db", "postgres:///?", { database: "db" }],
    [
      "postgres://u%40x:p%23%2F%25@h/my%20db",
      "postgres://h/?",
      { user: "u@x", password: "p#/%", database: "my db" },
    ],
    [
      "postgres://u:p@s,s:w@h/db",
      "postgres://h/?",
      { user: "u", password: "p@s,s:w", database: "db" },
    ],
    [
      "postgres://u@h1:1,h2:2/db?sslmode=require",
      "postgres://h1:1,h2:2/?sslmode=require",
      { user: "u", database: "db" },
    ],
    ["postgres://u@[::1]:5433/db", "postgres://[::1]:5433/?", { user: "u", database: "db" }],
    ["postgres:///db?host=h&port=5433", "postgres://h:5433/?", { database: "db" }],
    [
      "postgres://h/db?schema=a&pgbouncer=true&connection_limit=1&pool_timeout=2&channel_binding=require&uselibpqcompat=true&sslmode=require&options=-c%20geqo%3Doff",
      "postgres://h/?sslmode=require&options=-c+geqo%3Doff",
      { database: "db" },
    ],
  ])("%s becomes %s for the driver", (given, url, options) => {
    expect(driverUrl(given)).toEqual({ url, options });
  });

  test.each([
    ["postgres://u:pw@/db?host=/cloudsql/p:r:i", "/cloudsql/p:r:i/.s.PGSQL.5432"],
    ["postgres:///db?host=/tmp/&port=5433", "/tmp/.s.PGSQL.5433"],
    ["postgres://u:pw@localhost:5433/db?host=/tmp&sslmode=require", "/tmp/.s.PGSQL.5433"],
    ["postgres://u@%2Fcloudsql%2Fp%3Ar%3Ai:5433/db", "/cloudsql/p:r:i/.s.PGSQL.5433"],
  ])("%s leads to the socket %s, without TLS", (given, path) => {
    const { url, options } = driverUrl(given);
    expect(url).toMatch(/^postgres:\/\/localhost\/\?/);
    expect(options).toMatchObject({ path, ssl: false, database: "db" });
  });

  test.each([
    ["postgres://u:pw@h:5433/db", "h:5433/db as u"],
    ["postgres://u:p@ss@h/db?host=", "h/db as u"],
    ["postgres://h1:1,h2:2", "h1:1,h2:2"],
    ["postgres:///db", "the default host/db"],
    ["postgres://u:pw@/db?host=/run/pg", "socket /run/pg/.s.PGSQL.5432, database db as u"],
    ["secret", "the database URL"],
  ])("%s is named %s", (url, name) => {
    expect(describeTarget(url)).toBe(name);
  });

  test.each([
    ["postgres://u:pw@h/db?sslmode=require", "postgres://u:pw@h/a%20b?sslmode=require"],
    ["postgres://u:pw@/db?host=/run/pg", "postgres://u:pw@/a%20b?host=/run/pg"],
    ["postgres://h1:1,h2:2", "postgres://h1:1,h2:2/a%20b"],
  ])("%s leads to another database as %s", (url, other) => {
    expect(replaceDatabase(url, "a b")).toBe(other);
  });
});

// Read as URLs are, each of these has something of the password where the host stands.
const BAD = [
  "postgres://u:geheim#wort@h/db",
  "postgres://u:p@geheim#wort@h/db",
  "postgres://u:p@geheim/wort@h/db",
  "postgres://u:p@geheim?wort@h/db",
  "postgres://u:p@geheim?a=wort@h/db",
  "postgres://geheim:1#2@h/db",
  "postgres://geheim:1/2@h/db",
  "postgres://geheim:1?2@h/db",
  "postgres://u:geheim/db",
  "postgres://u:geheim%zz@h/db",
  "postgres://u:geheim@h:port/db",
  "postgres://u:geheim@h:65536/db",
  "postgres://u:geheim@h h/db",
  "geheim",
  "u:geheim@h:5432/db",
  "",
];

describe("a database URL that cannot be read, or may be read wrong", () => {
  test.each(BAD)("is refused without a word of it: %s", (url) => {
    expect(urlProblem(url)).toBe(
      "is not a URL like postgres://user:password@host:5432/database (special characters encoded: @ as %40, # as %23)",
    );
    expect(describeTarget(url)).toBe("the database URL");
    for (const use of [
      () => driverUrl(url),
      () => new DatabasePool({ url }),
      () => parseConfig({ DATABASE_URL: url || "geheim" }),
    ]) {
      const error = thrownBy(use);
      expect(error).toMatchObject({ code: "config" });
      expect(inspect(error, { depth: 9 })).not.toMatch(/geheim|wort/);
    }
  });

  test("names the protocol where that is the mistake", () => {
    expect(urlProblem("mysql://u:pw@h/db")).toBe(
      "starts with mysql:// where postgres:// is expected",
    );
  });
});

function thrownBy(use: () => unknown): unknown {
  try {
    return use();
  } catch (error) {
    return error;
  }
}
