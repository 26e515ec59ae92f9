import { DomainError } from "../domain/index.ts";
import type { EventStore } from "../eventstore/index.ts";
import { userDecider } from "./user-decide.ts";

/**
 * Removes a user who was added while the organisation was removed, so that the name is free. Both
 * sides look for such a one after their own events, so it may be gone already.
 */
export async function removeLeftover(
  store: EventStore,
  target: {
    readonly instanceId: string;
    readonly id: string;
    readonly owner: string;
    readonly creator: string;
  },
): Promise<void> {
  try {
    await store.execute(userDecider, target, { type: "remove" });
  } catch (error) {
    if (!(error instanceof DomainError && error.code === "not_found")) throw error;
  }
}
