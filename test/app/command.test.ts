import { expect, test } from "vitest";
import { runCommand } from "../../src/app/command.ts";
import { NO_WORK } from "../helpers/app-command.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers({ database: "each" });

const ENDLESS = new AbortController().signal;

async function run(...args: readonly string[]) {
  let out = "";
  let err = "";
  const code = await runCommand({
    args,
    signal: ENDLESS,
    openDatabase: async () => ({
      url: app.url,
      migrationUrl: app.url,
      release: async () => undefined,
    }),
    out: (text) => {
      out += text;
    },
    work: NO_WORK,
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

/** One user whose row the tables refuse, and one whom they take. */
async function quarantineOne() {
  const { orgs, users } = app.commands;
  const call = { instanceId: app.instance, creator: "tester" };
  await orgs.add({ ...call, id: "engines", name: "Engines" });
  await app.pool.query(
    "alter table projections.users add constraint no_bad check (username <> 'bad')",
  );
  for (const username of ["bad", "good"]) {
    await users.addMachine({ ...call, id: username, org: "engines", username, name: username });
  }
  await app.projectAll();
}

test("status shows how far each projection is, and what it holds back", async () => {
  await app.projectAll();
  expect((await run("projections", "status")).out).toMatch(/^projection +state .*\norgs +running/);
  await quarantineOne();
  const { code, out } = await run("projections", "status");
  expect(code).toBe(0);
  expect(out).toMatch(/\nusers +running +\d+ +0 +0\.0 +1\n/);
  expect(out).toMatch(/\nusers: user bad of test-\d+, since event 1: .*no_bad/);
  const json = JSON.parse((await run("projections", "status", "--json")).out);
  expect(json).toMatchObject({
    projections: [{ name: "orgs" }, { name: "users", quarantined: 1 }],
    quarantined: [{ projection: "users", aggregateId: "bad" }],
  });
});

test("retry handles again what is held back, once its cause is gone", async () => {
  await quarantineOne();
  const again = await run("projections", "retry", "users");
  expect(again).toMatchObject({ code: 1, out: expect.stringContaining("failed again") });
  await app.pool.query("alter table projections.users drop constraint no_bad");
  expect(await run("projections", "retry", "users", "--id", "good")).toEqual({
    code: 0,
    out: "Nothing is held back.\n",
    err: "",
  });
  expect(await run("projections", "retry", "users", "--instance", app.instance)).toEqual({
    code: 0,
    out: `user bad of ${app.instance}: released, 1 event handled\n`,
    err: "",
  });
  expect(await app.pool.query("select id from projections.users order by id")).toEqual([
    { id: "bad" },
    { id: "good" },
  ]);
});

test("rebuild makes the tables anew from the events", async () => {
  await quarantineOne();
  await app.pool.query("alter table projections.users drop constraint no_bad");
  await app.pool.query("update projections.users set username = 'spoiled'");
  const { code, out, err } = await run("projections", "rebuild", "users");
  expect({ code, out }).toEqual({
    code: 0,
    out: expect.stringMatching(/^Rebuilt users from 2 events in /),
  });
  expect(err).toContain("Building in the schema projections_rebuild_users.");
  expect(await app.pool.query("select username from projections.users order by id")).toEqual([
    { username: "bad" },
    { username: "good" },
  ]);
  expect((await run("projections", "rebuild", "users", "--abandon")).out).toBe(
    "There is no rebuild to give up.\n",
  );
});

test("what is not understood exits with 2 and says what is possible", async () => {
  expect(await run("projections", "retry", "nothing")).toMatchObject({
    code: 2,
    err: expect.stringContaining("Name one of orgs, users."),
  });
  expect(await run("projections", "restart")).toMatchObject({
    code: 2,
    err: expect.stringContaining("unknown command"),
  });
  expect(await run("--help")).toMatchObject({
    code: 0,
    out: expect.stringContaining("projections"),
  });
});
