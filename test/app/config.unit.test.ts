import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { APP_VARIABLES, parseAppConfig } from "../../src/app/config.ts";

describe("the application's configuration", () => {
  test("waits for the owner's migration on an embedded database, migrates itself elsewhere, or does as it is told", () => {
    const modeOf = (env: Record<string, string>) => {
      const { migrateOnBoot, ownerMigrates } = parseAppConfig(env);
      return [migrateOnBoot, ownerMigrates];
    };
    expect(modeOf({})).toEqual(["wait", true]);
    expect(modeOf({ MIGRATE_ON_BOOT: "wait" })).toEqual(["wait", false]);
    expect(modeOf({ MIGRATE_ON_BOOT: "run" })).toEqual(["run", false]);
    expect(modeOf({ DATABASE_URL: "postgres://db/app" })).toEqual(["run", false]);
  });

  test("has defaults", () => {
    expect(parseAppConfig({})).toEqual({
      databaseUrl: undefined,
      migrationDatabaseUrl: undefined,
      appVersion: undefined,
      host: "127.0.0.1",
      port: 3000,
      management: undefined,
      maxConnections: 1000,
      migrateOnBoot: "wait",
      ownerMigrates: true,
      migrateTimeoutMs: 600_000,
      migrateDeadlineMs: undefined,
      migrateAllowExisting: false,
      migrateRecordRowValues: false,
      connectTimeoutMs: 30_000,
      shutdownMs: 5_000,
      failureLingerMs: 2_000,
      instance: "demo",
      apiToken: undefined,
      checkReads: true,
      logLevel: "info",
    });
  });

  test("events are checked when they are read, but not in production", () => {
    expect(parseAppConfig(PRODUCTION).checkReads).toBe(false);
  });

  const DATABASE_URL = "postgres://a@db/x";
  const PRODUCTION = { NODE_ENV: "production", DATABASE_URL };

  test.each([
    [{ PORT: "8080" }, "127.0.0.1", undefined],
    [{ HOST: "localhost" }, "localhost", undefined],
    [{ HOST: "::1" }, "::1", undefined],
    [{ HOST: "0.0.0.0" }, "0.0.0.0", { host: "127.0.0.1", port: 13_000, because: "open-host" }],
    [{ HOST: "box.lan" }, "box.lan", { host: "127.0.0.1", port: 13_000, because: "open-host" }],
    [{ MANAGEMENT_PORT: "9" }, "127.0.0.1", { host: "127.0.0.1", port: 9, because: "given" }],
    [PRODUCTION, "0.0.0.0", { host: "127.0.0.1", port: 13_000, because: "production" }],
    [
      { ...PRODUCTION, HOST: "127.0.0.1" },
      "127.0.0.1",
      { host: "127.0.0.1", port: 13_000, because: "production" },
    ],
    [
      { ...PRODUCTION, MANAGEMENT_HOST: "0.0.0.0" },
      "0.0.0.0",
      { host: "0.0.0.0", port: 13_000, because: "given" },
    ],
    [
      { ...PRODUCTION, PORT: "60000" },
      "0.0.0.0",
      { host: "127.0.0.1", port: 50_000, because: "production" },
    ],
    [
      { ...PRODUCTION, PORT: "0" },
      "0.0.0.0",
      { host: "127.0.0.1", port: 0, because: "production" },
    ],
  ])("of %j shows the details where they are not open to everybody", (env, host, management) => {
    expect(parseAppConfig(env)).toMatchObject({ host, management });
  });

  test("takes one database URL for both where there is one", () => {
    const url = "postgres://a@db/x";
    const direct = "postgres://b@db/x";
    expect(parseAppConfig({ DATABASE_URL: url })).toMatchObject({
      databaseUrl: url,
      migrationDatabaseUrl: url,
    });
    expect(parseAppConfig({ DATABASE_URL: url, MIGRATION_DATABASE_URL: direct })).toMatchObject({
      databaseUrl: url,
      migrationDatabaseUrl: direct,
    });
  });

  test.each([
    [{ PORT: "70000" }, "PORT is not a port from 0 to 65535"],
    [{ PORT: "1.5" }, "PORT is not a port"],
    [{ MANAGEMENT_PORT: "all" }, "MANAGEMENT_PORT is not a port"],
    [{ MANAGEMENT_PORT: "3000" }, "MANAGEMENT_PORT is the same as PORT"],
    [{ MAX_CONNECTIONS: "0" }, "MAX_CONNECTIONS is not a number of connections from 1"],
    [{ MIGRATE_ON_BOOT: "yes" }, "MIGRATE_ON_BOOT is not one of run, wait, check"],
    [{ MIGRATE_ALLOW_EXISTING: "yes" }, "MIGRATE_ALLOW_EXISTING is neither true nor false"],
    [
      { MIGRATE_DEADLINE_SECONDS: "-1" },
      "MIGRATE_DEADLINE_SECONDS is not a number of seconds from 0",
    ],
    [{ MIGRATE_TIMEOUT_SECONDS: "soon" }, "MIGRATE_TIMEOUT_SECONDS is not a number of seconds"],
    [{ SHUTDOWN_SECONDS: "-1" }, "SHUTDOWN_SECONDS is not a number of seconds from 0"],
    [{ CONNECT_TIMEOUT_SECONDS: "100000" }, "CONNECT_TIMEOUT_SECONDS is more than a day (86400)"],
    [{ DATABASE_URL: "db" }, "DATABASE_URL is not a URL like postgres://"],
    [{ DATABASE_URL: "postgres://db/x?sslmode=on" }, "DATABASE_URL has sslmode=on, where disable,"],
    [{ NODE_ENV: "production" }, "DATABASE_URL is not set"],
    [{ NODE_ENV: "production", PGUSER: "u", PGPORT: "1" }, "DATABASE_URL is not set"],
    [
      { NODE_ENV: "production", PGSERVICE: "shop", PGSERVICEFILE: "/nowhere" },
      "The service file /nowhere cannot be read, where PGSERVICE names the service shop",
    ],
  ])("refuses %j", (env, text) => {
    expect(() => parseAppConfig(env)).toThrow(text);
  });

  test("takes PG variables where no URL is set, in production only", () => {
    const env = { PGHOST: "db", PGDATABASE: "x", PGUSER: "a", PGSSLMODE: "require" };
    const url = "postgres://a@db/x";
    expect(parseAppConfig({ ...env, NODE_ENV: "production" })).toMatchObject({
      databaseUrl: url,
      migrationDatabaseUrl: url,
    });
    expect(parseAppConfig({ ...PRODUCTION, ...env })).toMatchObject({ databaseUrl: DATABASE_URL });
    expect(parseAppConfig(env)).toMatchObject({ databaseUrl: undefined });
  });

  test("takes no token that can be guessed, and no instance that a header could not name", () => {
    expect(() => parseAppConfig({ API_TOKEN: "s3cret" })).toThrow(/API_TOKEN is shorter than 16/);
    expect(() => parseAppConfig({ API_TOKEN: "s3cret" })).not.toThrow(/s3cret/);
    expect(() => parseAppConfig({ APP_INSTANCE: "a/b" })).toThrow(/APP_INSTANCE is not/);
  });

  test("counts an empty variable as absent", () => {
    expect(parseAppConfig({ PORT: "", LOG_LEVEL: " " })).toMatchObject({
      port: 3000,
      logLevel: "info",
    });
  });

  test("stands in the README, every variable of it", async () => {
    const readme = await readFile("README.md", "utf8");
    for (const name of APP_VARIABLES) {
      expect(readme).toContain(`\`${name}\``);
    }
  });
});
