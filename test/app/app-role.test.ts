import { expect, onTestFinished, test } from "vitest";
import { runCommand } from "../../src/app/command.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { NO_WORK } from "../helpers/app-command.ts";
import { startApp } from "../helpers/app-process.ts";
import { type Prepared, unprepared } from "../helpers/prepared-database.ts";

const ADA = {
  type: "human",
  id: "ada",
  org: "engines",
  username: "ada",
  email: "ada@example.com",
  firstName: "Ada",
  lastName: "Lovelace",
};

function post(url: string, body: object) {
  const headers = {
    "content-type": "application/json",
    prefer: "wait=10",
    "idempotency-key": String(Reflect.get(body, "id")),
  };
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
}

async function run({ appUrl, migrationUrl }: Prepared, ...args: readonly string[]) {
  let out = "";
  const code = await runCommand({
    args,
    signal: new AbortController().signal,
    openDatabase: async () => ({ url: appUrl, migrationUrl, release: async () => undefined }),
    out: (text) => {
      out += text;
    },
    work: NO_WORK,
    err: (text) => {
      out += text;
    },
  });
  return { code, out };
}

test("the application waits, serves, appends, projects and rebuilds as a role that may change no object", async () => {
  const prepared = unprepared();
  await prepared.init();
  const env = { DATABASE_URL: prepared.appUrl, MIGRATE_ON_BOOT: "wait" };
  const app = startApp(process.cwd(), env);
  onTestFinished(() => {
    app.child.kill("SIGKILL");
  });
  const url = await app.url;
  await expect.poll(async () => (await app.readyz()).body).toMatchObject({ status: "waiting" });
  await new DatabaseMigrator({ url: prepared.migrationUrl, dir: "drizzle" }).migrate();
  await app.isReady();
  expect((await post(`${url}/orgs`, { id: "engines", name: "Engines" })).status).toBe(201);
  expect((await post(`${url}/users`, ADA)).status).toBe(201);
  const ada = async () => (await fetch(`${url}/users/ada`)).json();
  expect(await ada()).toMatchObject({ username: "ada", state: "initial" });

  expect(await run(prepared, "projections", "status")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/users +running/),
  });
  // By the owner: it swaps tables. What it makes is the application's to use again.
  expect(await run(prepared, "projections", "rebuild", "users")).toMatchObject({ code: 0 });
  expect(await ada()).toMatchObject({ username: "ada" });
  expect(
    (await post(`${url}/users`, { ...ADA, id: "eve", username: "eve", email: "eve@example.com" }))
      .status,
  ).toBe(201);
  expect((await fetch(`${url}/users/eve`)).status).toBe(200);
  app.child.kill("SIGTERM");
  expect((await app.end).log).not.toMatch(/permission denied/);
});
