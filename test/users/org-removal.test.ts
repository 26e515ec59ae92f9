import { beforeEach, expect, test } from "vitest";
import type { EventStore } from "../../src/eventstore/index.ts";
import { createOrgCommands, createUserCommands } from "../../src/users/index.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers();
let call = { instanceId: "", creator: "tester" };

beforeEach(async () => {
  call = { instanceId: app.instance, creator: "tester" };
  await app.commands.orgs.add({ ...call, id: "engines", name: "Engines" });
});

const addUser = ({ users }: { users: ReturnType<typeof createUserCommands> }) =>
  users.addMachine({ ...call, id: "ci", org: "engines", username: "ci", name: "CI" });
const removeOrg = ({ orgs }: { orgs: ReturnType<typeof createOrgCommands> }) =>
  orgs.remove({ ...call, id: "engines" });

/** The store, with something that happens between a command's look around and its append. */
function storeWith(between: () => Promise<unknown>): EventStore {
  let isFirst = true;
  const first = async () => {
    if (!isFirst) return;
    isFirst = false;
    await between();
  };
  return {
    ...app.store,
    push: async (...args) => {
      await first();
      return app.store.push(...args);
    },
    execute: async (...args) => {
      await first();
      return app.store.execute(...args);
    },
  };
}

async function expectNobodyLeft() {
  await app.project();
  for (const table of ["projections.users", "eventstore.unique_constraints"]) {
    const left = await app.pool.query(`select from ${table} where instance_id = $1`, [
      app.instance,
    ]);
    expect(left, table).toEqual([]);
  }
}

test("who adds a user to an organisation that is removed meanwhile takes it back, and is refused", async () => {
  const store = storeWith(() => removeOrg(app.commands));
  const adding = addUser({ users: createUserCommands({ store }) });
  await expect(adding).rejects.toMatchObject({ code: "not_found" });
  await expectNobodyLeft();
});

test("who removes an organisation removes whoever was added meanwhile", async () => {
  const store = storeWith(() => addUser(app.commands));
  await removeOrg({ orgs: createOrgCommands({ store }) });
  await expectNobodyLeft();
});

test("a user who takes another name meanwhile goes too, and nobody who takes the old one does", async () => {
  const { users, orgs } = app.commands;
  await addUser(app.commands);
  await orgs.add({ ...call, id: "harbour", name: "Harbour" });
  const store = storeWith(async () => {
    await users.changeUsername({ ...call, id: "ci", username: "build" });
    await users.addMachine({ ...call, id: "other", org: "harbour", username: "ci", name: "CI" });
  });
  await removeOrg({ orgs: createOrgCommands({ store }) });
  await app.project();
  const left = await app.pool.query<{ field: string }>(
    `select unique_field as field from eventstore.unique_constraints
     where instance_id = $1 order by unique_field`,
    [app.instance],
  );
  expect(left.map(({ field }) => field)).toEqual(["ci", "harbour"]);
});

test("under a key it is removed once, and answered the same again", async () => {
  const { orgs, users } = app.commands;
  await addUser(app.commands);
  // With the organisation's own id, and more events than that has.
  const twin = { ...call, id: "engines" };
  await users.addMachine({ ...twin, org: "engines", username: "twin", name: "Twin" });
  await users.lock(twin);
  await users.unlock(twin);
  const once = { ...call, id: "engines", idempotencyKey: "k1" };
  const first = await orgs.remove(once);
  expect(first).toMatchObject({ id: "engines", version: 2 });
  expect(await orgs.remove(once)).toEqual(first);
  await expect(orgs.remove({ ...call, id: "engines" })).rejects.toMatchObject({
    code: "not_found",
  });
});

test("of another version it is not removed, and its users stay", async () => {
  const { orgs, users } = app.commands;
  await addUser(app.commands);
  await expect(orgs.remove({ ...call, id: "engines", expected: 7 })).rejects.toMatchObject({
    code: "concurrency_conflict",
    expected: 7,
    actual: 1,
  });
  await users.lock({ ...call, id: "ci" });
});
