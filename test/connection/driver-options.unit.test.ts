import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  connectTimeoutOf,
  resolveUrl,
  urlWarnings,
} from "../../src/db/connection/driver-options.ts";
import { passwordIn } from "../../src/db/connection/password-file.ts";

const home = mkdtempSync(join(tmpdir(), "tidemark-home-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(home, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const ca = file("ca.pem", "-----BEGIN CERTIFICATE-----\nca\n");
const crl = file("crl.pem", "-----BEGIN X509 CRL-----\n");
const cert = file("cert.pem", "-----BEGIN CERTIFICATE-----\nclient\n");
const key = file("key.pem", "-----BEGIN PRIVATE KEY-----\n");

/** Nothing of the person's own who runs the tests. */
const env = (more: Record<string, string> = {}) => ({ HOME: home, ...more });
const optionsOf = (url: string, more = {}) => resolveUrl(url, "tidemark", env(more)).options;

describe("what a URL does not say comes from the environment, as in libpq", () => {
  test.each([
    [
      "postgres://u:pw@h:1/db",
      {},
      { host: ["h"], port: [1], user: "u", password: "pw", database: "db" },
    ],
    ["postgres://u@h/db", {}, { host: ["h"], port: [5432] }],
    ["postgres://u@h", {}, { database: "u" }],
    ["postgres://h/db", { PGUSER: "ada", PGPASSWORD: "pw" }, { user: "ada", password: "pw" }],
    [
      "postgres://u:url@h/db",
      { PGUSER: "x", PGPASSWORD: "x", PGPORT: "1", PGDATABASE: "x" },
      { user: "u", password: "url", port: [1], database: "db" },
    ],
    ["postgres:///db", { PGHOST: "far", PGPORT: "7" }, { host: ["far"], port: [7] }],
    [
      "postgres:///",
      { PGHOST: "a,b", PGPORT: "7,8", PGDATABASE: "d" },
      { host: ["a", "b"], port: [7, 8], database: "d" },
    ],
    ["postgres:///db", { PGHOST: "/run/pg" }, { path: "/run/pg/.s.PGSQL.5432", ssl: false }],
    ["postgres:///db", {}, { host: ["localhost"] }],
    ["postgres://u@[::1]/db", {}, { host: ["::1"] }],
    ["postgres://h1,h2:2/db", {}, { host: ["h1", "h2"], port: [5432, 2] }],
    [
      "postgres://h/db",
      { PGAPPNAME: "job", PGOPTIONS: "-c geqo=off" },
      { connection: { application_name: "job", options: "-c geqo=off" } },
    ],
    [
      "postgres://h/db?application_name=a&options=-cx%3D1",
      { PGAPPNAME: "job", PGOPTIONS: "-c geqo=off" },
      { connection: { application_name: "a", options: "-cx=1" } },
    ],
    ["postgres://h/db?geqo=off&schema=a", {}, { connection: { application_name: "tidemark" } }],
  ])("%s with %j", (url, more, expected) => {
    expect(optionsOf(url, more)).toMatchObject(expected);
  });

  test.each(["x", "65536", "-1", "1.5", "5432,x"])("but for a port that is none: %s", (PGPORT) => {
    expect(() => optionsOf("postgres://u@/db", { PGHOST: "a,b", PGPORT })).toThrow(/^PGPORT is /);
  });

  test("but for an empty setting, which keeps the environment's out", () => {
    const { connection } = optionsOf("postgres://h/db?options=", { PGOPTIONS: "-c geqo=off" });
    expect(connection).toEqual({ application_name: "tidemark" });
  });

  test("the time to connect too, which the URL's wins over", () => {
    expect(connectTimeoutOf("postgres://h", { PGCONNECT_TIMEOUT: "7" })).toBe(7_000);
    expect(connectTimeoutOf("postgres://h?connect_timeout=3", { PGCONNECT_TIMEOUT: "7" })).toBe(
      3_000,
    );
    expect(connectTimeoutOf("postgres://h", {})).toBeUndefined();
  });
});

const UNCHECKED = { rejectUnauthorized: false };
const CHAIN = { rejectUnauthorized: true, checkServerIdentity: expect.any(Function) };

describe("TLS", () => {
  test.each([
    ["", {}, false],
    ["sslmode=disable", {}, false],
    ["sslmode=disable", { PGSSLMODE: "require" }, false],
    ["sslmode=allow", {}, "prefer"],
    ["sslmode=prefer", {}, "prefer"],
    ["sslmode=require", {}, UNCHECKED],
    ["sslmode=no-verify", {}, UNCHECKED],
    ["sslmode=verify-ca", {}, CHAIN],
    ["sslmode=verify-full", {}, CHAIN],
    ["ssl=true", {}, CHAIN],
    ["ssl=require", {}, UNCHECKED],
    ["ssl=true&sslmode=require", {}, UNCHECKED],
    ["ssl=false", { PGSSLMODE: "require" }, false],
    ["sslmode=require&sslaccept=strict", {}, CHAIN],
    ["sslmode=require&sslaccept=accept_invalid_certs", {}, UNCHECKED],
    ["", { PGSSLMODE: "require" }, UNCHECKED],
    [
      "",
      { PGSSLMODE: "verify-full", PGSSLROOTCERT: ca },
      { ...CHAIN, ca: expect.stringContaining("ca") },
    ],
    [`sslmode=require&sslrootcert=${ca}`, {}, { ...CHAIN, ca: expect.stringContaining("ca") }],
    [
      `sslmode=no-verify&sslrootcert=${ca}`,
      {},
      { ...UNCHECKED, ca: expect.stringContaining("ca") },
    ],
    [`sslrootcert=${ca}`, {}, { ...CHAIN, ca: expect.stringContaining("ca") }],
    ["sslrootcert=system", {}, CHAIN],
    ["sslmode=require&sslrootcert=system", {}, CHAIN],
    [
      "sslmode=verify-full&sslrootcert=-----BEGIN%20CERTIFICATE-----x",
      {},
      { ...CHAIN, ca: "-----BEGIN CERTIFICATE-----x" },
    ],
    [
      `sslmode=require&sslcert=${cert}&sslkey=${key}&sslpassword=pw`,
      {},
      {
        ...UNCHECKED,
        cert: expect.stringContaining("client"),
        key: expect.stringContaining("KEY"),
        passphrase: "pw",
      },
    ],
    [
      "sslmode=require",
      { PGSSLCERT: cert, PGSSLKEY: key, PGSSLCRL: crl },
      {
        ...UNCHECKED,
        cert: expect.stringContaining("client"),
        key: expect.stringContaining("KEY"),
        crl: expect.stringContaining("CRL"),
      },
    ],
    [
      "sslmode=require&ssl_min_protocol_version=TLSv1.3&sslservername=n",
      {},
      { ...UNCHECKED, minVersion: "TLSv1.3", servername: "n" },
    ],
  ])("%s with %j", (query, more, ssl) => {
    expect(optionsOf(`postgres://h/db?${query}`, more).ssl).toEqual(ssl);
  });

  test.each([
    [
      "sslmode=require&sslrootcert=/nowhere/ca.pem",
      {},
      /^sslrootcert cannot be read: ENOENT.*\nNothing was run\. Correct the path/s,
    ],
    ["", { PGSSLMODE: "on" }, /^PGSSLMODE is on, where disable, allow/],
    ["ssl=maybe", {}, /^The database URL has sslmode=maybe/],
    ["sslmode=require&ssl_min_protocol_version=SSLv3", {}, /^The TLS version SSLv3 is unknown/],
  ])("%s with %j is refused", (query, more, message) => {
    expect(() => optionsOf(`postgres://h/db?${query}`, more)).toThrow(message);
  });

  test("a Unix socket speaks none", () => {
    expect(optionsOf("postgres:///db?host=/run/pg&sslmode=require")).toMatchObject({ ssl: false });
  });
});

describe("the password file", () => {
  const login = { hosts: [{ name: "h", port: "5432" }], database: "db", user: "u" };

  test.each([
    ["h:5432:db:u:pw", "pw"],
    ["# h:5432:db:u:no\n*:*:*:u:pw", "pw"],
    ["h:1:db:u:no\nh:5432:db:u:first\nh:*:*:*:second", "first"],
    ["h:5432:db:other:no", undefined],
    ["h:5432:db:u:p\\:w\\\\x:y", "p:w\\x:y"],
    ["h:5432:db:u:pw\r\n", "pw"],
    ["\\*:5432:db:u:no", undefined],
    ["h:5432:db", undefined],
    ["", undefined],
  ])("%j", (text, password) => {
    expect(passwordIn(text, login)).toBe(password);
  });

  test("may have any character in a password", () => {
    const login = { hosts: [{ name: "h", port: "1" }], database: "db", user: "u" };
    expect(passwordIn("h:1:db:u:a\u2028b\u0085\\:\n", login)).toBe("a\u2028b\u0085:");
  });

  test("is asked last, after the URL and PGPASSWORD", () => {
    const PGPASSFILE = file("pass", "h:5432:db:u:file\nlocalhost:*:*:*:socket\n");
    expect(optionsOf("postgres://u@h/db", { PGPASSFILE }).password).toBe("file");
    expect(optionsOf("postgres://u@h/db", { PGPASSFILE, PGPASSWORD: "env" }).password).toBe("env");
    expect(optionsOf("postgres://u:url@h/db", { PGPASSFILE }).password).toBe("url");
    expect(optionsOf("postgres://u@elsewhere/db", { PGPASSFILE }).password).toBeUndefined();
    expect(optionsOf(`postgres://u@h/db?passfile=${PGPASSFILE}`).password).toBe("file");
    expect(optionsOf("postgres://u@/db?host=/run/pg", { PGPASSFILE }).password).toBe("socket");
    file(".pgpass", "*:*:*:*:home\n");
    expect(optionsOf("postgres://u@h/db").password).toBe("home");
    rmSync(join(home, ".pgpass"));
  });

  test("is not read where others may read it, which is a warning", () => {
    const PGPASSFILE = file("open", "h:5432:db:u:file\n", 0o640);
    expect(optionsOf("postgres://u@h/db", { PGPASSFILE }).password).toBeUndefined();
    expect(urlWarnings("postgres://u@h/db", env({ PGPASSFILE }))).toEqual([
      {
        kind: "password-file",
        message: `The connection has no password: the password file ${PGPASSFILE} is not read, because others may read it (mode 640): chmod 600 ${PGPASSFILE}.`,
      },
    ]);
    expect(urlWarnings("postgres://u:pw@h/db", env({ PGPASSFILE }))).toEqual([]);
    expect(urlWarnings("postgres://u@h/db", env())).toEqual([]);
  });

  test("that was named and is not there is a warning", () => {
    const PGPASSFILE = join(home, "nowhere");
    expect(urlWarnings("postgres://u@h/db", env({ PGPASSFILE }))).toMatchObject([
      {
        message: `The connection has no password: the password file ${PGPASSFILE} cannot be read (ENOENT).`,
      },
    ]);
  });
});

test("a parameter that nobody knows is a warning", () => {
  expect(urlWarnings("postgres://u:pw@h/db?currentSchema=a&schema=b", env())).toEqual([
    {
      kind: "url-parameter",
      message:
        "The database URL has the parameter currentSchema, which Tidemark does not know: it is left out. Settings of the server go into options=-c%20name%3Dvalue.",
    },
  ]);
});
