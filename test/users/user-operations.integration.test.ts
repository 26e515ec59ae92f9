import { beforeEach, describe, expect, test } from "vitest";
import { user } from "../../src/users/index.ts";
import { rowsOfOrg, rowsOfUser } from "../helpers/user-rows.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers();
/** What the tests ask for, in an instance. */
function requestsIn(instanceId: string) {
  const IN = { instanceId, creator: "tester" };
  const names = { firstName: "Ada", lastName: "Lovelace" };
  const ADA = { org: "engines", username: "ada", email: "ada@example.com", ...names };
  return {
    IN,
    ADA: { ...IN, id: "ada", ...ADA },
    CI: { ...IN, id: "ci", org: "engines", username: "ci", name: "CI" },
    ofAda: { ...IN, id: "ada" },
    ofCi: { ...IN, id: "ci" },
    ofEngines: { ...IN, id: "engines" },
  };
}

let { IN, ADA, CI, ofAda, ofCi, ofEngines } = requestsIn("");

beforeEach(async () => {
  ({ IN, ADA, CI, ofAda, ofCi, ofEngines } = requestsIn(app.instance));
  await app.commands.orgs.add({ ...IN, id: "engines", name: "Engines" });
});

/** What the events of a user say, and then the tables. */
async function eventTypes(id: string): Promise<readonly string[]> {
  const types: string[] = [];
  for await (const { type } of app.store.readAggregate(user, { instanceId: app.instance, id })) {
    types.push(type);
  }
  return types;
}

async function tables(id: string) {
  await app.project();
  return rowsOfUser(app.pool, app.instance, id);
}

const refused = (code: string) => expect.objectContaining({ code });
const taken = (uniqueType: string, value: string) =>
  expect.objectContaining({ code: "unique_violation", uniqueType, value });

describe("a person", () => {
  beforeEach(async () => {
    await app.commands.users.addHuman(ADA);
  });

  test("is added, as initial until the address is verified", async () => {
    expect(await eventTypes("ada")).toEqual(["user.human.added"]);
    expect(await tables("ada")).toEqual({
      user: expect.objectContaining({
        resourceOwner: "engines",
        username: "ada",
        state: "initial",
        type: "human",
        sequence: 1,
      }),
      human: expect.objectContaining({
        displayName: "Ada Lovelace",
        email: "ada@example.com",
        isEmailVerified: false,
        gender: "unspecified",
      }),
      machine: undefined,
      notifications: expect.objectContaining({
        lastEmail: "ada@example.com",
        verifiedEmail: null,
        passwordSet: false,
      }),
    });
    const { addHuman } = app.commands.users;
    await expect(addHuman({ ...ADA, username: "other" })).rejects.toEqual(
      refused("already_exists"),
    );
    await expect(addHuman({ ...ADA, id: "ada-2", username: "ADA" })).rejects.toEqual(
      taken("username", "ada"),
    );
    await expect(addHuman({ ...ADA, id: "x", org: "nowhere" })).rejects.toEqual(
      refused("not_found"),
    );
  });

  test("is added with everything at once", async () => {
    const { addHuman } = app.commands.users;
    const { id } = await addHuman({
      ...IN,
      org: "engines",
      username: "grace",
      email: "grace@example.com",
      firstName: "Grace",
      lastName: "Hopper",
      isEmailVerified: true,
      phone: "+12025550123",
      password: "correct horse",
    });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await tables(id)).toMatchObject({
      user: { state: "active", sequence: 4 },
      human: { isEmailVerified: true, phone: "+12025550123", isPhoneVerified: false },
      notifications: { verifiedEmail: "grace@example.com", passwordSet: true },
    });
  });

  test("changes the user name, which frees the old one", async () => {
    const { changeUsername, addMachine } = app.commands.users;
    const { version } = await changeUsername({ ...ofAda, username: "Augusta" });
    expect(version).toBe(2);
    await addMachine({ ...CI, username: "ada" });
    expect(await tables("ada")).toMatchObject({ user: { username: "Augusta", sequence: 2 } });
    await expect(changeUsername({ ...ofAda, username: "ADA" })).rejects.toEqual(
      taken("username", "ada"),
    );
    // Only its letters' case: the name is its own.
    await changeUsername({ ...ofAda, username: "augusta" });
    expect(await tables("ada")).toMatchObject({ user: { username: "augusta" } });
  });

  test("changes the profile, as a whole", async () => {
    const { changeProfile } = app.commands.users;
    const profile = { firstName: "Augusta", lastName: "King", nickName: "Ada" } as const;
    await changeProfile({ ...ofAda, ...profile, gender: "female", preferredLanguage: "en" });
    await changeProfile({ ...ofAda, firstName: "Augusta", lastName: "King", gender: "female" });
    expect(await tables("ada")).toMatchObject({
      user: { sequence: 3 },
      human: {
        displayName: "Augusta King",
        nickName: null,
        preferredLanguage: null,
        gender: "female",
      },
    });
    await expect(changeProfile({ ...ofAda, firstName: " ", lastName: "King" })).rejects.toEqual(
      expect.objectContaining({
        code: "validation",
        fields: [expect.objectContaining({ path: "firstName" })],
      }),
    );
  });

  test("verifies the address, and is active", async () => {
    await app.commands.users.verifyEmail(ofAda);
    expect(await tables("ada")).toMatchObject({
      user: { state: "active" },
      human: { isEmailVerified: true },
      notifications: { verifiedEmail: "ada@example.com" },
    });
  });

  test("changes the address, and stays active with the one verified last", async () => {
    const { verifyEmail, changeEmail } = app.commands.users;
    await verifyEmail(ofAda);
    await changeEmail({ ...ofAda, email: "augusta@example.com" });
    expect(await tables("ada")).toMatchObject({
      user: { state: "active" },
      human: { email: "augusta@example.com", isEmailVerified: false },
      notifications: { lastEmail: "augusta@example.com", verifiedEmail: "ada@example.com" },
    });
    await expect(changeEmail({ ...ofAda, email: "nobody" })).rejects.toEqual(refused("validation"));
  });

  test("has a number, verified and removed", async () => {
    const { changePhone, verifyPhone, removePhone } = app.commands.users;
    await expect(verifyPhone(ofAda)).rejects.toEqual(refused("precondition"));
    await changePhone({ ...ofAda, phone: "+4930123456" });
    expect(await tables("ada")).toMatchObject({
      human: { phone: "+4930123456", isPhoneVerified: false },
      notifications: { lastPhone: "+4930123456", verifiedPhone: null },
    });
    await verifyPhone(ofAda);
    expect(await tables("ada")).toMatchObject({
      human: { isPhoneVerified: true },
      notifications: { verifiedPhone: "+4930123456" },
    });
    await removePhone(ofAda);
    expect(await tables("ada")).toMatchObject({
      human: { phone: null, isPhoneVerified: false },
      notifications: { lastPhone: null, verifiedPhone: null },
    });
    await expect(changePhone({ ...ofAda, phone: "030 123456" })).rejects.toEqual(
      refused("validation"),
    );
  });

  test("sets a password, of which only the hash is kept, in one type of event", async () => {
    const { changePassword, checkPassword } = app.commands.users;
    await changePassword({ ...ofAda, password: "correct horse" });
    expect(await tables("ada")).toMatchObject({ notifications: { passwordSet: true } });
    const ref = { instanceId: app.instance, id: "ada" };
    expect(await checkPassword(ref, "correct horse")).toBe(true);
    expect(await checkPassword(ref, "battery staple")).toBe(false);
    expect(await checkPassword({ ...ref, id: "nobody" }, "correct horse")).toBe(false);
    const holders = await app.pool.query<{ event_type: string }>(
      `select distinct event_type from eventstore.events
       where instance_id = $1
         and (payload::text like '%argon2id%' or payload::text like '%correct horse%')`,
      [app.instance],
    );
    expect(holders).toEqual([{ event_type: "user.human.password.changed" }]);
    await expect(changePassword({ ...ofAda, password: "short" })).rejects.toEqual(
      refused("validation"),
    );
    await expect(changePassword({ ...ofAda, password: "short" })).rejects.not.toThrow(/short/);
  });

  test("is locked before the address is verified, and unlocked to what it was", async () => {
    const { lock, unlock } = app.commands.users;
    await lock(ofAda);
    expect(await tables("ada")).toMatchObject({ user: { state: "locked" } });
    await unlock(ofAda);
    expect(await tables("ada")).toMatchObject({ user: { state: "initial" } });
  });

  test("verifies the address while it is locked, and is active once unlocked", async () => {
    const { lock, verifyEmail, unlock } = app.commands.users;
    await lock(ofAda);
    await verifyEmail(ofAda);
    expect(await tables("ada")).toMatchObject({ user: { state: "locked" } });
    await unlock(ofAda);
    expect(await tables("ada")).toMatchObject({ user: { state: "active" } });
  });

  test("cannot be deactivated while initial, nor changed as a machine", async () => {
    const { deactivate, changeMachine } = app.commands.users;
    await expect(deactivate(ofAda)).rejects.toEqual(refused("invalid_state"));
    await expect(changeMachine({ ...ofAda, name: "CI" })).rejects.toEqual(refused("precondition"));
    expect(await eventTypes("ada")).toHaveLength(1);
  });
});

describe("a machine", () => {
  beforeEach(async () => {
    await app.commands.users.addMachine(CI);
  });

  test("is added, and active at once", async () => {
    expect(await eventTypes("ci")).toEqual(["user.machine.added"]);
    expect(await tables("ci")).toEqual({
      user: expect.objectContaining({ state: "active", type: "machine" }),
      human: undefined,
      machine: expect.objectContaining({
        name: "CI",
        description: null,
        hasSecret: false,
        accessTokenType: "bearer",
      }),
      notifications: undefined,
    });
  });

  test("is changed", async () => {
    const { changeMachine } = app.commands.users;
    const machine = { name: "Build", description: "Builds", accessTokenType: "jwt" } as const;
    await changeMachine({ ...ofCi, ...machine });
    expect(await tables("ci")).toMatchObject({ user: { sequence: 2 }, machine });
  });

  test("has a secret, until it is removed", async () => {
    const { setSecret, removeSecret, checkPassword } = app.commands.users;
    const secret = "a".repeat(32);
    await setSecret({ ...ofCi, secret });
    expect(await tables("ci")).toMatchObject({ machine: { hasSecret: true } });
    expect(await checkPassword({ instanceId: app.instance, id: "ci" }, secret)).toBe(true);
    await removeSecret(ofCi);
    expect(await tables("ci")).toMatchObject({ machine: { hasSecret: false } });
    expect(await checkPassword({ instanceId: app.instance, id: "ci" }, secret)).toBe(false);
  });

  test("is deactivated and reactivated", async () => {
    const { deactivate, reactivate, lock } = app.commands.users;
    await deactivate(ofCi);
    expect(await tables("ci")).toMatchObject({ user: { state: "inactive" } });
    await expect(lock(ofCi)).rejects.toEqual(refused("invalid_state"));
    await reactivate(ofCi);
    expect(await tables("ci")).toMatchObject({ user: { state: "active", sequence: 3 } });
  });

  test("is removed with all of its rows, and its name is free", async () => {
    const { remove, lock, addMachine } = app.commands.users;
    await app.project();
    await remove(ofCi);
    expect(await tables("ci")).toEqual({
      user: undefined,
      human: undefined,
      machine: undefined,
      notifications: undefined,
    });
    await expect(lock(ofCi)).rejects.toEqual(refused("not_found"));
    await expect(addMachine(CI)).rejects.toEqual(refused("already_exists"));
    await addMachine({ ...CI, id: "ci-2" });
    expect(await tables("ci-2")).toMatchObject({ user: { username: "ci" } });
  });

  test("is not there in another instance", async () => {
    const { lock } = app.commands.users;
    await expect(lock({ ...ofCi, instanceId: "other" })).rejects.toEqual(refused("not_found"));
  });
});

describe("an organisation", () => {
  test("is added, renamed, given a domain", async () => {
    const { rename, setPrimaryDomain, add } = app.commands.orgs;
    await rename({ ...ofEngines, name: "Analytical Engines" });
    await setPrimaryDomain({ ...ofEngines, domain: "Engines.Example" });
    await app.project();
    expect(await rowsOfOrg(app.pool, app.instance, "engines")).toMatchObject({
      name: "Analytical Engines",
      primaryDomain: "engines.example",
      resourceOwner: "engines",
      state: "active",
      sequence: 3,
    });
    await add({ ...IN, id: "other", name: "Engines" });
    await expect(rename({ ...ofEngines, name: "ENGINES" })).rejects.toEqual(
      taken("org_name", "engines"),
    );
  });

  test("takes nobody in while it is inactive, and its users can be changed", async () => {
    const { deactivate, reactivate } = app.commands.orgs;
    const { addMachine, lock } = app.commands.users;
    await addMachine(CI);
    await deactivate(ofEngines);
    await app.project();
    expect(await rowsOfOrg(app.pool, app.instance, "engines")).toMatchObject({ state: "inactive" });
    await expect(addMachine({ ...CI, id: "ci-2", username: "ci-2" })).rejects.toEqual(
      refused("invalid_state"),
    );
    await lock(ofCi);
    await reactivate(ofEngines);
    await addMachine({ ...CI, id: "ci-2", username: "ci-2" });
  });

  test("is removed with its users, whose names are free at once", async () => {
    const { users, orgs } = app.commands;
    await orgs.add({ ...IN, id: "harbour", name: "Harbour" });
    await users.addHuman(ADA);
    await users.addMachine(CI);
    await users.changeUsername({ ...ofCi, username: "build" });
    await users.addMachine({ ...CI, id: "tides", org: "harbour", username: "tides" });
    await app.project();
    await orgs.remove(ofEngines);

    const nothing = { user: undefined, human: undefined, machine: undefined };
    expect(await tables("ada")).toMatchObject(nothing);
    expect(await tables("ci")).toMatchObject(nothing);
    expect(await tables("tides")).toMatchObject({ user: { username: "tides" } });
    expect(await rowsOfOrg(app.pool, app.instance, "engines")).toMatchObject({ state: "removed" });
    await expect(users.lock(ofCi)).rejects.toEqual(refused("not_found"));
    await expect(users.addMachine({ ...CI, id: "x" })).rejects.toEqual(refused("not_found"));
    const left = await app.pool.query<{ unique_field: string }>(
      `select unique_field from eventstore.unique_constraints
       where instance_id = $1 order by unique_field`,
      [app.instance],
    );
    expect(left.map(({ unique_field }) => unique_field)).toEqual(["harbour", "tides"]);
  });
});

describe("every command", () => {
  beforeEach(async () => {
    await app.commands.users.addMachine(CI);
  });

  test("that changes nothing appends nothing, and succeeds", async () => {
    const { changeUsername, unlock } = app.commands.users;
    expect(await changeUsername({ ...ofCi, username: "ci" })).toMatchObject({ version: 1 });
    const { position } = await unlock(ofCi);
    expect(position).toBeGreaterThan(0);
    expect(await eventTypes("ci")).toHaveLength(1);
  });

  test("can demand a version", async () => {
    const { lock, unlock } = app.commands.users;
    await lock({ ...ofCi, expected: 1 });
    await expect(unlock({ ...ofCi, expected: 1 })).rejects.toEqual(
      expect.objectContaining({ code: "concurrency_conflict", expected: 1, actual: 2 }),
    );
  });

  test("under a key is done once, and answered the same again", async () => {
    const { addMachine, remove } = app.commands.users;
    const { id: _, ...request } = { ...CI, username: "tides", idempotencyKey: "k1" };
    const first = await addMachine(request);
    expect(await addMachine(request)).toEqual(first);
    await expect(addMachine({ ...request, name: "Other" })).rejects.toEqual(
      refused("idempotency_mismatch"),
    );
    const once = { ...IN, id: first.id, idempotencyKey: "k2" };
    expect(await remove(once)).toEqual(await remove(once));
  });

  test("keeps nothing of a password for its key", async () => {
    const { addHuman, changePassword } = app.commands.users;
    await addHuman({ ...ADA, password: "correct horse", idempotencyKey: "k1" });
    const changed = { ...ofAda, password: "battery staple", idempotencyKey: "k2" };
    // The password is no part of what is compared: nothing to guess it from is stored.
    expect(await changePassword(changed)).toEqual(
      await changePassword({ ...changed, password: "another one" }),
    );
  });
});

test("a user of an organisation that is removed at the same time does not stay", async () => {
  const { users, orgs } = app.commands;
  const added = await Promise.allSettled([
    ...Array.from({ length: 8 }, (_, i) =>
      users.addMachine({ ...CI, id: `ci-${i}`, username: `ci-${i}` }),
    ),
    orgs.remove(ofEngines),
  ]);
  expect(added.at(-1)?.status).toBe("fulfilled");
  await app.project();
  for (const table of ["projections.users", "eventstore.unique_constraints"]) {
    const left = await app.pool.query(`select from ${table} where instance_id = $1`, [
      app.instance,
    ]);
    expect(left, table).toEqual([]);
  }
});
