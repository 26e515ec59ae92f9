import { Validator } from "@seriousme/openapi-schema-validator";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { createReads } from "../../src/app/aggregates.ts";
import { createApi, type Services } from "../../src/app/api/index.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers();

const ADA = {
  type: "human",
  id: "ada",
  org: "engines",
  username: "ada",
  email: "ada@example.com",
  firstName: "Ada",
  lastName: "Lovelace",
  password: "correct horse",
};

interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const defects = vi.fn();
let services: Services | undefined;
let api: ReturnType<typeof createApi>;

beforeEach(() => {
  defects.mockClear();
  const { commands, pool, store } = app;
  services = {
    commands,
    reads: createReads({ pool, store }),
    waitFor: async () => {
      await app.project();
      return true;
    },
  };
  api = open();
});

function open(token?: string) {
  return createApi({
    services: () => services,
    instance: app.instance,
    token,
    onDefect: defects,
  });
}

async function ask(method: string, path: string, { body, headers }: Asked = {}) {
  const response = await api.request(path, {
    method,
    headers: { host: "localhost", ...(body !== undefined && JSON_BODY), ...headers },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  // Whatever is answered: no password and no hash is in it.
  expect(text).not.toMatch(/argon2|correct horse|battery staple/);
  const { status, headers: answered } = response;
  return { status, headers: answered, json: JSON.parse(text) as Record<string, unknown> };
}

const JSON_BODY = { "content-type": "application/json" };
const addOrg = () => ask("POST", "/orgs", { body: { id: "engines", name: "Engines" } });
const addAda = (more: object = {}) => ask("POST", "/users", { body: { ...ADA, ...more } });
const readable = (position: unknown) => `waitFor=${position}`;

describe("commands", () => {
  beforeEach(async () => {
    await addOrg();
  });

  test("a person is added, and read as soon as it is wanted", async () => {
    const { status, headers, json } = await addAda();
    expect(status).toBe(201);
    expect(headers.get("location")).toBe("/users/ada");
    expect(headers.get("etag")).toBe('"2"');
    expect(json).toEqual({ id: "ada", version: 2, position: expect.any(Number) });
    const read = await ask("GET", `/users/ada?${readable(json.position)}`);
    expect(read.status).toBe(200);
    expect(read.headers.get("etag")).toBe('"2"');
    expect(read.json).toMatchObject({
      id: "ada",
      org: "engines",
      state: "initial",
      human: { displayName: "Ada Lovelace", hasPassword: true },
    });
    expect(read.json).not.toHaveProperty("machine");
  });

  test.each([
    ["PUT", "/users/ada/username", { username: "augusta" }, { username: "augusta" }],
    [
      "PUT",
      "/users/ada/profile",
      { firstName: "Augusta", lastName: "King" },
      { human: { displayName: "Augusta King" } },
    ],
    ["PUT", "/users/ada/email", { email: "a@b.example" }, { human: { email: "a@b.example" } }],
    ["PUT", "/users/ada/phone", { phone: "+4930123456" }, { human: { phone: "+4930123456" } }],
    [
      "PUT",
      "/users/ada/password",
      { password: "battery staple" },
      { human: { hasPassword: true } },
    ],
    ["POST", "/users/ada/email/verify", undefined, { human: { isEmailVerified: true } }],
    ["POST", "/users/ada/lock", undefined, { state: "locked" }],
    ["DELETE", "/users/ada/phone", undefined, { human: { phone: null } }],
  ])("%s %s", async (method, path, body, expected) => {
    await addAda();
    const { status, json } = await ask(method, path, body === undefined ? {} : { body });
    expect(status).toBe(200);
    expect((await ask("GET", `/users/ada?${readable(json.position)}`)).json).toMatchObject(
      expected,
    );
  });

  test("a machine lives its life", async () => {
    const machine = { type: "machine", id: "ci", org: "engines", username: "ci", name: "CI" };
    expect((await ask("POST", "/users", { body: machine })).status).toBe(201);
    const body = { name: "Build", accessTokenType: "jwt" };
    const steps: readonly (readonly [string, string, unknown, object])[] = [
      ["PUT", "/machine", body, { machine: { ...body, description: null, hasSecret: false } }],
      ["PUT", "/secret", { secret: "s".repeat(24) }, { machine: { hasSecret: true } }],
      ["DELETE", "/secret", undefined, { machine: { hasSecret: false } }],
      ["POST", "/deactivate", undefined, { state: "inactive" }],
      ["POST", "/reactivate", undefined, { state: "active" }],
      ["POST", "/lock", undefined, { state: "locked" }],
      ["POST", "/unlock", undefined, { state: "active" }],
    ];
    for (const [method, path, sent, expected] of steps) {
      const { json } = await ask(
        method,
        `/users/ci${path}`,
        sent === undefined ? {} : { body: sent },
      );
      const read = await ask("GET", `/users/ci?${readable(json.position)}`);
      expect(read.json, path).toMatchObject(expected);
    }
    const { json } = await ask("DELETE", "/users/ci");
    expect((await ask("GET", `/users/ci?${readable(json.position)}`)).status).toBe(404);
  });

  test("an organisation lives its life", async () => {
    await ask("PUT", "/orgs/engines/name", { body: { name: "Analytical" } });
    await ask("PUT", "/orgs/engines/domain", { body: { domain: "engines.example" } });
    await ask("POST", "/orgs/engines/deactivate");
    await ask("POST", "/orgs/engines/reactivate");
    await ask("DELETE", "/orgs/engines");
    expect((await ask("GET", "/orgs/engines?waitFor=1")).json).toMatchObject({
      name: "Analytical",
      primaryDomain: "engines.example",
      state: "removed",
      version: 6,
    });
  });

  test("waits for the projections where the client prefers to", async () => {
    const headers = { prefer: "respond-async, wait=3" };
    const { headers: answered } = await ask("POST", "/users", { body: ADA, headers });
    expect(answered.get("preference-applied")).toBe("wait");
    expect((await ask("GET", "/users/ada")).status).toBe(200);
  });

  test("says who did it, and in which instance", async () => {
    const headers = { "x-actor": "grace", "x-instance": `${app.instance}-other` };
    await ask("POST", "/orgs", { body: { id: "engines", name: "Engines" }, headers });
    const rows = await app.pool.query(
      "select creator from eventstore.events where instance_id = $1",
      [`${app.instance}-other`],
    );
    expect(rows).toEqual([{ creator: "grace" }]);
  });

  test("a repeated request with a key is done once", async () => {
    const headers = { "idempotency-key": '"8e03978e"' };
    const { id: _, ...body } = ADA;
    const first = await ask("POST", "/users", { body, headers });
    expect((await ask("POST", "/users", { body, headers })).json).toEqual(first.json);
    const other = await ask("POST", "/users", { body: { ...body, lastName: "King" }, headers });
    expect(other).toMatchObject({ status: 422, json: { code: "idempotency_mismatch" } });
  });

  test("a repeated request with a key is answered as before, whatever has become of the organisation", async () => {
    const headers = { "idempotency-key": "8e03978e" };
    const first = await ask("POST", "/users", { body: ADA, headers });
    await ask("POST", "/orgs/engines/deactivate");
    const again = await ask("POST", "/users", { body: ADA, headers });
    expect(again).toMatchObject({ status: 201, json: first.json });
    expect(await addAda({ id: "b", username: "b" })).toMatchObject({ status: 409 });
  });
});

describe("refusals", () => {
  beforeEach(async () => {
    await addOrg();
    await addAda();
  });

  test("a change of an older version names both", async () => {
    const headers = { "if-match": '"1"' };
    const { status, headers: answered, json } = await ask("POST", "/users/ada/lock", { headers });
    expect(status).toBe(409);
    expect(answered.get("content-type")).toBe("application/problem+json");
    expect(json).toEqual({
      type: "urn:tidemark:problem:concurrency_conflict",
      title: "Changed by somebody else",
      status: 409,
      code: "concurrency_conflict",
      detail: expect.any(String),
      expected: 1,
      actual: 2,
    });
  });

  test("a taken name is named, and not whose it is", async () => {
    const { status, json } = await addAda({ id: "other", username: "ADA" });
    expect(status).toBe(409);
    expect(json).toMatchObject({ code: "unique_violation", field: "username", value: "ada" });
    expect(JSON.stringify(json)).not.toMatch(/Lovelace|engines/);
  });

  test("every wrong field is named, and no value", async () => {
    const body = { ...ADA, username: "", email: "nobody", emial: "x", password: "corr" };
    const { status, json } = await ask("POST", "/users", { body });
    expect(status).toBe(422);
    expect(json.fields).toEqual(
      expect.arrayContaining([
        { path: "username", message: expect.any(String) },
        { path: "email", message: expect.any(String) },
        { path: "password", message: expect.any(String) },
      ]),
    );
    expect(JSON.stringify(json)).not.toMatch(/corr"|nobody/);
    expect((await addAda({ type: "robot" })).status).toBe(422);
  });

  test.each([
    ["POST", "/users/nobody/lock", {}, 404, "not_found"],
    ["GET", "/users/nobody", {}, 404, "not_found"],
    ["POST", "/users", { body: ADA }, 409, "already_exists"],
    ["POST", "/users/ada/deactivate", {}, 409, "invalid_state"],
    ["POST", "/users/ada/phone/verify", {}, 409, "precondition"],
    ["POST", "/users", { body: "{" }, 400, "malformed_json"],
    ["POST", "/users", { body: `"${"x".repeat(70_000)}"` }, 413, "too_large"],
    ["POST", "/users", { body: "a=b", headers: { "content-type": "text/plain" } }, 415, "not_json"],
    ["POST", "/users/ada/lock", { headers: { "if-match": "three" } }, 400, "bad_header"],
    ["POST", "/users/ada/lock", { headers: { "x-instance": "a/b" } }, 400, "bad_header"],
    ["GET", "/users?limit=many", {}, 422, "validation"],
    ["GET", "/users/%00", {}, 422, "validation"],
    ["GET", "/users?username=%00", {}, 422, "validation"],
    ["DELETE", "/orgs/a%00", {}, 422, "validation"],
    ["PUT", "/users/ada/username", { body: { username: "a\0" } }, 422, "validation"],
    ["PUT", "/users/ada/username", { body: { username: "a\ud800" } }, 422, "validation"],
    ["PUT", "/users/ada/password", { body: { password: "12345678\0" } }, 422, "validation"],
    ["POST", "/users/ada/lock", { headers: { origin: "https://evil.example" } }, 403, "cross_site"],
  ] as const)("%s %s %j is %i %s", async (method, path, asked, status, code) => {
    expect(await ask(method, path, asked)).toMatchObject({ status, json: { code, status } });
  });

  test("until the application is ready", async () => {
    services = undefined;
    const { status, headers, json } = await ask("GET", "/users");
    expect({ status, code: json.code }).toEqual({ status: 503, code: "not_ready" });
    expect(headers.get("retry-after")).toBe("1");
  });

  test("while the projections are behind what is waited for", async () => {
    if (services !== undefined) services = { ...services, waitFor: async () => false };
    expect(await ask("GET", "/users?waitFor=99")).toMatchObject({
      status: 503,
      json: { code: "behind" },
    });
  });

  test("of everybody without the token, where there is one", async () => {
    api = open("a-token-of-sixteen-or-more");
    const refused = await ask("GET", "/users");
    expect(refused).toMatchObject({ status: 401, json: { code: "unauthorized" } });
    expect(refused.headers.get("www-authenticate")).toBe("Bearer");
    const ask2 = (token: string) =>
      ask("GET", "/users", { headers: { authorization: `Bearer ${token}` } });
    expect((await ask2("a-token-of-sixteen-or-less")).status).toBe(401);
    expect((await ask2("a-token-of-sixteen-or-more")).status).toBe(200);
    expect((await ask("GET", "/openapi.json")).status).toBe(401);
  });
});

test("a list goes on page by page, and is filtered", async () => {
  await addOrg();
  for (const id of ["a", "b", "c"]) {
    await ask("POST", "/users", {
      body: { type: "machine", id, org: "engines", username: `m-${id}`, name: id },
    });
  }
  await addAda({ id: "d" });
  const idsOf = ({ json }: { json: Record<string, unknown> }) =>
    (json.users as { id: string }[]).map(({ id }) => id);
  const first = await ask("GET", "/users?limit=2&waitFor=1");
  expect(idsOf(first)).toEqual(["a", "b"]);
  expect(first.json.next).toBe("b");
  const rest = await ask("GET", "/users?limit=2&after=b");
  expect(idsOf(rest)).toEqual(["c", "d"]);
  expect(rest.json.next).toBeNull();
  expect(idsOf(await ask("GET", "/users?type=human"))).toEqual(["d"]);
  expect(idsOf(await ask("GET", "/users?username=m-c"))).toEqual(["c"]);
  expect(idsOf(await ask("GET", "/users?org=nowhere"))).toEqual([]);
  expect((await ask("GET", "/orgs")).json).toMatchObject({ orgs: [{ id: "engines" }], next: null });
});

test("the OpenAPI document is valid, and names every route", async () => {
  const { json } = await ask("GET", "/openapi.json");
  const { valid, errors } = await new Validator().validate(json);
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  const described = Object.entries(json.paths as Record<string, object>).flatMap(
    ([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = api.routes
    .filter(({ method, path }) => method !== "ALL" && path !== "/openapi.json")
    .map(({ method, path }) => `${method} ${path.replace(":id", "{id}")}`);
  expect(described.toSorted()).toEqual([...new Set(routes)].toSorted());
  expect(described).toHaveLength(27);
});
