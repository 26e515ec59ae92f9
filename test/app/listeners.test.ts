import { randomInt } from "node:crypto";
import { request } from "node:http";
import { createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { useApp } from "../helpers/app-fixture.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { THREE } from "../helpers/history.ts";
import { tcpProxy } from "../helpers/network.ts";

const fixture = useApp();

const IN_PRODUCTION = { NODE_ENV: "production", MANAGEMENT_PORT: "0" };
const PATHS = ["/", "/readyz", "/migrations", "/healthz", "/nothing"];

/** Fails at two rows, below a statement with a password. */
const FAILING = {
  "0000_create_notes": THREE["0000_create_notes"],
  "0001_unique_notes": `insert into notes (body) values ('s3cret-row'), ('s3cret-row');
create role never_made login password 's3cret-word';
create unique index on notes (body);`,
};

async function startFailing(env: Readonly<Record<string, string>>): Promise<AppProcess> {
  await fixture.release(FAILING);
  const app = fixture.start({ FAILURE_LINGER_SECONDS: "30", ...env });
  const status = async () => (await app.readyz()).body.status;
  await expect.poll(status, { timeout: 20_000 }).toBe("failed");
  return app;
}

async function read(url: string) {
  const response = await fetch(url);
  const { status, headers } = response;
  return { status, headers: Object.fromEntries(headers), text: await response.text() };
}

/** What a person reads on a page. */
const textOf = (page: string) =>
  page
    .replace(/<head>.*<\/head>/s, "")
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();

/** The status for a client that takes the server for this host. */
function statusAs(host: string, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

/** A port at which something else listens, below those that the system hands out. */
async function takenPort(): Promise<number> {
  const port = randomInt(20_000, 32_000);
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.close();
  });
  return port;
}

/** What each answer tells a browser that it may do. */
function expectStrictHeaders(headers: Readonly<Record<string, string>>, path: string): void {
  expect(headers, path).toMatchObject({
    "content-security-policy": expect.stringMatching(
      /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
  });
  // Whether a domain is HTTPS for good is not for a process behind a proxy to say.
  expect(headers).not.toHaveProperty("strict-transport-security");
}

describe("in production", () => {
  test("the world is told the state and the tag, and the details are on a port of this machine, for no website", async () => {
    const app = await startFailing(IN_PRODUCTION);
    const [open, details] = [await app.url, await app.detailsUrl];
    for (const path of PATHS) {
      const { text, headers } = await read(`${open}${path}`);
      const all = text + JSON.stringify(headers);
      for (const word of ["s3cret", "never_made", "unique index", "23505", "postgres", "127.0.0"]) {
        expect(all, path).not.toContain(word);
      }
      expectStrictHeaders(headers, path);
      expectStrictHeaders((await read(`${details}${path}`)).headers, path);
    }
    expect(await read(`${open}/readyz`)).toMatchObject({
      status: 503,
      text: JSON.stringify({ status: "failed", tag: "0001_unique_notes" }),
    });
    expect(textOf((await read(`${open}/`)).text)).toBe(
      "Tidemark failed: 0001_unique_notes As JSON: /readyz, /healthz. The details are on the management port.",
    );
    expect((await read(`${open}/migrations`)).status).toBe(404);

    expect(JSON.parse((await read(`${details}/readyz`)).text)).toMatchObject({
      status: "failed",
      error: { code: "migration_failed", fact: expect.stringContaining("statement 3 of 3") },
    });
    expect((await read(`${details}/migrations`)).text).toContain(`"state":"FAILED"`);
    expect(textOf((await read(`${details}/`)).text)).toContain(
      "Next: correct drizzle/0001_unique_notes.sql",
    );
    // A website that gives its own name this machine's address reads none of it.
    for (const path of ["/", "/migrations", "/readyz"]) {
      expect(await statusAs("rebound.example.com", details + path), path).toBe(403);
    }
    expect(await statusAs("localhost:13000", `${details}/migrations`)).toBe(200);
    expect(await statusAs("rebound.example.com", `${details}/healthz`)).toBe(200);
  });

  test("a default port for the details that is taken is no reason not to serve", async () => {
    const taken = await takenPort();
    const app = fixture.start({ NODE_ENV: "production", PORT: String(taken - 10_000) });
    await app.isReady();
    expect(app.log()).toContain(`no details over HTTP: Cannot listen on 127.0.0.1:${taken}`);
    expect((await read(`${await app.url}/migrations`)).status).toBe(404);
  });

  test("one that was asked for is", async () => {
    const taken = await takenPort();
    const { code, log } = await fixture.start({ MANAGEMENT_PORT: String(taken) }).end;
    expect(log).toContain(`Cannot listen on 127.0.0.1:${taken}`);
    expect(log).toContain("Set MANAGEMENT_PORT (or MANAGEMENT_HOST) to a free one.");
    expect(code).toBe(2);
  });
});

describe("in development", () => {
  test("where other machines can reach the port, the details are on another one, and the log says so", async () => {
    const app = fixture.start({ HOST: "0.0.0.0" });
    await app.isReady();
    expect((await read(`${await app.url}/migrations`)).status).toBe(404);
    const details = await app.detailsUrl;
    expect((await read(`${details}/migrations`)).status).toBe(200);
    expect(app.log()).toContain(
      `details on http://localhost:${new URL(details).port}, because other machines can reach HOST=0.0.0.0`,
    );
  });
});

test("three hundred requests at once share what is read: few connections, the end of a long log", async () => {
  const proxy = await tcpProxy(fixture.database.url);
  onTestFinished(proxy.close);
  const app = fixture.start({ DATABASE_URL: proxy.url });
  await app.isReady();
  const { sql } = fixture.database;
  const columns = sql`type, run_id, tag, attempt, checksum, payload, db_user, host, process_id,
    backend_pid, backend_start, tool_version`;
  await sql`insert into tidemark.migration_events (${columns})
    select ${columns} from tidemark.migration_events, generate_series(1, 1000)`;
  /** What the server sees of requests for a path. */
  const costOf = async (path: string) => {
    const url = (await app.url) + path;
    const before = proxy.traffic();
    const answers = await Promise.all(Array.from({ length: 300 }, () => read(url)));
    const after = proxy.traffic();
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    return { clients: after.clients - before.clients, bytes: after.bytes - before.bytes };
  };
  const page = await costOf("/");
  // One for the status and one for the log, once a second.
  expect(page.clients).toBeLessThanOrEqual(30);
  expect(page.bytes).toBeLessThan(500_000);
  expect((await costOf("/readyz")).clients).toBeLessThanOrEqual(1);
  expect((await read(`${await app.url}/`)).text.match(/<td>done<\/td>/g)?.length).toBe(15);
  // Its state table is the fold of other rows.
  await sql`drop schema tidemark cascade`;
});
