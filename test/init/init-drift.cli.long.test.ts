import { expect, test } from "vitest";
import { commandsOn, environmentOf, unprepared } from "../helpers/prepared-database.ts";

test.each([
  ["the owner", false],
  ["a deployer in the owner's name", true],
])("what init has granted is no drift where %s migrates; another grant is", async (_, deployer) => {
  const prepared = unprepared({ deployer });
  const run = commandsOn(environmentOf(prepared));
  const options = deployer ? ["--owner", prepared.owner.name] : [];
  expect(await run("init", ...options)).toMatchObject({ code: 0, stderr: "" });
  expect(await run("migrate")).toMatchObject({ code: 0 });
  const drift = await run("drift");
  expect(drift).toMatchObject({ code: 0, stdout: expect.stringContaining("No drift") });
  expect(drift.stderr).toContain(`Not compared: the rights of ${prepared.app.name}`);
  const superuser = prepared.as(prepared.superuserUrl);
  // The default privileges of a role that makes nothing here explain no right.
  const third = `third_${prepared.app.name}`;
  await superuser.unsafe(`create role ${third};
    alter default privileges grant select on tables to ${third};
    grant delete on projections.current_states to ${third}`);
  expect(await run("drift")).toMatchObject({ code: 4, stdout: expect.stringContaining(third) });
  await superuser.unsafe(`drop owned by ${third}; drop role ${third}`);
  expect(await run("drift")).toMatchObject({ code: 0 });
  await superuser.unsafe("grant truncate on projections.current_states to public");
  expect(await run("drift")).toMatchObject({ code: 4, stdout: expect.stringContaining("PUBLIC") });
});
