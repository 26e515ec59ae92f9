import { inspect } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { usePools } from "../helpers/pool-fixture.ts";
import {
  startClosingServer,
  started,
  startProxy,
  startRefusingServer,
  startSilentServer,
} from "../helpers/pool-network.ts";

const pools = usePools("empty");

describe("a server that cannot be reached", () => {
  test("refuses the connection: who, where, why, and what to do", async () => {
    const server = await startSilentServer(pools.url);
    await server.close();
    const url = new URL(server.url);
    const database = url.pathname.slice(1);
    url.username = "ada";
    url.password = "geheim";
    const error = await pools
      .open({ url: url.href })
      .query("select 1")
      .catch((thrown) => thrown);
    expect(error).toMatchObject({
      name: "DatabaseError",
      code: "connect",
      message: `Cannot connect to postgres://ada@${url.host}/${database}: connect ECONNREFUSED ${url.host}. Start the server there, or correct the host and port.`,
      cause: { code: "ECONNREFUSED" },
    });
    expect(inspect(error, { depth: 9 })).not.toContain("geheim");
  });

  test("wants another password", async () => {
    const server = await started(startRefusingServer(pools.url));
    const url = new URL(server.url);
    url.password = "geheim";
    const error = await pools
      .open({ url: url.href })
      .query("select 1")
      .catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: "connect",
      message: expect.stringMatching(
        /password authentication failed \(28P01\)\. Correct the user or/,
      ),
      cause: { code: "28P01" },
    });
    expect(inspect(error, { depth: 9 })).not.toContain("geheim");
  });

  test("has no such database", async () => {
    const url = new URL(pools.url);
    url.pathname = "/not_there";
    await expect(pools.open({ url: url.href }).query("select 1")).rejects.toMatchObject({
      code: "connect",
      message: expect.stringContaining('"not_there" does not exist (3D000). Create the database'),
    });
  });

  test("says nothing: given up after connectTimeoutMs", async () => {
    const { url } = await started(startSilentServer(pools.url));
    await expect(pools.open({ url, connectTimeoutMs: 50 }).query("select 1")).rejects.toMatchObject(
      {
        code: "connect",
        message: expect.stringContaining("no answer for 50 ms"),
      },
    );
  });

  test("hangs up: one error, and no loop of new connections", async () => {
    const server = await started(startClosingServer(pools.url));
    await expect(pools.open({ url: server.url }).query("select 1")).rejects.toMatchObject({
      code: "connect",
      message: expect.stringContaining("the server closed the connection"),
    });
    expect(server.accepted()).toBe(1);
  });

  test("speaks no TLS where `ssl` asks for it", async () => {
    const { url } = await started(startClosingServer(pools.url));
    const asked = pools.open({ url, ssl: "require" }).query("select 1");
    await expect(asked).rejects.toMatchObject({ code: "connect" });
  });

  test("dies while the driver learns types: it must not, for nobody could catch that", async () => {
    const { url } = await started(startProxy(pools.url, { text: "pg_type", when: "before" }));
    expect(await pools.open({ url }).queryOne("select 1 as a")).toEqual({ a: 1 });
  });

  test("is passed over for the next host of the list", async () => {
    const dead = await startSilentServer(pools.url);
    await dead.close();
    const { host } = new URL(pools.url);
    const url = pools.url.replace(host, `${new URL(dead.url).host},${host}`);
    expect(await pools.open({ url }).queryOne("select 1 as a")).toEqual({ a: 1 });
  });

  test("is not passed over when it refuses the login", async () => {
    const first = await started(startRefusingServer(pools.url));
    const second = await started(startRefusingServer(pools.url));
    const { host } = new URL(first.url);
    const url = first.url.replace(host, `${host},${new URL(second.url).host}`);
    await expect(pools.open({ url }).query("select 1")).rejects.toMatchObject({ code: "connect" });
    expect([first.accepted(), second.accepted()]).toEqual([1, 0]);
  });

  test("comes back: the pool needs no restart", async () => {
    const proxy = await started(startProxy(pools.url));
    const pool = pools.open({ url: proxy.url });
    await pool.query("select 1");
    proxy.cutAll();
    await vi.waitFor(async () => expect(await pool.queryOne("select 1 as a")).toEqual({ a: 1 }));
  });
});
