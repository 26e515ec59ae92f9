import type { OrgEvent } from "./org-events.ts";

/** What decisions about an organisation are made from. */
export interface OrgState {
  readonly name: string;
  readonly primaryDomain: string | undefined;
  readonly status: "active" | "inactive" | "removed";
}

/** The state after one more event. Throws TypeError for one that cannot follow. */
export function evolveOrg(state: OrgState | undefined, event: OrgEvent): OrgState {
  switch (event.type) {
    case "org.added":
      return { name: event.payload.name, primaryDomain: undefined, status: "active" };
    case "org.changed":
      return { ...added(state, event), name: event.payload.name };
    case "org.domain.primary.set":
      return { ...added(state, event), primaryDomain: event.payload.domain };
    case "org.deactivated":
      return { ...added(state, event), status: "inactive" };
    case "org.reactivated":
      return { ...added(state, event), status: "active" };
    case "org.removed":
      return { ...added(state, event), status: "removed" };
  }
}

function added(state: OrgState | undefined, event: OrgEvent): OrgState {
  if (state !== undefined) return state;
  throw new TypeError(`${event.type} stands before the organisation was added`);
}
