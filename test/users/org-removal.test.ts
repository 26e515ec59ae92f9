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
  return {
    ...app.store,
    execute: async (...args: Parameters<EventStore["execute"]>) => {
      if (isFirst) {
        isFirst = false;
        await between();
      }
      return app.store.execute(...args);
    },
  } as EventStore;
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

test("a user of a removed organisation can only be removed, as often as one likes to try", async () => {
  const { users } = app.commands;
  await addUser(app.commands);
  await removeOrg(app.commands);
  await expect(users.lock({ ...call, id: "ci" })).rejects.toMatchObject({ code: "not_found" });
  await users.remove({ ...call, id: "ci" });
  await expect(users.remove({ ...call, id: "ci" })).rejects.toMatchObject({ code: "not_found" });
});
