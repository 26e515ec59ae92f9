import { DomainError } from "../domain/index.ts";
import type { Decision } from "../eventstore/index.ts";
import { USERNAME, type UserEvent } from "./user-events.ts";
import { statusOf, type UserState, type UserStatus } from "./user-state.ts";

/** What changes whether a user may be used. */
export interface LifecycleCommand {
  readonly type: "deactivate" | "reactivate" | "lock" | "unlock" | "remove";
}

interface Rule {
  readonly event: Extract<UserEvent, { payload: Record<string, never> }>["type"];
  /** From these the event leads on. */
  readonly from: readonly UserStatus[];
  /** In these all is so already: nothing happens. */
  readonly already: readonly UserStatus[];
}

/** As in ZITADEL: an `initial` user can be locked, but not deactivated; the lock is undone by `unlock` alone. */
const RULES: Readonly<Record<Exclude<LifecycleCommand["type"], "remove">, Rule>> = {
  deactivate: { event: "user.deactivated", from: ["active", "locked"], already: ["inactive"] },
  reactivate: { event: "user.reactivated", from: ["inactive"], already: ["active"] },
  lock: { event: "user.locked", from: ["initial", "active"], already: ["locked"] },
  unlock: { event: "user.unlocked", from: ["locked"], already: ["initial", "active"] },
};

const NEXT: Readonly<Record<UserStatus, string>> = {
  initial: "Verify the user's email address first.",
  active: "Nothing to undo.",
  inactive: "Reactivate it first.",
  locked: "Unlock it first.",
  removed: "Add another.",
};

/** The user is there, and not removed. Throws DomainError `invalid_state`. */
export function decideLifecycle(state: UserState, { type }: LifecycleCommand): Decision<UserEvent> {
  if (type === "remove") {
    return {
      events: [{ type: "user.removed", payload: {} }],
      release: [{ type: USERNAME, value: state.username }],
    };
  }
  const { event, from, already } = RULES[type];
  const status = statusOf(state);
  if (already.includes(status)) return { events: [] };
  if (from.includes(status)) return { events: [{ type: event, payload: {} }] };
  throw new DomainError({
    code: "invalid_state",
    fact: `The user ${state.username} is ${status}: the command ${type} is not possible.`,
    remedy: NEXT[status],
  });
}
