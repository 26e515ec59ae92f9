import type { z } from "zod";
import {
  type Call,
  checkInput,
  type Done,
  doneOf,
  executeOptions,
  newId,
} from "../domain/index.ts";
import type { EventStore } from "../eventstore/index.ts";
import { orgInputs } from "./command-input.ts";
import { removeLeftover } from "./leftover.ts";
import { type OrgCommand, orgDecider } from "./org-decide.ts";
import { USER_NAME_EVENTS, user } from "./user-events.ts";

/** A command on an organisation that is there. */
export type OnOrg = Call & { readonly id: string };

/**
 * The commands on organisations. All throw DomainError, and the store's `concurrency_conflict`,
 * `unique_violation` (a taken name) and `idempotency_mismatch`.
 */
export function createOrgCommands({ store }: { readonly store: EventStore }) {
  async function run(call: OnOrg, command: OrgCommand, request: unknown = command): Promise<Done> {
    const { instanceId, creator, id } = call;
    const target = { instanceId, creator, id, owner: id };
    const options = executeOptions(call, ["org", id, request]);
    return doneOf(id, await store.execute(orgDecider, target, command, options));
  }

  return {
    add: async (call: Call & z.input<typeof orgInputs.add>): Promise<Done> => {
      const { id: given, ...input } = checkInput(orgInputs.add, call);
      const id = given ?? newId();
      return run({ ...call, id }, { type: "add", ...input }, ["add", given, input]);
    },
    rename: async (call: OnOrg & z.input<typeof orgInputs.rename>): Promise<Done> =>
      run(call, { type: "rename", ...checkInput(orgInputs.rename, call) }),
    setPrimaryDomain: async (
      call: OnOrg & z.input<typeof orgInputs.setPrimaryDomain>,
    ): Promise<Done> =>
      run(call, { type: "setPrimaryDomain", ...checkInput(orgInputs.setPrimaryDomain, call) }),
    deactivate: (call: OnOrg): Promise<Done> => run(call, { type: "deactivate" }),
    reactivate: (call: OnOrg): Promise<Done> => run(call, { type: "reactivate" }),

    /** Its users go with it, without events of their own; their names are free at once. */
    remove: async (call: OnOrg): Promise<Done> => {
      const before = await usersOf(store, call);
      const done = await run(call, { type: "remove", usernames: [...before.values()] }, "remove");
      // Whoever was added, or took another name, since the names were read.
      for (const [id, username] of await usersOf(store, call)) {
        if (before.get(id) === username) continue;
        const { instanceId, creator } = call;
        await removeLeftover(store, { instanceId, creator, id, owner: call.id });
      }
      return done;
    },
  };
}

/** Ids and names of the organisation's users, from the events: no projection may lag behind. */
async function usersOf(store: EventStore, { instanceId, id }: OnOrg): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const removed = new Set<string>();
  // One type at a time: each is read by its index.
  for (const type of USER_NAME_EVENTS) {
    const select = [{ aggregateType: user.type, eventTypes: [type] }];
    for await (const stored of store.readInstance(instanceId, { select })) {
      if (stored.owner !== id) continue;
      if (type === "user.removed") removed.add(stored.aggregateId);
      else found.set(stored.aggregateId, String(stored.payload.username));
    }
  }
  for (const user of removed) found.delete(user);
  return found;
}
