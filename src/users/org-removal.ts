import { type Call, type Done, doneOf, executeOptions } from "../domain/index.ts";
import { ConcurrencyConflict, type EventStore, type Intent } from "../eventstore/index.ts";
import { decideOrg, orgDecider } from "./org-decide.ts";
import { org } from "./org-events.ts";
import { decideUser, userDecider } from "./user-decide.ts";
import { user } from "./user-events.ts";

type OnOrg = Call & { readonly id: string };

const TRIES = 5;
const LOADS_AT_ONCE = 4;

/**
 * Removes the organisation and every user that it has in one push. Each user's version is expected:
 * who takes another name meanwhile is a conflict, and it is tried again. Names that are released
 * without that could already be somebody else's.
 */
export async function removeWithUsers(store: EventStore, call: OnOrg): Promise<Done> {
  const { instanceId, creator, id } = call;
  const command = { type: "remove" } as const;
  const options = executeOptions(call, ["org", id, command]);
  for (let tries = 1; ; tries += 1) {
    const { state, version } = await store.load(org, { instanceId, id }, orgDecider);
    const isOther = call.expected !== undefined && call.expected !== version;
    const users = isOther ? [] : await usersOf(store, call);
    // Without users, and where it is refused or was done under this key, it is a command like others.
    if (users.length === 0 || state === undefined || state.status === "removed") {
      const target = { instanceId, creator, id, owner: id };
      return doneOf(id, await store.execute(orgDecider, target, command, options));
    }
    const to = { instanceId, creator, owner: id };
    const first = org.at({ ...to, id }).append({ ...decideOrg(state, command), expected: version });
    const others = await removals(store, users, to);
    try {
      const { idempotencyKey, request } = options;
      const pushed = await store.push([first, ...others], { idempotencyKey, request });
      return { id, version: version + 1, position: pushed.position };
    } catch (error) {
      if (!(error instanceof ConcurrencyConflict) || tries === TRIES) throw error;
    }
  }
}

/** Ids of the organisation's users, from the events: no projection may lag behind. */
export async function usersOf(store: EventStore, { instanceId, id }: OnOrg): Promise<string[]> {
  const found = new Set<string>();
  // One type at a time: each is read by its index.
  for (const type of ["user.human.added", "user.machine.added", "user.removed"] as const) {
    const select = [{ aggregateType: user.type, eventTypes: [type] }];
    for await (const { owner, aggregateId } of store.readInstance(instanceId, { select })) {
      if (owner !== id) continue;
      if (type === "user.removed") found.delete(aggregateId);
      else found.add(aggregateId);
    }
  }
  return [...found];
}

async function removals(
  store: EventStore,
  ids: readonly string[],
  to: { readonly instanceId: string; readonly creator: string; readonly owner: string },
): Promise<Intent[]> {
  const intents: Intent[] = [];
  const left = ids.values();
  const work = async () => {
    for (const id of left) {
      const ref = { instanceId: to.instanceId, id };
      const { state, version } = await store.load(user, ref, userDecider);
      if (state === undefined || state.hold === "removed") continue;
      const decision = decideUser(state, { type: "remove" });
      intents.push(user.at({ ...to, id }).append({ ...decision, expected: version }));
    }
  };
  await Promise.all(Array.from({ length: LOADS_AT_ONCE }, work));
  return intents;
}
