import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { withScratchServer } from "../../src/db/scratch/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { CERTIFICATES, type TlsProxy, tlsProxy } from "../helpers/tls-proxy.ts";

const database = useDatabase();
const folder = useHistory(THREE);
let proxy: TlsProxy;

beforeEach(async () => {
  proxy = await tlsProxy(inject("serverUrl"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await proxy.close();
});

/** The test's database behind TLS. */
function encrypted(query: string, host = "127.0.0.1"): string {
  const url = new URL(database.url);
  url.host = `${host}:${proxy.port}`;
  return `${url.href}?${query}`;
}

const migrate = (url: string) => new DatabaseMigrator({ url, dir: folder.dir }).migrate();

async function ask(url: string): Promise<unknown> {
  const pool = new DatabasePool({ url });
  return pool.query("select 1").finally(() => pool.close());
}

describe("a server that speaks TLS", () => {
  test.each([
    ["sslmode=require", ["none"], 0],
    ["sslmode=no-verify", ["none"], 0],
    ["sslmode=prefer", ["none"], 0],
    ["sslmode=allow", ["none"], 0],
    [`sslmode=verify-ca&sslrootcert=${CERTIFICATES.authority}`, ["none"], 0],
    [`sslmode=verify-full&sslrootcert=${CERTIFICATES.authority}`, ["none"], 0],
    [
      `sslmode=require&sslcert=${CERTIFICATES.client}&sslkey=${CERTIFICATES.clientKey}`,
      ["client"],
      0,
    ],
    ["sslmode=disable", [], 1],
    ["", [], 1],
  ])("is spoken to as %s asks", async (query, clients, plain) => {
    expect(await migrate(encrypted(query))).toMatchObject({ outcome: "applied" });
    // The names of all connections of the run.
    expect([...new Set(proxy.clients)]).toEqual(clients);
    expect(Math.min(proxy.plain(), 1)).toBe(plain);
    await ask(encrypted(query));
    expect([...new Set(proxy.clients)]).toEqual(clients);
  });

  test.each([
    ["sslmode=verify-full", "127.0.0.1", /certificate.*\nNothing was run\. Name the authority/s],
    ["sslmode=verify-ca", "127.0.0.1", /certificate.*\nNothing was run\. Name the authority/s],
    [
      `sslmode=verify-full&sslrootcert=${CERTIFICATES.authority}`,
      "localhost",
      /altnames.*\nNothing was run\. Connect by a name that the certificate is for/s,
    ],
  ])(
    "is refused with %s at %s where its certificate does not fit",
    async (query, host, message) => {
      const url = encrypted(query, host);
      await expect(migrate(url)).rejects.toMatchObject({
        code: "connect",
        message: expect.stringMatching(message),
      });
      await expect(ask(url)).rejects.toMatchObject({ code: "connect" });
    },
  );

  test("is taken by another name where only the authority is checked", async () => {
    const query = `sslmode=verify-ca&sslrootcert=${CERTIFICATES.authority}`;
    expect(await migrate(encrypted(query, "localhost"))).toMatchObject({ outcome: "applied" });
  });

  test("is spoken to as PGSSLMODE asks, by all that connect", async () => {
    vi.stubEnv("PGSSLMODE", "require");
    await migrate(encrypted(""));
    await ask(encrypted(""));
    await withScratchServer({ url: encrypted(""), dir: folder.dir }, async ({ createDatabase }) => {
      await createDatabase();
    });
    expect(proxy.plain()).toBe(0);
    expect(proxy.clients.length).toBeGreaterThan(2);
  });
});

describe("a server without TLS", () => {
  test("is refused by all that connect where PGSSLMODE requires it", async () => {
    vi.stubEnv("PGSSLMODE", "require");
    const fact = /: PGSSLMODE requires TLS, which the server does not support\./;
    const remedy =
      "Turn TLS on at the server, or unset PGSSLMODE (the connection is then not encrypted).";
    await expect(migrate(database.url)).rejects.toMatchObject({
      code: "connect",
      fact: expect.stringMatching(fact),
      outcome: "nothing-run",
      remedy,
    });
    await expect(ask(database.url)).rejects.toMatchObject({
      code: "connect",
      fact: expect.stringMatching(fact),
      remedy,
    });
    const scratch = { url: database.url, dir: folder.dir };
    await expect(withScratchServer(scratch, async () => undefined)).rejects.toMatchObject({
      code: "connect",
      fact: expect.stringMatching(/requires TLS/),
    });
  });

  test("is spoken to without where TLS is only preferred, and its refusals are its own", async () => {
    expect(await migrate(`${database.url}?sslmode=prefer`)).toMatchObject({ outcome: "applied" });
    const url = new URL(`${database.url}?sslmode=prefer`);
    url.password = "wrong";
    await expect(migrate(url.href)).rejects.toMatchObject({
      code: "connect",
      message: expect.stringMatching(/password authentication failed/),
    });
    await expect(ask(url.href)).rejects.toMatchObject({
      message: expect.stringMatching(/password authentication failed/),
    });
  });
});
