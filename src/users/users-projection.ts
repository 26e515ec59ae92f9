import { and, eq, inArray, type SQL } from "drizzle-orm";
import type { DrizzleHandle } from "../db/pool/index.ts";
import { userHumans, userMachines, userNotifications, users } from "../db/schema/index.ts";
import { defineProjection, on } from "../projections/index.ts";
import { upsert } from "./upsert.ts";
import { user } from "./user-events.ts";
import { type Projected, projectedOf, rowsOf, type UserTables } from "./user-rows.ts";
import { evolveUser } from "./user-state.ts";

/**
 * `users`, `user_humans`, `user_machines`, `user_notifications`: the users that are there. A batch is
 * folded in memory, by the same `evolve` that decisions are made from; then one statement a table.
 */
export const usersProjection = defineProjection({
  name: "users",
  tables: { users, userHumans, userMachines, userNotifications },
  handles: [on(user)],
  handle: async (tx, batch, tables) => {
    const instanceId = batch[0]?.instanceId ?? "";
    const ids = new Set(batch.map(({ aggregateId }) => aggregateId));
    const known = await knownUsers(tx, tables, instanceId, [...ids]);
    const removed = new Set<string>();
    for (const event of batch) {
      const { aggregateId: id, owner, sequence, createdAt } = event;
      const before = known.get(id);
      const state = evolveUser(before?.state, event);
      const creationDate = before?.creationDate ?? createdAt;
      if (state.hold === "removed") removed.add(id);
      known.set(id, { state, owner, sequence, creationDate, changeDate: createdAt });
    }
    await remove(tx, tables, instanceId, [...removed]);
    await write(tx, tables, instanceId, known);
  },
});

async function knownUsers(
  tx: DrizzleHandle,
  { users, userHumans, userMachines, userNotifications }: UserTables,
  instanceId: string,
  ids: string[],
): Promise<Map<string, Projected>> {
  const ofUser = (table: UserTables[Exclude<keyof UserTables, "users">]): SQL | undefined =>
    and(eq(table.instanceId, users.instanceId), eq(table.userId, users.id));
  const rows = await tx
    .select()
    .from(users)
    .leftJoin(userHumans, ofUser(userHumans))
    .leftJoin(userMachines, ofUser(userMachines))
    .leftJoin(userNotifications, ofUser(userNotifications))
    .where(and(eq(users.instanceId, instanceId), inArray(users.id, ids)));
  return new Map(rows.map((row) => [row.users.id, projectedOf(row)]));
}

/** What only one kind has goes with it, by the foreign keys. */
async function remove(
  tx: DrizzleHandle,
  { users }: UserTables,
  instanceId: string,
  ids: string[],
): Promise<void> {
  if (ids.length === 0) return;
  await tx.delete(users).where(and(eq(users.instanceId, instanceId), inArray(users.id, ids)));
}

async function write(
  tx: DrizzleHandle,
  tables: UserTables,
  instanceId: string,
  projected: ReadonlyMap<string, Projected>,
): Promise<void> {
  const rows = rowsOf(instanceId, projected);
  const { users, userHumans, userMachines, userNotifications } = tables;
  await upsert(tx, users, ["instanceId", "id"], rows.users);
  await upsert(tx, userHumans, ["instanceId", "userId"], rows.humans);
  await upsert(tx, userMachines, ["instanceId", "userId"], rows.machines);
  await upsert(tx, userNotifications, ["instanceId", "userId"], rows.notifications);
}
