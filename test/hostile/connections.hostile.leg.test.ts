import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { resolveUrl } from "../../src/db/connection/driver-options.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { freePort } from "../helpers/network.ts";
import { outcomeOf } from "../helpers/outcome.ts";

const { username, password, hostname, port } = new URL(inject("serverUrl"));
const LOGIN = `${username}:${password || "any"}`;
let database: TestDatabase;
let dead: number;
beforeAll(async () => {
  database = await createDatabase();
  await new DatabaseMigrator({ url: database.url, history: [] }).migrate();
  dead = await freePort();
});
afterAll(() => database.drop());

/** The URL in parts ($u user and password, $h host, $p port, $d database, $x a port where nobody is), and how a run ends. */
const URLS: readonly (readonly [url: string, end: string])[] = [
  ["postgres://$u@$h:$p/$d", "current"],
  ["postgresql://$u@$h:$p/$d", "current"],
  ["PostgreSQL://$u@$h:$p/$d", "current"],
  ["postgres://$u@$h:$p/$d?", "current"],
  ["postgres://$u@$h:$p/?dbname=$d", "current"],
  ["postgres://$u@/$d?host=$h&port=$p", "current"],
  ["postgres:///?host=$h&port=$p&user=$n&password=$w&dbname=$d", "current"],
  ["postgres://$u@elsewhere:1/$d?host=$h&port=$p", "current"],
  ["postgres://$u@%31%32%37.0.0.1:$p/$d", "current"],
  ["postgres://$u@$h:$x,$h:$p/$d", "current"],
  ["postgres://$u@$h:$p,$h:$x/$d", "current"],
  ["postgres://$u@/$d?host=$h,$h&port=$x,$p", "current"],
  ["postgres://$u@$h:$x,$h:$p/$d?target_session_attrs=read-write", "current"],
  ["postgres://$u@$h:$p/$d?target_session_attrs=any", "current"],
  ["postgres://$u@$h:$p/$d?target_session_attrs=primary", "current"],
  ["postgres://$u@$h:$p/$d?target_session_attrs=prefer-standby", "current"],
  ["postgres://$u@$h:$p/$d?target_session_attrs=standby", "connect"],
  ["postgres://$u@$h:$p/$d?target_session_attrs=read-only", "connect"],
  ["postgres://$u@$h:$p/$d?target_session_attrs=nonsense", "config"],
  ["postgres://$u@$h:$p/$d?sslmode=disable", "current"],
  ["postgres://$u@$h:$p/$d?sslmode=allow", "current"],
  ["postgres://$u@$h:$p/$d?sslmode=prefer", "current"],
  ["postgres://$u@$h:$p/$d?sslmode=require", "connect"],
  ["postgres://$u@$h:$p/$d?sslmode=verify-ca&sslrootcert=system", "connect"],
  ["postgres://$u@$h:$p/$d?sslmode=verify-full&sslrootcert=system", "connect"],
  ["postgres://$u@$h:$p/$d?sslmode=nonsense", "config"],
  ["postgres://$u@$h:$p/$d?sslmode=verify-full&sslrootcert=/nowhere.pem", "config"],
  ["postgres://$u@$h:$p/$d?connect_timeout=3", "current"],
  ["postgres://$u@$h:$p/$d?connect_timeout=0", "current"],
  ["postgres://$u@$h:$p/$d?connect_timeout=-1", "current"],
  ["postgres://$u@$h:$p/$d?connect_timeout=soon", "config"],
  ["postgres://$u@$h:$p/$d?application_name=a%20b", "current"],
  ["postgres://$u@$h:$p/$d?options=-c%20work_mem%3D1MB", "current"],
  [
    "postgres://$u@$h:$p/$d?options=-c%20search_path%3Dnowhere%20-c%20default_transaction_read_only%3Don",
    "current",
  ],
  ["postgres://$u@$h:$p/$d?options=-c%20nonsense%3D1", "connect"],
  ["postgres://$u@$h:$p/$d?options=--nonsense", "connect"],
  [
    "postgres://$u@$h:$p/$d?keepalives=1&keepalives_idle=5&keepalives_interval=5&keepalives_count=3",
    "current",
  ],
  ["postgres://$u@$h:$p/$d?tcp_user_timeout=1000", "current"],
  ["postgres://$u@$h:$p/$d?channel_binding=prefer", "current"],
  ["postgres://$u@$h:$p/$d?gssencmode=disable", "current"],
  ["postgres://$u@$h:$p/$d?load_balance_hosts=random", "current"],
  ["postgres://$u@$h:$p/$d?client_encoding=LATIN1", "current"],
  ["postgres://$u@$h:$p/$d?passfile=/nonexistent", "current"],
  ["postgres://$u@$h:$p/$d?service=mine", "config"],
  ["postgres://$u@$h:$p/$d?sslcert=/nowhere", "config"],
  ["postgres://$u@$h:$p/nowhere_$d", "connect"],
  ["postgres://no_such_role@$h:$p/$d", "connect"],
  ["postgres://$u@$h:$x/$d?connect_timeout=2", "connect"],
  ["postgres://$u@no-such-host.invalid:$p/$d", "connect"],
  ["postgres://$u@[::1]:$x/$d", "connect"],
  ["postgres://$u@/$d?host=/nowhere", "connect"],
  ["postgres://$u@$h:0/$d", "connect"],
  ["postgres://$u@$h:65536/$d", "config"],
  ["postgres://$u@$h:port/$d", "config"],
  ["postgres://u:%zz@$h:$p/$d", "config"],
  ["postgres://$u@$h:$p/%ff", "config"],
  ["mysql://$u@$h:$p/$d", "config"],
  ["$h:$p/$d", "config"],
  ["host=$h port=$p dbname=$d", "config"],
  ["", "config"],
  ["postgres://", "connect"],
];

function filled(url: string): string {
  const parts: Readonly<Record<string, string>> = {
    $u: LOGIN,
    $n: username,
    $w: password || "any",
    $h: hostname,
    $p: port,
    $d: database.name,
    $x: String(dead),
  };
  return url.replaceAll(/\$[unwhpdx]/g, (name) => parts[name] ?? "");
}

describe("a database URL leads to the server, or says at once why not:", () => {
  test.each(URLS)("%s (%s)", async (url, end) => {
    const start = performance.now();
    const run = async () =>
      outcomeOf(
        new DatabaseMigrator({ url: filled(url), history: [], connectTimeoutMs: 300 }).migrate(),
      );
    expect(await run().catch((error: { code: string }) => error.code)).toBe(end);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

const psql = process.env.PSQL ?? "/usr/bin/psql";

/** What these mean beyond psql: there too they are documented. */
const OURS =
  /^$|^host=|^postgres:\/\/$|connect_timeout=(soon|-1)|passfile|load_balance|PostgreSQL:|service=|sslcert=|\$h:0|\[::1\]|sslrootcert=system/;

describe.skipIf(!existsSync(psql))("psql comes to the same server, or does not either:", () => {
  test.each(URLS.filter(([url]) => !OURS.test(url)))("%s (%s)", async (url, end) => {
    const env = { PATH: process.env.PATH, PGCONNECT_TIMEOUT: "2", PGPASSFILE: "/dev/null" };
    const answer = await promisify(execFile)(
      psql,
      ["-XAtw", filled(url), "-c", "select current_database()"],
      { env },
    ).then(
      ({ stdout }) => stdout.trim(),
      () => "refused",
    );
    expect(answer).toBe(end === "current" ? database.name : "refused");
  });
});

/** What the environment adds to a URL that says nothing; `psql` goes by the same. */
const ENVIRONMENTS: readonly (readonly [
  url: string,
  env: Readonly<Record<string, string>>,
  end: string,
])[] = [
  ["postgres:///$d", {}, "current"],
  ["postgres://", { PGDATABASE: "$d" }, "current"],
  ["postgres:///$d", { PGHOST: "$h,$h", PGPORT: "$x,$p" }, "current"],
  ["postgres:///$d", { PGPORT: "$x" }, "connect"],
  ["postgres:///$d", { PGSSLMODE: "require" }, "connect"],
  ["postgres:///$d", { PGSSLMODE: "nonsense" }, "config"],
  ["postgres:///$d?sslmode=disable", { PGSSLMODE: "require" }, "current"],
  ["postgres:///$d", { PGOPTIONS: "-c default_transaction_read_only=on" }, "current"],
  ["postgres:///$d", { PGOPTIONS: "-c nonsense=on" }, "connect"],
  [
    "postgres:///$d",
    { PGAPPNAME: "mine", PGTZ: "Asia/Kathmandu", PGDATESTYLE: "German" },
    "current",
  ],
  ["postgres:///$d", { PGCLIENTENCODING: "LATIN1" }, "current"],
  ["postgres:///$d", { PGUSER: "no_such_role" }, "connect"],
];

test.each(ENVIRONMENTS)("%s with %j (%s)", async (url, env, end) => {
  const base = { PGHOST: "$h", PGPORT: "$p", PGUSER: "$n", PGPASSWORD: "$w" };
  const entries = Object.entries({ ...base, ...env }).map(([name, value]) => [name, filled(value)]);
  const before = { ...process.env };
  Object.assign(process.env, Object.fromEntries(entries));
  try {
    const run = async () =>
      outcomeOf(
        new DatabaseMigrator({ url: filled(url), history: [], connectTimeoutMs: 300 }).migrate(),
      );
    expect(await run().catch((error: { code: string }) => error.code)).toBe(end);
    if (end === "current") expect(resolveUrl(filled(url)).options.database).toBe(database.name);
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
});
