import { request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { startApp } from "../helpers/app-process.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase({ template: "migrated" });
const TOKEN = "a-token-of-sixteen-or-more";
const PASSWORD = "correct horse";
const ORG = { id: "engines", name: "Engines" };
const ADA = {
  type: "human",
  id: "ada",
  org: "engines",
  username: "ada",
  email: "ada@example.com",
  firstName: "<Ada>",
  lastName: "Lovelace",
  password: PASSWORD,
};

/** The application with its own migrations. */
function start(env: Readonly<Record<string, string>> = {}) {
  const app = startApp(process.cwd(), { DATABASE_URL: database.url, LOG_LEVEL: "debug", ...env });
  onTestFinished(() => {
    app.child.kill("SIGKILL");
  });
  return app;
}

function post(url: string, body: object, headers: Readonly<Record<string, string>> = {}) {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", prefer: "wait=10", ...headers },
    body: JSON.stringify(body),
  });
}

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

test("in development users live on the same port, on pages too, and hashes nowhere", async () => {
  const app = start();
  await app.isReady();
  const url = await app.url;
  expect((await post(`${url}/orgs`, ORG)).status).toBe(201);
  const added = await post(`${url}/users`, ADA);
  expect(added.status).toBe(201);
  expect(added.headers.get("preference-applied")).toBe("wait");
  const one = await fetch(`${url}/users/ada`);
  expect(await one.json()).toMatchObject({ human: { hasPassword: true } });

  const page = async (path: string) => {
    const response = await fetch(url + path, { headers: { accept: "text/html,*/*;q=0.8" } });
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    return response.text();
  };
  const list = await page("/users");
  expect(list).toContain("/users/ada/events?instance=demo");
  expect(list).toContain("&lt;Ada&gt; Lovelace");
  const events = await page("/users/ada/events");
  expect(events).toContain("user.human.password.changed");
  expect(events).toContain("********");
  expect(events).not.toContain("argon2");
  expect(await page("/users/nobody/events")).toContain("No events.");
  // The instance that is furthest behind may be another one, with the migrations' events.
  await expect
    .poll(async () => (await app.readyz()).body.projections, { timeout: 20_000 })
    .toEqual([
      expect.objectContaining({ name: "orgs", state: "running", lagEvents: 0, quarantined: 0 }),
      expect.objectContaining({ name: "users", state: "running", lagEvents: 0, quarantined: 0 }),
    ]);
  expect((await app.readyz()).status).toBe(200);
  const front = await page("/");
  expect(front).toContain('<a href="/users">');
  expect(front).toMatch(/<td>users<\/td>\s*<td class="good">running/);
  // A website that gives its own name this machine's address reads and does nothing.
  expect(await statusAs("rebound.example.com", `${url}/users`)).toBe(403);

  app.child.kill("SIGTERM");
  const { code, log } = await app.end;
  expect(code).toBe(0);
  expect(log).toContain("projected");
  expect(log).not.toMatch(/argon2|correct horse/);
});

test("in production they are where the details are, and nowhere else", async () => {
  const app = start({ NODE_ENV: "production", MANAGEMENT_PORT: "0", APP_INSTANCE: "acme" });
  await app.isReady();
  const [open, details] = [await app.url, await app.detailsUrl];
  for (const path of ["/users", "/orgs", "/openapi.json", "/users/ada/events"]) {
    expect((await fetch(open + path)).status, path).toBe(404);
  }
  expect((await post(`${open}/orgs`, ORG)).status).toBe(404);
  expect((await post(`${details}/orgs`, ORG)).status).toBe(201);
  const { orgs } = (await (await fetch(`${details}/orgs`)).json()) as { orgs: object[] };
  expect(orgs).toEqual([expect.objectContaining({ id: "engines" })]);
  const [row] = await database.sql`
    select instance_id from projections.orgs where id = 'engines'`;
  expect(row).toEqual({ instance_id: "acme" });
});

test("with a token they are on the public port too, for who sends it; the pages are not", async () => {
  const app = start({ NODE_ENV: "production", MANAGEMENT_PORT: "0", API_TOKEN: TOKEN });
  await app.isReady();
  const open = await app.url;
  expect((await post(`${open}/orgs`, ORG)).status).toBe(401);
  const authorization = `Bearer ${TOKEN}`;
  expect((await post(`${open}/orgs`, ORG, { authorization })).status).toBe(201);
  const list = await fetch(`${open}/users`, { headers: { authorization, accept: "text/html" } });
  expect(list.headers.get("content-type")).toBe("application/json");
  const headers = { authorization };
  expect((await fetch(`${open}/users/ada/events`, { headers })).status).toBe(404);
});

test("what a process has not projected, the next one does", async () => {
  const first = start();
  await first.isReady();
  const url = await first.url;
  await post(`${url}/orgs`, ORG);
  for (let i = 0; i < 30; i += 1) {
    const headers = { prefer: "respond-async" };
    const machine = { type: "machine", id: `m${i}`, org: "engines", username: `m${i}`, name: "M" };
    expect((await post(`${url}/users`, machine, headers)).status).toBe(201);
  }
  first.child.kill("SIGKILL");
  await first.end;
  const second = start();
  await second.isReady();
  const count = async () => {
    const [row] = await database.sql<{ count: number }[]>`
      select count(*)::int as count from projections.users`;
    return row?.count;
  };
  await expect.poll(count, { timeout: 20_000 }).toBe(30);
});
