import { afterEach, describe, expect, test, vi } from "vitest";
import { plainConfig } from "../../src/cli/support/config-text.ts";
import { readCredentials } from "../../src/cli/support/credentials.ts";
import { chooseDatabase, type GivenUrls } from "../../src/cli/support/database-choice.ts";
import { readTidemarkKey, TIDEMARK_KEYS } from "../../src/cli/support/tidemark-key.ts";
import { resolveUrl } from "../../src/db/connection/driver-options.ts";
import { environmentUrl } from "../../src/db/connection/pg-environment.ts";

afterEach(() => vi.unstubAllEnvs());

const PARTS = { host: "db", database: "shop" };

describe("dbCredentials", () => {
  test.each([
    [{ url: "postgres://u:pw@db/shop?sslmode=require" }, "postgres://u:pw@db/shop?sslmode=require"],
    [{ url: " postgres://db/shop\n" }, "postgres://db/shop"],
    [PARTS, "postgres://db/shop?sslmode=prefer"],
    [
      { ...PARTS, port: 5433, user: "a@b", password: "p:w/#%?", ssl: false },
      "postgres://a%40b:p%3Aw%2F%23%25%3F@db:5433/shop?sslmode=disable",
    ],
    [{ ...PARTS, port: "5433", user: "u" }, "postgres://u@db:5433/shop?sslmode=prefer"],
    [{ ...PARTS, host: "::1", ssl: true }, "postgres://[::1]/shop?sslmode=verify-full"],
    [
      { ...PARTS, host: "/cloudsql/p:r:i", user: "u", password: "pw", ssl: false },
      "postgres://u:pw@/shop?host=%2Fcloudsql%2Fp%3Ar%3Ai&sslmode=disable",
    ],
    [{ ...PARTS, ssl: "require" }, "postgres://db/shop?sslmode=no-verify"],
    [{ ...PARTS, ssl: "allow" }, "postgres://db/shop?sslmode=no-verify"],
    [{ ...PARTS, ssl: "prefer" }, "postgres://db/shop?sslmode=prefer"],
    [{ ...PARTS, ssl: "verify-full" }, "postgres://db/shop?sslmode=verify-full"],
    [{ ...PARTS, ssl: { rejectUnauthorized: false } }, "postgres://db/shop?sslmode=no-verify"],
    [{ ...PARTS, ssl: {} }, "postgres://db/shop?sslmode=verify-full"],
    [{ ...PARTS, url: "postgres://other/db" }, "postgres://db/shop?sslmode=prefer"],
    [{ host: undefined, url: "postgres://other/db" }, "postgres://other/db"],
  ])("%j are the URL %s", (dbCredentials, url) => {
    expect(readCredentials({ dialect: "postgresql", dbCredentials })).toEqual({ kind: "url", url });
  });

  test("arrive at the driver as they were, with each character and certificate", () => {
    const ssl = {
      ca: ["-----BEGIN CERTIFICATE-----\none+/=", Buffer.from("-----BEGIN CERTIFICATE-----\ntwo")],
      cert: "-----BEGIN CERTIFICATE-----\nc",
      key: "-----BEGIN PRIVATE KEY-----\nk",
      passphrase: "p w",
      servername: "db.example",
      minVersion: "TLSv1.2",
      checkServerIdentity: () => undefined,
    };
    const dbCredentials = { ...PARTS, user: "a b@c", password: "p+w &=%é", ssl };
    const read = readCredentials({ dbCredentials });
    const { options } = resolveUrl(read.kind === "url" ? read.url : "", "tidemark", {});
    expect(options).toMatchObject({
      host: ["db"],
      user: "a b@c",
      password: "p+w &=%é",
      database: "shop",
      ssl: {
        rejectUnauthorized: true,
        ca: "-----BEGIN CERTIFICATE-----\none+/=\n-----BEGIN CERTIFICATE-----\ntwo",
        cert: ssl.cert,
        key: ssl.key,
        passphrase: "p w",
        servername: "db.example",
        minVersion: "TLSv1.2",
      },
    });
  });

  test("leave it to PGSSLMODE where they say nothing of TLS", () => {
    vi.stubEnv("PGSSLMODE", "require");
    expect(readCredentials({ dbCredentials: PARTS })).toMatchObject({ url: "postgres://db/shop" });
  });

  test.each([
    [{}, "dbCredentials is not there"],
    [{ dbCredentials: { url: undefined } }, "dbCredentials.url is not set"],
    [{ dbCredentials: { url: " " } }, "dbCredentials.url is not set"],
    [{ dbCredentials: { host: "", database: "shop" } }, "dbCredentials.host is not set"],
    [{ dbCredentials: { host: "db" } }, "dbCredentials.database is not set"],
  ])("%j name no database", (config, why) => {
    expect(readCredentials(config)).toEqual({ kind: "unset", why });
  });

  test.each([
    [{ dialect: "mysql", dbCredentials: PARTS }, "the dialect is mysql"],
    [{ driver: "pglite", dbCredentials: { url: "./data" } }, "the driver pglite cannot be used"],
    [{ dbCredentials: { url: "mysql://db" } }, "dbCredentials.url starts with mysql://"],
    [{ dbCredentials: { ...PARTS, ssl: "always" } }, "dbCredentials.ssl is none of true,"],
    [{ dbCredentials: { ...PARTS, ssl: { pfx: "x" } } }, "dbCredentials.ssl.pfx is not supported"],
    [{ dbCredentials: { ...PARTS, port: "x" } }, "dbCredentials is not a URL"],
    [{ dbCredentials: "postgres://db" }, "dbCredentials is not an object"],
  ])("%j are refused", (config, text) => {
    expect(readCredentials(config)).toMatchObject({
      kind: "problem",
      problem: expect.stringContaining(text),
    });
  });
});

describe("dbCredentials are read without running the file", () => {
  const urlOf = (credentials: string, env = {}, head = "") =>
    plainConfig(
      `${head}export default defineConfig({ dialect: "postgresql", schema: "./src/**/*.ts", out: "./x", ${credentials} });`,
      { needs: "database", env },
    )?.dbCredentials?.url;
  const env = { DB: "postgres://db/shop" };

  test.each([
    ["dbCredentials: { url: 'postgres://db/shop' },"],
    ["dbCredentials: { url: process.env.DB! }"],
    ["dbCredentials: { url: process.env.DB as string, }"],
    [`dbCredentials: { url: process.env.DB ?? "" }`],
    ["dbCredentials: {\n url: process.env.DB || '',\n},"],
  ])("where they are as plain as %s", (credentials) => {
    expect(urlOf(credentials, env)).toBe("postgres://db/shop");
  });

  test.each([
    ["dbCredentials: { url: process.env.OTHER! }", ""],
    ["dbCredentials: { url: env.DB }", ""],
    ["dbCredentials: { url: `postgres://db/shop` }", ""],
    ["dbCredentials: { url: 'postgres://' + process.env.DB }", ""],
    ["dbCredentials: { host: 'db', database: 'shop' }", ""],
    ["dbCredentials", ""],
    ["driver: 'pglite', dbCredentials: { url: process.env.DB! }", ""],
    ["dbCredentials: { url: process.env.DB! }", "const dbCredentials = 1;"],
  ])("and not where they are %s", (credentials, head) => {
    expect(urlOf(credentials, env, head)).toBeUndefined();
  });
});

describe("the database is chosen", () => {
  const project = (dbCredentials?: unknown, more = {}) => ({
    dir: "drizzle",
    file: "drizzle.config.ts",
    drizzle: { drizzleTable: {}, dialect: "postgresql", dbCredentials, ...more },
    settings: {},
    warnings: [],
  });
  const choose = (given: Partial<GivenUrls>) =>
    chooseDatabase({
      option: undefined,
      migration: undefined,
      application: undefined,
      project: undefined,
      isVariablesTaken: true,
      env: {},
      ...given,
    });
  const A = "postgres://a/db";
  const B = "postgres://b/db";
  const PG = { PGHOST: "pg", PGDATABASE: "db" };

  test.each([
    [{ option: A, migration: B, application: B, project: project({ url: B }), env: PG }, "--url"],
    [
      { migration: A, application: B, project: project({ url: B }), env: PG },
      "MIGRATION_DATABASE_URL",
    ],
    [{ application: A, project: project({ url: A }), env: PG }, "DATABASE_URL"],
    [{ application: A, project: project(), env: PG }, "DATABASE_URL"],
    [
      { application: "postgres://A:5432/db?sslmode=disable", project: project({ url: A }) },
      "dbCredentials of drizzle.config.ts",
    ],
    [{ project: project({ url: A }), env: PG }, "dbCredentials of drizzle.config.ts"],
  ])("%j", (given, source) => {
    const { found, warnings } = choose(given);
    expect(found?.source).toBe(source);
    expect(found?.url.toLowerCase().replace(":5432", "")).toBe(A);
    expect(warnings).toEqual([]);
  });

  test("as drizzle-kit does where DATABASE_URL leads elsewhere, and both are named", () => {
    const application = "postgres://u:pw@b/db";
    expect(choose({ application, project: project({ url: A }) })).toEqual({
      found: { url: A, source: "dbCredentials of drizzle.config.ts" },
      reasons: [],
      problems: [],
      warnings: [
        "dbCredentials of drizzle.config.ts lead to a/db, and DATABASE_URL to b/db as u. The configuration's is used, as by drizzle-kit; MIGRATION_DATABASE_URL or --url choose another.",
      ],
    });
  });

  test("from nowhere else where dbCredentials are there and their variable is not set", () => {
    const { found, problems } = choose({ application: A, project: project({ url: "" }), env: PG });
    expect(found).toBeUndefined();
    expect(problems).toEqual([
      expect.stringMatching(
        /^dbCredentials of drizzle\.config\.ts say nothing .*DATABASE_URL, which leads to a\/db, is not used/,
      ),
    ]);
  });

  test("from DATABASE_URL where the configuration's cannot be used, which is a warning", () => {
    const unread = project(undefined, { unread: "no dotenv" });
    expect(choose({ application: A, project: unread })).toMatchObject({
      found: { source: "DATABASE_URL" },
      warnings: [
        "dbCredentials of drizzle.config.ts cannot be used (no dotenv): DATABASE_URL is used, a/db.",
      ],
    });
    expect(choose({ project: unread, env: PG })).toMatchObject({
      found: undefined,
      problems: ["dbCredentials of drizzle.config.ts cannot be read: no dotenv"],
    });
  });

  test("from PG variables where nothing else could have named one", () => {
    expect(choose({ env: PG })).toMatchObject({
      found: { url: "postgres://pg/db?sslmode=prefer", source: "PGHOST, PGDATABASE" },
    });
    expect(choose({ env: PG, isVariablesTaken: false })).toMatchObject({ found: undefined });
    expect(choose({ env: { PGUSER: "u", PGPORT: "1" } })).toMatchObject({ found: undefined });
    expect(choose({ env: PG, project: project({ url: undefined }) })).toMatchObject({
      found: undefined,
      reasons: ["dbCredentials.url is not set in drizzle.config.ts"],
    });
  });
});

describe("PG variables", () => {
  test.each([
    [{ PGDATABASE: "db" }, "postgres://localhost/db?sslmode=prefer"],
    [
      { PGHOST: "h", PGPORT: "1", PGUSER: "u", PGPASSWORD: "pw" },
      "postgres://u@h:1/?sslmode=prefer",
    ],
    [{ PGHOST: "h1,h2", PGPORT: "1,2", PGSSLMODE: "require" }, "postgres://h1:1,h2:2/"],
    [{ PGHOST: "/run/pg", PGDATABASE: "db" }, "postgres:///db?host=%2Frun%2Fpg&sslmode=prefer"],
    [{ PGHOSTADDR: "10.0.0.1" }, "postgres://10.0.0.1/?sslmode=prefer"],
    [{ PGHOST: "db", PGHOSTADDR: "10.0.0.1" }, "postgres://db/?hostaddr=10.0.0.1&sslmode=prefer"],
  ])("%j are %s", (env, url) => {
    expect(environmentUrl(env)?.url).toBe(url);
  });
});

describe("the key tidemark", () => {
  const read = (given: unknown) => {
    const problems: string[] = [];
    return { settings: readTidemarkKey(given, "drizzle.config.ts", problems), problems };
  };

  test("is taken as it is", () => {
    const given = {
      ledgerSchema: "ledger",
      scratchUrl: "postgres://db/postgres",
      ignore: ["audit.*"],
      lockTimeoutMs: 1_000,
      recordRowValues: true,
      drizzleTable: { schema: "public" },
      eventSink: { table: "a.b", sql: "select 1" },
    };
    expect(read(given)).toEqual({ settings: given, problems: [] });
    expect(read(undefined)).toEqual({ settings: {}, problems: [] });
    expect(read({ ledgerSchema: undefined })).toEqual({ settings: {}, problems: [] });
  });

  test("has unknown keys and wrong values refused, all at once, and no password shown", () => {
    const { problems } = read({
      lockTimeout: 1,
      lockTries: "3",
      ignore: "audit.*",
      scratchUrl: "mysql://u:geheim@h",
      eventSink: { table: "a" },
      drizzleTable: { name: "x" },
    });
    expect(problems).toEqual([
      `tidemark in drizzle.config.ts has the unknown key lockTimeout; known are ${TIDEMARK_KEYS.join(", ")}`,
      `tidemark.lockTries in drizzle.config.ts is "3": a number is expected`,
      `tidemark.ignore in drizzle.config.ts is "audit.*": a list of patterns is expected`,
      "tidemark.scratchUrl in drizzle.config.ts is not what is expected: a URL like postgres://user:password@host:5432/postgres is expected",
      `tidemark.eventSink in drizzle.config.ts is {"table":"a"}: { table, sql } is expected`,
      `tidemark.drizzleTable in drizzle.config.ts is {"name":"x"}: { schema, table } is expected`,
    ]);
  });
});
