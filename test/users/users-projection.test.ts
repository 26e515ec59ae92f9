import { expect, test } from "vitest";
import { projections } from "../../src/app/aggregates.ts";
import { rebuildProjection, retryQuarantined } from "../../src/projections/index.ts";
import { usersProjection } from "../../src/users/index.ts";
import { rowsOfUser } from "../helpers/user-rows.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers({ database: "each" });
const call = () => ({ instanceId: app.instance, creator: "tester" });

async function addOrgs(...ids: readonly string[]) {
  for (const id of ids) await app.commands.orgs.add({ ...call(), id, name: id });
}

function addMachine(id: string, org: string) {
  return app.commands.users.addMachine({ ...call(), id, org, username: id, name: id });
}

test("the rows are the same however the events are cut into batches", async () => {
  const { users, orgs } = app.commands;
  await addOrgs("engines", "harbour");
  for (const id of ["a", "b", "c"]) {
    await users.addHuman({
      ...call(),
      id,
      org: "engines",
      username: id,
      email: `${id}@example.com`,
      firstName: id,
      lastName: "Lovelace",
      phone: "+4930123456",
      password: "correct horse",
    });
    await users.verifyEmail({ ...call(), id });
  }
  await addMachine("d", "harbour");
  await users.lock({ ...call(), id: "a" });
  await users.changeEmail({ ...call(), id: "a", email: "other@example.com" });
  await users.deactivate({ ...call(), id: "b" });
  await users.remove({ ...call(), id: "c" });
  await users.changeUsername({ ...call(), id: "d", username: "tides" });
  await orgs.remove({ ...call(), id: "harbour" });
  await addOrgs("pilots");
  await addMachine("e", "pilots");
  await app.project();
  const rows = () =>
    Promise.all(["a", "b", "c", "d", "e"].map((id) => rowsOfUser(app.pool, app.instance, id)));
  const followed = await rows();
  expect(followed.map(({ user }) => user?.state)).toEqual([
    "locked",
    "inactive",
    undefined,
    undefined,
    "active",
  ]);
  for (const batchSize of [1, 3, 1_000]) {
    const { pool, store } = app;
    for (const projection of projections) {
      await rebuildProjection({ pool, store, projection, batchSize });
    }
    expect(await rows(), `batches of ${batchSize}`).toEqual(followed);
  }
});

test("who was held back while the organisation was removed does not come back with a retry", async () => {
  await app.pool.query(
    "alter table projections.users add constraint no_bad check (username <> 'bad')",
  );
  await addOrgs("engines");
  await addMachine("bad", "engines");
  await app.project();
  await app.commands.orgs.remove({ ...call(), id: "engines" });
  await app.project();
  await app.pool.query("alter table projections.users drop constraint no_bad");
  const retried = await retryQuarantined({ pool: app.pool, projection: usersProjection });
  expect(retried).toEqual([expect.objectContaining({ outcome: "released" })]);
  expect((await rowsOfUser(app.pool, app.instance, "bad")).user).toBeUndefined();
});
