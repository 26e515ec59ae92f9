import { DomainError, notFound } from "../domain/index.ts";
import type { Decision } from "../eventstore/index.ts";
import { ORG_NAME, type OrgEvent, org } from "./org-events.ts";
import { evolveOrg, type OrgState } from "./org-state.ts";

/** What can be asked of an organisation. */
export type OrgCommand =
  | { readonly type: "add"; readonly name: string; readonly domain?: string | undefined }
  | { readonly type: "rename"; readonly name: string }
  | { readonly type: "setPrimaryDomain"; readonly domain: string }
  | { readonly type: "deactivate" | "reactivate" | "remove" };

/**
 * What follows from a command. Where all is so already, nothing follows.
 *
 * @throws DomainError `not_found`, `already_exists`
 */
export function decideOrg(state: OrgState | undefined, command: OrgCommand): Decision<OrgEvent> {
  if (command.type === "add") {
    if (state !== undefined) throw idTaken();
    return add(command.name, command.domain);
  }
  if (state === undefined || state.status === "removed") throw notFound("organisation");
  const { name, primaryDomain, status } = state;
  switch (command.type) {
    case "rename":
      if (name === command.name) return { events: [] };
      return {
        events: [{ type: "org.changed", payload: { name: command.name } }],
        release: [{ type: ORG_NAME, value: name }],
        claim: [{ type: ORG_NAME, value: command.name }],
      };
    case "setPrimaryDomain":
      return { events: primaryDomain === command.domain ? [] : [domainSet(command.domain)] };
    case "deactivate":
      return { events: status === "inactive" ? [] : [{ type: "org.deactivated", payload: {} }] };
    case "reactivate":
      return { events: status === "active" ? [] : [{ type: "org.reactivated", payload: {} }] };
    case "remove":
      return {
        events: [{ type: "org.removed", payload: {} }],
        release: [{ type: ORG_NAME, value: name }],
      };
  }
}

export const orgDecider = org.decider({
  initial: undefined as OrgState | undefined,
  evolve: evolveOrg,
  decide: decideOrg,
});

/**
 * Refuses to add users to one that is not there, or inactive: it takes nobody in. Its own users can
 * still be changed.
 *
 * @throws DomainError `not_found`, `invalid_state`
 */
export function refuseNewUsers(state: OrgState | undefined, id: string): void {
  if (state === undefined || state.status === "removed") throw notFound("organisation", id);
  if (state.status === "active") return;
  throw new DomainError({
    code: "invalid_state",
    fact: `The organisation ${state.name} is inactive: it takes no new users.`,
    remedy: "Reactivate it first.",
  });
}

function add(name: string, domain: string | undefined): Decision<OrgEvent> {
  return {
    events: [
      { type: "org.added", payload: { name } },
      ...(domain === undefined ? [] : [domainSet(domain)]),
    ],
    claim: [{ type: ORG_NAME, value: name }],
  };
}

function domainSet(domain: string): OrgEvent {
  return { type: "org.domain.primary.set", payload: { domain } };
}

function idTaken(): DomainError {
  return new DomainError({
    code: "already_exists",
    fact: "An organisation has, or had, this id.",
    remedy: "Give another id, or none: one is made.",
  });
}
