import { expect, test } from "vitest";
import { compareCatalogs, readCatalog } from "../../src/db/catalog/index.ts";
import { rebuildProjection } from "../../src/projections/index.ts";
import { orgsProjection, usersProjection } from "../../src/users/index.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers();

const rows = async () => ({
  users: await app.pool.query("select * from projections.users order by id"),
  humans: await app.pool.query("select * from projections.user_humans order by user_id"),
  machines: await app.pool.query("select * from projections.user_machines order by user_id"),
  notes: await app.pool.query("select * from projections.user_notifications order by user_id"),
  orgs: await app.pool.query("select * from projections.orgs order by id"),
});

test("the application's own projections become what they were: rows and catalog", async () => {
  const { orgs, users } = app.commands;
  const IN = { instanceId: app.instance, creator: "tester" };
  await orgs.add({ ...IN, id: "engines", name: "Engines" });
  await orgs.add({ ...IN, id: "looms", name: "Looms" });
  for (const [id, org] of [
    ["ada", "engines"],
    ["bob", "engines"],
    ["cy", "looms"],
  ] as const) {
    const names = { firstName: id, lastName: "L" };
    await users.addHuman({ ...IN, id, org, username: id, email: `${id}@example.com`, ...names });
  }
  await users.addMachine({ ...IN, id: "ci", org: "engines", username: "ci", name: "CI" });
  await users.remove({ ...IN, id: "bob" });
  await orgs.remove({ ...IN, id: "looms" });
  await app.project();
  const before = await rows();
  expect(before.users).toHaveLength(2);
  const catalog = await readCatalog({ url: app.url });
  const { pool, store } = app;
  for (const projection of [usersProjection, orgsProjection]) {
    const { quarantined } = await rebuildProjection({ pool, store, projection });
    expect(quarantined).toBe(0);
  }
  expect(await rows()).toEqual(before);
  const found = await readCatalog({ url: app.url });
  expect(compareCatalogs(catalog, found)).toEqual({ differences: [], warnings: [] });
});
