import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config.ts";
import {
  describeTarget,
  readAddress,
  replaceDatabase,
  urlProblem,
} from "../../src/db/base/address.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";

const NOTHING = { user: "", password: "", database: "" };
const host = (name: string, port?: string) => ({ name, port });

describe("a database URL", () => {
  test.each([
    [
      "postgres://u:pw@h:5433/db",
      { user: "u", password: "pw", database: "db", hosts: [host("h", "5433")] },
    ],
    ["postgresql://h/db", { ...NOTHING, database: "db", hosts: [host("h")] }],
    ["POSTGRES://h", { ...NOTHING, hosts: [host("h")] }],
    ["postgres:///db", { ...NOTHING, database: "db", hosts: [] }],
    [
      "postgres://u%40x:p%23%2F%25@h/my%20db",
      { user: "u@x", password: "p#/%", database: "my db", hosts: [host("h")] },
    ],
    [
      "postgres://u:p@s,s:w@h/db",
      { user: "u", password: "p@s,s:w", database: "db", hosts: [host("h")] },
    ],
    [
      "postgres://u@h1:1,h2:2/db?sslmode=require",
      { ...NOTHING, user: "u", database: "db", hosts: [host("h1", "1"), host("h2", "2")] },
    ],
    ["postgres://[::1]:5433", { ...NOTHING, hosts: [host("[::1]", "5433")] }],
    ["postgres:///db?host=h&port=5433", { ...NOTHING, database: "db", hosts: [host("h", "5433")] }],
    ["postgres:///db?port=5433", { ...NOTHING, database: "db", hosts: [host("", "5433")] }],
    ["postgres:///db?host=::1", { ...NOTHING, database: "db", hosts: [host("::1")] }],
    ["postgres:///?hostaddr=10.0.0.1", { ...NOTHING, hosts: [host("10.0.0.1")] }],
    [
      "postgres://h/?hostaddr=10.0.0.1",
      { ...NOTHING, hosts: [{ ...host("h"), address: "10.0.0.1" }] },
    ],
    [
      "postgres://h/a?user=u&password=pw&dbname=b",
      { user: "u", password: "pw", database: "b", hosts: [host("h")] },
    ],
  ])("%s is taken apart", (url, expected) => {
    expect(readAddress(url)).toMatchObject(expected);
  });

  test.each([
    ["postgres://u:pw@/db?host=/cloudsql/p:r:i", "/cloudsql/p:r:i/.s.PGSQL.5432"],
    ["postgres:///db?host=/tmp/&port=5433", "/tmp/.s.PGSQL.5433"],
    ["postgres://u:pw@localhost:5433/db?host=/tmp&sslmode=require", "/tmp/.s.PGSQL.5433"],
    ["postgres://u@%2Fcloudsql%2Fp%3Ar%3Ai:5433/db", "/cloudsql/p:r:i/.s.PGSQL.5433"],
  ])("%s leads to the socket %s", (url, socketPath) => {
    expect(readAddress(url)).toMatchObject({ socketPath, hosts: [], database: "db" });
  });

  test.each([
    ["postgres://u:pw@h:5433/db", "h:5433/db as u"],
    ["postgres://u:p@ss@h/db?host=", "h/db as u"],
    ["postgres://h1:1,h2:2", "h1:1,h2:2"],
    ["postgres:///db", "the default host/db"],
    ["postgres:///db?port=5433", "the default host:5433/db"],
    ["postgres://u:pw@/db?host=/run/pg", "socket /run/pg/.s.PGSQL.5432, database db as u"],
    ["postgres:///?service=shop", "service shop"],
    ["secret", "the database URL"],
  ])("%s is named %s", (url, name) => {
    expect(describeTarget(url)).toBe(name);
  });

  test.each([
    ["postgres://u:pw@h/db?sslmode=require", "postgres://u:pw@h/a%20b?sslmode=require"],
    ["postgres://u:pw@/db?host=/run/pg", "postgres://u:pw@/a%20b?host=/run/pg"],
    ["postgres://h1:1,h2:2", "postgres://h1:1,h2:2/a%20b"],
    ["postgres://h/db?dbname=c&sslmode=allow", "postgres://h/a%20b?sslmode=allow"],
    ["postgres://h/db?dbname=c", "postgres://h/a%20b"],
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
      () => readAddress(url),
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

describe("the parameters of a URL", () => {
  const parametersOf = (query: string) => readAddress(`postgres://h/db?${query}`).parameters;

  test("of other tools are left out, and what is the server's own is sent", () => {
    const others = `schema=a&pgbouncer=true&connection_limit=1&pool_timeout=2&channel_binding=require&uselibpqcompat=true&supa=base-pooler.x&keepalives=1&prepare=false`;
    expect(
      parametersOf(`${others}&sslmode=require&options=-c%20geqo%3Doff&search_path=app`),
    ).toEqual({
      settings: { options: "-c geqo=off", search_path: "app" },
      tls: { sslmode: "require" },
      connectTimeoutMs: undefined,
      targetSessionAttrs: undefined,
      passfile: undefined,
      service: undefined,
      keepAliveS: undefined,
      isPooled: true,
      isPreparing: false,
      unknown: [],
    });
  });

  test("that nobody knows are named, and not sent", () => {
    expect(parametersOf("currentSchema=a&geqo=off")).toMatchObject({
      settings: {},
      unknown: ["currentSchema", "geqo"],
    });
  });

  test.each([
    ["application_name=a", { settings: { application_name: "a" } }],
    ["fallback_application_name=a", { settings: { application_name: "a" } }],
    ["application_name=a&fallback_application_name=b", { settings: { application_name: "a" } }],
    ["connect_timeout=5", { connectTimeoutMs: 5_000 }],
    ["connect_timeout=1", { connectTimeoutMs: 2_000 }],
    ["connect_timeout=0", { connectTimeoutMs: undefined }],
    ["pgbouncer=false", { isPooled: false }],
    ["target_session_attrs=any", { targetSessionAttrs: "any" }],
    ["target_session_attrs=prefer-standby", { targetSessionAttrs: "prefer-standby" }],
    ["service=shop", { service: "shop", unknown: [] }],
    ["keepalives=0&keepalives_idle=5", { keepAliveS: 0 }],
    ["keepalives_idle=5&keepalives_interval=2&keepalives_count=3", { keepAliveS: 5, unknown: [] }],
    ["target_session_attrs=primary", { targetSessionAttrs: "primary" }],
  ])("%s", (query, expected) => {
    expect(parametersOf(query)).toMatchObject(expected);
  });

  test.each([
    [
      "sslmode=on",
      "has sslmode=on, where disable, allow, prefer, require, verify-ca, verify-full or no-verify is expected",
    ],
    ["connect_timeout=5s", "has connect_timeout=5s, where a whole number of seconds is expected"],
    ["target_session_attrs=master", "has target_session_attrs=master, where any, read-write,"],
    ["sslcert=/c.pem", "has sslcert without sslkey"],
    ["sslkey=/k.pem", "has sslkey without sslcert"],
    [
      "sslidentity=c.p12",
      "has sslidentity, which Tidemark does not support: use sslcert and sslkey",
    ],
    [
      "requirepeer=postgres",
      "has requirepeer, which Tidemark does not support: it cannot be checked",
    ],
  ])("%s is refused", (query, text) => {
    expect(urlProblem(`postgres://h/db?${query}`)).toContain(text);
  });
});

function thrownBy(use: () => unknown): unknown {
  try {
    return use();
  } catch (error) {
    return error;
  }
}
