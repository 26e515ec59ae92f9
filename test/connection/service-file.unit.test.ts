import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { resolveUrl, urlWarnings } from "../../src/db/connection/driver-options.ts";
import { environmentUrl } from "../../src/db/connection/pg-environment.ts";

const home = mkdtempSync(join(tmpdir(), "tidemark-service-"));
const system = join(home, "etc");
mkdirSync(system);
afterAll(() => rmSync(home, { recursive: true, force: true }));

const file = join(home, "services");
writeFileSync(
  file,
  `# ours
outside the sections nothing is looked at
[shop]
  host=db.example.com
port=5433
port=1
user=ada
password=geheim=1
dbname=shop
options=-c geqo=off
sslmode=require

[socket]
host=/run/pg
[twice]
host=first
[twice]
port=2
[spaced]
host = geheim
[nonsense]
geheim
[unknown]
geheim_setting=geheim
[nested]
service=shop
[ldap]
ldap://geheim.example.com/dc=x
[mode]
sslmode=geheimnis
[port]
port=geheim
`,
);
writeFileSync(join(home, ".pg_service.conf"), "[own]\nhost=own\n");
writeFileSync(join(system, "pg_service.conf"), "[own]\nhost=no\n[all]\nhost=all\n");

const HOME = { HOME: home };
const FILE = { ...HOME, PGSERVICEFILE: file };
const optionsOf = (url: string, env: Record<string, string>) =>
  resolveUrl(url, "tidemark", env).options;

describe("a service fills in what a URL does not say", () => {
  test.each([
    [
      "postgres:///?service=shop",
      FILE,
      {
        host: ["db.example.com"],
        port: [5433],
        user: "ada",
        password: "geheim=1",
        database: "shop",
        ssl: { rejectUnauthorized: false },
        connection: { application_name: "tidemark", options: "-c geqo=off" },
      },
    ],
    [
      "postgres:///?service=shop",
      { ...FILE, PGPORT: "9", PGUSER: "bob" },
      { port: [5433], user: "ada" },
    ],
    [
      "postgres://bob@h:7/other?service=shop&options=-cx%3D1",
      FILE,
      { host: ["h"], port: [7], user: "bob", database: "other", connection: { options: "-cx=1" } },
    ],
    ["postgres://h/?service=shop", FILE, { host: ["h"], port: [5433] }],
    ["postgres:///?service=shop&port=8", FILE, { host: ["db.example.com"], port: [8] }],
    ["postgres:///?service=shop&hostaddr=10.0.0.1", FILE, { host: ["10.0.0.1"] }],
    ["postgres:///?service=shop&sslmode=disable", FILE, { ssl: false }],
    ["postgres:///?service=socket", FILE, { path: "/run/pg/.s.PGSQL.5432" }],
    ["postgres:///?service=socket", { ...FILE, PGPORT: "9" }, { path: "/run/pg/.s.PGSQL.5432" }],
    ["postgres:///?service=twice", FILE, { host: ["first"], port: [5432], ssl: "prefer" }],
    [
      "postgres:///db",
      { ...FILE, PGSERVICE: "shop" },
      { host: ["db.example.com"], database: "db" },
    ],
    ["postgres:///db?service=twice", { ...FILE, PGSERVICE: "shop" }, { host: ["first"] }],
    [
      "postgres:///db?service=",
      { ...FILE, PGSERVICE: "shop" },
      { host: ["localhost"], ssl: false },
    ],
    ["postgres:///?service=own", HOME, { host: ["own"] }],
    ["postgres:///?service=own", { ...HOME, PGSYSCONFDIR: system }, { host: ["own"] }],
    ["postgres:///?service=all", { ...HOME, PGSYSCONFDIR: system }, { host: ["all"] }],
    ["postgres:///?service=all", { ...FILE, PGSYSCONFDIR: system }, { host: ["all"] }],
  ])("%s with %j", (url, env, expected) => {
    expect(optionsOf(url, env)).toMatchObject(expected);
  });

  test("and so does PGSERVICE where there is no URL", () => {
    const env = { ...FILE, PGSERVICE: "shop", PGPORT: "1", PGHOST: "no" };
    expect(environmentUrl(env)).toEqual({
      url: "postgres://ada:geheim%3D1@db.example.com:5433/shop?sslmode=require&options=-c+geqo%3Doff",
      names: ["PGSERVICE", "PGHOST"],
    });
  });
});

describe("a service that cannot be used is refused, with no word of its settings", () => {
  const pipe = join(home, "pipe");
  execFileSync("mkfifo", [pipe]);
  const shut = join(home, "shut");
  writeFileSync(shut, "[shop]\n");
  chmodSync(shut, 0);

  test.each([
    [
      "nowhere",
      FILE,
      `The service nowhere, which the database URL names, was not found: ${file} has no [nowhere].`,
    ],
    [
      "none",
      { ...HOME, PGSYSCONFDIR: join(home, "not") },
      `The service none, which the database URL names, was not found: ${home}/.pg_service.conf has no [none]; ${home}/not/pg_service.conf does not exist.`,
    ],
    [
      "shop",
      { ...HOME, PGSERVICEFILE: "/nowhere" },
      /^The service file \/nowhere cannot be read, where the database URL names the service shop: ENOENT/,
    ],
    ["shop", { ...HOME, PGSERVICEFILE: home }, `the service shop: it is a folder.`],
    ["shop", { ...HOME, PGSERVICEFILE: pipe }, `the service shop: it is a pipe or a device.`],
    [
      "shop",
      { ...HOME, PGSERVICEFILE: "/dev/zero" },
      `the service shop: it is a pipe or a device.`,
    ],
    ["spaced", FILE, `${file}:20: there is a space before the = of host.`],
    ["nonsense", FILE, `${file}:22: the line is not name=value.`],
    ["unknown", FILE, `${file}:24: geheim_setting is not a setting of a connection.`],
    ["nested", FILE, `${file}:26: a service cannot name another service.`],
    ["ldap", FILE, `${file}:28: an ldap:// line asks a directory server for the settings`],
    ["mode", FILE, `The service mode in ${file} has sslmode=geheimnis, where disable,`],
    ["port", FILE, "The database URL names a service whose host, hostaddr or port cannot be read."],
  ])("%s with %j", (name, env, message) => {
    const use = () => optionsOf(`postgres:///?service=${name}`, env);
    expect(use).toThrow(message);
    expect(use).not.toThrow(/geheim(?!_setting|nis)/);
    expect(() => urlWarnings(`postgres:///?service=${name}`, env)).toThrow(message);
  });

  test.skipIf(process.getuid?.() === 0)("nor may it be a file that cannot be read", () => {
    expect(() => optionsOf("postgres:///?service=shop", { ...HOME, PGSERVICEFILE: shut })).toThrow(
      /EACCES/,
    );
  });
});

describe("other variables of libpq", () => {
  test.each([
    [{ PGTARGETSESSIONATTRS: "primary" }, "", { target_session_attrs: "primary" }],
    [
      { PGTARGETSESSIONATTRS: "primary" },
      "target_session_attrs=standby",
      { target_session_attrs: "standby" },
    ],
    [
      { PGTZ: "UTC", PGDATESTYLE: "ISO", PGGEQO: "off" },
      "",
      { connection: { TimeZone: "UTC", DateStyle: "ISO", geqo: "off" } },
    ],
    [{ PGSSLNEGOTIATION: "direct", PGSSLMODE: "require" }, "", { sslnegotiation: "direct" }],
    [{ PGHOSTADDR: "10.0.0.1" }, "", { host: ["h"] }],
  ])("%j and the URL's %s", (env, query, expected) => {
    expect(optionsOf(`postgres://h/db?${query}`, { ...HOME, ...env })).toMatchObject(expected);
  });

  test("are kept out by what the URL leaves empty", () => {
    const env = { ...HOME, PGTARGETSESSIONATTRS: "standby", PGTZ: "UTC" };
    const options = optionsOf("postgres://h/db?target_session_attrs=any&options=", env);
    expect(options).not.toHaveProperty("target_session_attrs");
    expect(options.connection).toEqual({ application_name: "tidemark" });
  });

  test("an address is dialled, and the certificate is for the name", () => {
    const env = { ...HOME, PGHOST: "db", PGHOSTADDR: "10.0.0.1", PGSSLMODE: "verify-full" };
    expect(optionsOf("postgres:///db", env)).toMatchObject({
      host: ["10.0.0.1"],
      ssl: { servername: "db" },
    });
    expect(() => optionsOf("postgres://a,b/db?hostaddr=10.0.0.1,10.0.0.2", HOME)).toThrow(
      /several hosts, and an address/,
    );
  });

  test("a wrong one is named, and one that asks for a check of which there is none is a warning", () => {
    expect(() => optionsOf("postgres://h/db", { ...HOME, PGTARGETSESSIONATTRS: "master" })).toThrow(
      /^PGTARGETSESSIONATTRS is master, where any, read-write,/,
    );
    expect(
      urlWarnings("postgres://u:p@h/db", { ...HOME, PGREQUIREPEER: "postgres" }),
    ).toMatchObject([
      { message: expect.stringMatching(/^PGREQUIREPEER is set, which Tidemark does not support/) },
    ]);
  });
});
