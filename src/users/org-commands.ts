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
import { removeWithUsers, usersOf } from "./org-removal.ts";

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

    /** Its users are removed with it, in the same push: all of it happens, or nothing. */
    remove: async (call: OnOrg): Promise<Done> => {
      const done = await removeWithUsers(store, call);
      // Whoever was added since the users were read.
      for (const id of await usersOf(store, call)) {
        const { instanceId, creator } = call;
        await removeLeftover(store, { instanceId, creator, id, owner: call.id });
      }
      return done;
    },
  };
}
