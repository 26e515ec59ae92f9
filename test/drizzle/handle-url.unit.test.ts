import pg from "pg";
import postgres from "postgres";
import { expect, test } from "vitest";
import { urlOfHandle } from "../../src/db/drizzle/handle-url.ts";

const ofPostgresJs = (url: string, options: postgres.Options<Record<string, never>> = {}) =>
  urlOfHandle({ $client: postgres(url, options) });
const ofPool = (settings: pg.PoolConfig) => urlOfHandle({ $client: new pg.Pool(settings) });
const ofClient = (settings: pg.ClientConfig) => urlOfHandle({ $client: new pg.Client(settings) });

const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
/** As it stands in a query. */
const encoded = (text: string) => new URLSearchParams({ a: text }).toString().slice(2);

test.each([
  ["postgres://ada:p%40w@db:5433/app", "postgres://ada:p%40w@db:5433/app"],
  [
    "postgres://ada@h1:1,h2:2/app?target_session_attrs=read-write",
    "postgres://ada@h1:1,h2:2/app?target_session_attrs=read-write",
  ],
  ["postgres://ada@db/app?sslmode=require", "postgres://ada@db:5432/app?sslmode=require"],
  ["postgres://ada@db/app?application_name=web", "postgres://ada@db:5432/app?application_name=web"],
])("postgres.js of %s", async (given, url) => {
  expect(await ofPostgresJs(given)).toBe(url);
});

test.each([
  [{ ssl: true } as const, "sslmode=verify-full"],
  [{ ssl: "prefer" } as const, "sslmode=prefer"],
  [{ ssl: { rejectUnauthorized: false } }, "sslmode=require"],
  [{ ssl: { ca: PEM } }, `sslmode=verify-full&sslrootcert=${encoded(PEM)}`],
  [
    { connection: { search_path: "my app,public" } },
    `options=${encoded("-c search_path=my\\ app,public")}`,
  ],
])("postgres.js with %j", async (options, query) => {
  expect(await ofPostgresJs("postgres://ada@db:1/app", options)).toBe(
    `postgres://ada@db:1/app?${query}`,
  );
});

test("postgres.js over a socket", async () => {
  const client = postgres({ host: "/run/pg", port: 1, username: "ada", database: "app" });
  expect(await urlOfHandle({ $client: client })).toBe(
    "postgres://ada@/app?host=%2Frun%2Fpg&port=1",
  );
});

test.each([
  // pg checks certificates with require, and only with no-verify does not.
  ["postgres://db/app?sslmode=require", "postgres://db/app?sslmode=verify-full"],
  ["postgres://db/app?sslmode=no-verify", "postgres://db/app?sslmode=require"],
  [
    "postgres://db/app?sslmode=require&uselibpqcompat=true",
    "postgres://db/app?sslmode=require&uselibpqcompat=true",
  ],
  ["postgres://db/app?sslmode=disable", "postgres://db/app?sslmode=disable"],
])("a pool of pg of %s", async (connectionString, url) => {
  expect(await ofPool({ connectionString })).toBe(url);
});

test("a pool of pg: the connection string wins over what stands beside it", async () => {
  const beside = { ssl: { rejectUnauthorized: false }, options: "-c role=app" };
  const connectionString = "postgres://db/app";
  expect(await ofPool({ connectionString, ...beside })).toBe(
    "postgres://db/app?sslmode=require&options=-c+role%3Dapp",
  );
  expect(await ofPool({ connectionString: `${connectionString}?sslmode=disable`, ...beside })).toBe(
    "postgres://db/app?sslmode=disable&options=-c+role%3Dapp",
  );
});

test("a socket of postgres.js by its path", async () => {
  const client = postgres({
    path: "/cloudsql/a:b:c/.s.PGSQL.5432",
    username: "ada",
    database: "app",
  });
  expect(await urlOfHandle({ $client: client })).toBe(
    "postgres://ada@/app?host=%2Fcloudsql%2Fa%3Ab%3Ac&port=5432",
  );
});

test("a handle that leads where no URL does is refused, and never taken for localhost", async () => {
  const socket = (() => undefined) as never;
  const refused = (url: Promise<string>) => expect(url).rejects.toMatchObject({ code: "config" });
  await refused(urlOfHandle({ $client: postgres({ socket } as never) }));
  await refused(ofPool({ stream: socket, user: "ada", database: "app" }));
  for (const connectionString of [
    "pg://svc:x@prod.example/prod",
    "socket:/run/pg?db=app",
    "/run/pg app",
  ]) {
    await refused(ofPool({ connectionString }));
  }
});

test("what only one driver understands is not sent as a setting", async () => {
  expect(await ofPool({ connectionString: "postgres://db/app?search_path=tenant" })).toBe(
    "postgres://db/app",
  );
  expect(await ofPostgresJs("postgres://ada@db:1/app?channel_binding=require")).toBe(
    "postgres://ada@db:1/app",
  );
  expect(await ofPostgresJs("postgres://ada@db:1/app?ssl=true")).toBe(
    "postgres://ada@db:1/app?sslmode=verify-full",
  );
});

test("a pool and a client of pg by their parts", async () => {
  const parts = { host: "db", port: 1, user: "ada", password: "p@w", database: "a b" };
  const url = "postgres://ada:p%40w@db:1/a%20b";
  expect(await ofPool(parts)).toBe(url);
  expect(await ofClient(parts)).toBe(url);
  expect(await ofClient({ ...parts, password: async () => "later" })).toBe(
    "postgres://ada:later@db:1/a%20b",
  );
  // What nobody says comes from PG* and the password file.
  expect(await ofPool({})).toBe("postgres:///");
});
