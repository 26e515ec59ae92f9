import { expect, test } from "vitest";
import { scenario } from "../../src/eventstore/index.ts";
import { orgDecider, refuseNewUsers } from "../../src/users/org-decide.ts";
import type { OrgEvent } from "../../src/users/org-events.ts";
import { evolveOrg, type OrgState } from "../../src/users/org-state.ts";

const added: OrgEvent = { type: "org.added", payload: { name: "Harbour" } };
const domainSet: OrgEvent = { type: "org.domain.primary.set", payload: { domain: "h.example" } };
const deactivated: OrgEvent = { type: "org.deactivated", payload: {} };
const reactivated: OrgEvent = { type: "org.reactivated", payload: {} };
const removed: OrgEvent = { type: "org.removed", payload: {} };

const given = (...events: readonly OrgEvent[]) => scenario(orgDecider).given(events);
const stateOf = (...events: readonly OrgEvent[]) =>
  events.reduce<OrgState | undefined>(evolveOrg, undefined);

test("an organisation is added, with its domain if it is known", () => {
  given().when({ type: "add", name: "Harbour" }).thenEvents([added]);
  given()
    .when({ type: "add", name: "Harbour", domain: "h.example" })
    .thenEvents([added, domainSet]);
});

test("an id is never used again", () =>
  given(added, removed).when({ type: "add", name: "Other" }).thenRefuses("already_exists"));

test("another name claims it and releases the old one", () => {
  given(added)
    .when({ type: "rename", name: "Port" })
    .thenEvents([{ type: "org.changed", payload: { name: "Port" } }])
    .thenClaims(["org_name port"], ["org_name harbour"]);
});

test("removing releases its name", () => {
  given(added).when({ type: "remove" }).thenEvents([removed]).thenClaims([], ["org_name harbour"]);
});

test("it is deactivated and reactivated, each once", () => {
  given(added).when({ type: "deactivate" }).thenEvents([deactivated]);
  given(added, deactivated).when({ type: "deactivate" }).thenNothing();
  given(added, deactivated).when({ type: "reactivate" }).thenEvents([reactivated]);
  given(added).when({ type: "reactivate" }).thenNothing();
});

test.each([
  { type: "rename", name: "Harbour" },
  { type: "setPrimaryDomain", domain: "h.example" },
] as const)("nothing happens where all is so already: $type", (command) => {
  given(added, domainSet).when(command).thenNothing();
});

test.each([
  { type: "rename", name: "Port" },
  { type: "setPrimaryDomain", domain: "h.example" },
  { type: "deactivate" },
  { type: "remove" },
] as const)("$type is refused once it was removed", (command) => {
  given(added, removed).when(command).thenRefuses("not_found");
});

test("an active organisation takes users in; one that is inactive or not there does not", () => {
  expect(() => refuseNewUsers(stateOf(added), "h")).not.toThrow();
  expect(() => refuseNewUsers(stateOf(added, deactivated), "h")).toThrow(/is inactive/);
  for (const state of [undefined, stateOf(added, removed)]) {
    expect(() => refuseNewUsers(state, "h")).toThrow(/does not exist/);
  }
});
