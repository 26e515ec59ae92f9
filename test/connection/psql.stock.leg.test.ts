import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { isServerError, openSession } from "../../src/db/connection/session.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";

const home = mkdtempSync(join(tmpdir(), "tidemark-psql-"));
const { hostname, port, username, password } = new URL(inject("serverUrl"));
const AT = { host: hostname, port, user: username, password: decodeURIComponent(password) };
const LOGIN = `${username}:${password}@`;

const lines = (given: object) =>
  Object.entries(given)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");

beforeAll(() => {
  mkdirSync(join(home, "etc"));
  const more = { dbname: "template1", application_name: "of_service", options: "-c geqo=off" };
  writeFileSync(
    join(home, ".pg_service.conf"),
    `[shop]\n${lines({ ...AT, ...more })}\nport=1\n[half]\n${lines({ host: AT.host, port })}\n[shop]\ndbname=no\n` +
      `[spaced]\nhost = x\n[unknown]\nfoo=1\n[nested]\nservice=shop\n[words]\nx\n`,
  );
  writeFileSync(
    join(home, "etc", "pg_service.conf"),
    `[etc]\n${lines({ ...AT, dbname: "postgres" })}\n`,
  );
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const ASKED = `select current_user || ' ' || current_database() || ' ' || current_setting('application_name')
  || ' ' || current_setting('geqo') || ' ' || current_setting('TimeZone') || ' ' || current_setting('DateStyle') as it`;

async function byPsql(url: string, env: Record<string, string>): Promise<string> {
  const run = promisify(execFile)(process.env.PSQL ?? "psql", ["-XAtc", ASKED, url], {
    env: { PATH: process.env.PATH, HOME: home, PGAPPNAME: "both", ...env },
  });
  return run.then(
    ({ stdout }) => stdout.trim(),
    () => "refused",
  );
}

async function byTidemark(url: string, env: Record<string, string>): Promise<string> {
  for (const [name, value] of Object.entries({ HOME: home, PGAPPNAME: "both", ...env })) {
    vi.stubEnv(name, value);
  }
  try {
    const { session, first } = await openSession(
      { url, connectTimeoutMs: 5_000, onNotice: () => undefined, onFailpoint: undefined },
      ASKED,
    );
    await session.close();
    return isServerError(first) ? "refused" : String(first.rows[0]?.it);
  } catch {
    return "refused";
  } finally {
    vi.unstubAllEnvs();
  }
}

const etc = { PGSYSCONFDIR: join(home, "etc") };
const PG = { PGHOST: AT.host, PGPORT: port, PGUSER: AT.user, PGPASSWORD: AT.password };

describe("a URL and its variables lead where psql goes", () => {
  test.each<[string, Record<string, string>]>([
    ["postgres:///?service=shop", {}],
    ["postgres:///postgres?service=shop", {}],
    ["postgres:///?service=shop&application_name=own", {}],
    ["postgres:///?service=shop", { ...PG, PGDATABASE: "postgres", PGPORT: "1" }],
    ["postgres:///postgres", { PGSERVICE: "shop" }],
    [`postgres://${LOGIN}/postgres?service=half`, {}],
    ["postgres:///?service=etc", etc],
    ["postgres:///?service=etc", {}],
    ["postgres:///?service=nowhere", etc],
    ["postgres:///?service=shop", { PGSERVICEFILE: join(home, "nowhere"), ...etc }],
    ["postgres:///?service=spaced", PG],
    ["postgres:///?service=unknown", PG],
    ["postgres:///?service=nested", PG],
    ["postgres:///?service=words", PG],
    ["postgres:///postgres", PG],
    ["postgres:///", { ...PG, PGDATABASE: "template1", PGOPTIONS: "-c geqo=off" }],
    ["postgres:///postgres", { ...PG, PGTZ: "Asia/Tokyo", PGDATESTYLE: "SQL, DMY", PGGEQO: "off" }],
    ["postgres:///postgres", { ...PG, PGHOST: "", PGHOSTADDR: "127.0.0.1" }],
    [`postgres://${LOGIN}nowhere.invalid:${port}/postgres?hostaddr=127.0.0.1`, {}],
    [`postgres://${LOGIN}127.0.0.1:1,127.0.0.1:${port}/postgres`, {}],
    [`postgres://${LOGIN}/postgres?host=127.0.0.1,127.0.0.1&port=1,${port}`, {}],
    ...["any", "read-write", "read-only", "primary", "standby", "prefer-standby"].map(
      (target): [string, Record<string, string>] => [
        `postgres://${LOGIN}127.0.0.1:${port}/postgres?target_session_attrs=${target}`,
        {},
      ],
    ),
    [`postgres://${LOGIN}127.0.0.1:${port}/postgres`, { PGTARGETSESSIONATTRS: "standby" }],
    [`postgres://${LOGIN}127.0.0.1:${port}/postgres`, { PGSSLMODE: "require" }],
    [`postgres://${LOGIN}127.0.0.1:${port}/postgres?sslmode=prefer`, { PGSSLMODE: "require" }],
    [`postgres://${LOGIN}127.0.0.1:${port}/templ%61te1?keepalives_idle=5&connect_timeout=3`, {}],
  ])("%s with %j", async (url, env) => {
    expect(await byTidemark(url, env)).toBe(await byPsql(url, env));
  });
});

test("the application's pool takes what is no standby where it only prefers one", async () => {
  const url = `postgres://${LOGIN}127.0.0.1:1,127.0.0.1:${port}/postgres?target_session_attrs=prefer-standby`;
  const pool = new DatabasePool({ url });
  try {
    expect(await pool.queryOne("select pg_is_in_recovery() as it")).toEqual({ it: false });
  } finally {
    await pool.close();
  }
});
