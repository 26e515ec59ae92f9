import { describe, expect, test } from "vitest";
import { scenario } from "../../src/eventstore/index.ts";
import { userDecider } from "../../src/users/user-decide.ts";
import type { UserEvent } from "../../src/users/user-events.ts";
import { evolveUser, statusOf, type UserState } from "../../src/users/user-state.ts";

const ADA = { firstName: "Ada", lastName: "Lovelace", gender: "unspecified" } as const;
const HASH = "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA";

const humanAdded: UserEvent = {
  type: "user.human.added",
  payload: { username: "ada", email: "ada@example.com", ...ADA, displayName: "Ada Lovelace" },
};
const machineAdded: UserEvent = {
  type: "user.machine.added",
  payload: { username: "ci", name: "CI", accessTokenType: "bearer" },
};
const bare = <T extends Extract<UserEvent, { payload: Record<string, never> }>["type"]>(
  type: T,
) => ({
  type,
  payload: {},
});
const verified = bare("user.human.email.verified");
const phoneChanged = {
  type: "user.human.phone.changed",
  payload: { phone: "+4930123456" },
} as const;

const given = (...events: readonly UserEvent[]) => scenario(userDecider).given(events);
const stateOf = (...events: readonly UserEvent[]) =>
  events.reduce<UserState | undefined>(evolveUser, undefined);

describe("adding", () => {
  test("a person has a display name made of both names", () =>
    given()
      .when({ type: "addHuman", username: "ada", email: "ada@example.com", ...ADA })
      .thenEvents([humanAdded]));

  test("what is known from the start is told in events of its own, the hash in one alone", () =>
    given()
      .when({
        type: "addHuman",
        username: "ada",
        email: "ada@example.com",
        ...ADA,
        isEmailVerified: true,
        phone: "+4930123456",
        passwordHash: HASH,
      })
      .thenEvents([
        humanAdded,
        verified,
        phoneChanged,
        { type: "user.human.password.changed", payload: { hash: HASH } },
      ]));

  test("a machine is added", () =>
    given()
      .when({ type: "addMachine", username: "ci", name: "CI", accessTokenType: "bearer" })
      .thenEvents([machineAdded]));

  test("an id is never used again, not even after its user was removed", () =>
    given(machineAdded, bare("user.removed"))
      .when({ type: "addMachine", username: "ci", name: "CI", accessTokenType: "bearer" })
      .thenRefuses("already_exists"));

  test("the user name is claimed", () =>
    given()
      .when({ type: "addMachine", username: "CI", name: "CI", accessTokenType: "bearer" })
      .thenClaims(["username ci"]));
});

describe("changing", () => {
  test("another user name claims the new one and releases the old one", () =>
    given(humanAdded)
      .when({ type: "changeUsername", username: "augusta" })
      .thenEvents([{ type: "user.username.changed", payload: { username: "augusta" } }])
      .thenClaims(["username augusta"], ["username ada"]));

  test("a profile is replaced as a whole", () =>
    given(humanAdded)
      .when({ type: "changeProfile", firstName: "Augusta", lastName: "King", gender: "female" })
      .thenEvents([
        {
          type: "user.human.profile.changed",
          payload: {
            firstName: "Augusta",
            lastName: "King",
            displayName: "Augusta King",
            gender: "female",
          },
        },
      ]));

  test("another address is not verified, until that is told", () => {
    const changed = {
      type: "user.human.email.changed",
      payload: { email: "a@b.example" },
    } as const;
    expect(stateOf(humanAdded, verified, changed)).toMatchObject({
      email: "a@b.example",
      isEmailVerified: false,
      verifiedEmail: "ada@example.com",
    });
    given(humanAdded, verified, changed).when({ type: "verifyEmail" }).thenEvents([verified]);
    given(humanAdded)
      .when({ type: "changeEmail", email: "a@b.example", isVerified: true })
      .thenEvents([changed, verified]);
  });

  test("a number can be verified once there is one", () => {
    given(humanAdded).when({ type: "verifyPhone" }).thenRefuses("precondition");
    given(humanAdded, phoneChanged)
      .when({ type: "verifyPhone" })
      .thenEvents([bare("user.human.phone.verified")]);
  });

  test("a number is removed", () =>
    given(humanAdded, phoneChanged)
      .when({ type: "removePhone" })
      .thenEvents([bare("user.human.phone.removed")]));

  test("a machine has a secret until it is removed", () => {
    const set = { type: "user.machine.secret.set", payload: { hash: HASH } } as const;
    given(machineAdded).when({ type: "setSecret", hash: HASH }).thenEvents([set]);
    given(machineAdded, set)
      .when({ type: "removeSecret" })
      .thenEvents([bare("user.machine.secret.removed")]);
  });

  test("a password is always set anew: two hashes of one password differ", () => {
    const changed = { type: "user.human.password.changed", payload: { hash: HASH } } as const;
    given(humanAdded, changed).when({ type: "changePassword", hash: HASH }).thenEvents([changed]);
  });

  test.each([
    [{ type: "changeUsername", username: "ada" }],
    [{ type: "changeProfile", ...ADA, displayName: "Ada Lovelace" }],
    [{ type: "changeEmail", email: "ada@example.com", isVerified: true }],
    [{ type: "verifyEmail" }],
    [{ type: "removePhone" }],
    [{ type: "unlock" }],
    [{ type: "reactivate" }],
  ] as const)("nothing happens where all is so already: %j", (command) => {
    given(humanAdded, verified).when(command).thenNothing();
  });

  test("a person is not changed as a machine, nor a machine as a person", () => {
    given(humanAdded).when({ type: "removeSecret" }).thenRefuses("precondition");
    given(machineAdded)
      .when({ type: "changeEmail", email: "ci@example.com" })
      .thenRefuses("precondition");
  });
});

describe("states", () => {
  test.each([
    ["initial", [humanAdded]],
    ["active", [humanAdded, verified]],
    ["active", [machineAdded]],
    ["locked", [humanAdded, bare("user.locked")]],
    ["locked", [humanAdded, bare("user.locked"), verified]],
    ["initial", [humanAdded, bare("user.locked"), bare("user.unlocked")]],
    ["inactive", [machineAdded, bare("user.deactivated")]],
    ["active", [machineAdded, bare("user.deactivated"), bare("user.reactivated")]],
    ["removed", [machineAdded, bare("user.removed")]],
  ] as const)("%s", (status, events) => {
    const state = stateOf(...events);
    expect(state && statusOf(state)).toBe(status);
  });

  test.each([
    ["deactivate", [humanAdded]],
    ["reactivate", [humanAdded]],
    ["reactivate", [machineAdded, bare("user.locked")]],
    ["lock", [machineAdded, bare("user.deactivated")]],
    ["unlock", [machineAdded, bare("user.deactivated")]],
  ] as const)("%s is refused in a state that it does not lead out of", (type, events) => {
    given(...events)
      .when({ type })
      .thenRefuses("invalid_state");
  });

  test.each([
    ["deactivate", [machineAdded, bare("user.deactivated")]],
    ["lock", [machineAdded, bare("user.locked")]],
  ] as const)("%s a second time changes nothing", (type, events) => {
    given(...events)
      .when({ type })
      .thenNothing();
  });

  test.each(["deactivate", "lock", "remove"] as const)("%s is refused once removed", (type) => {
    given(machineAdded, bare("user.removed")).when({ type }).thenRefuses("not_found");
  });

  test("removing releases the user name", () =>
    given(machineAdded)
      .when({ type: "remove" })
      .thenEvents([bare("user.removed")])
      .thenClaims([], ["username ci"]));

  test("a stream that does not begin with a user is a defect, not a state", () => {
    expect(() => stateOf(verified)).toThrow(TypeError);
  });
});
