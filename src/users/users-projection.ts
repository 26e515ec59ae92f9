import { and, eq, getTableColumns, inArray, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { DrizzleHandle } from "../db/pool/index.ts";
import { events, userHumans, userMachines, userNotifications, users } from "../db/schema/index.ts";
import { defineProjection, on } from "../projections/index.ts";
import { org } from "./org-events.ts";
import { user } from "./user-events.ts";
import { type Projected, projectedOf, rowsOf, type UserTables } from "./user-rows.ts";
import { evolveUser } from "./user-state.ts";

/**
 * `users`, `user_humans`, `user_machines`, `user_notifications`: the users that are there. A batch is
 * folded in memory, by the same `evolve` that decisions are made from; then one statement a table.
 *
 * A removed organisation takes its users along, who have no event of their own. So an event of a user
 * who is not in the tables may be of such a one: it was added at the same time, or its events were
 * held back meanwhile. That is looked up, and those are left out.
 */
export const usersProjection = defineProjection({
  name: "users",
  tables: { users, userHumans, userMachines, userNotifications },
  handles: [on(user), on(org, ["org.removed"])],
  handle: async (tx, batch, tables) => {
    const instanceId = batch[0]?.instanceId ?? "";
    const ofUsers = batch.filter((event) => event.aggregateType === "user");
    const known = await knownUsers(tx, tables, instanceId, unique(ofUsers, "aggregateId"));
    const newcomers = ofUsers.filter(({ aggregateId }) => !known.has(aggregateId));
    const closed = await removedOrgs(tx, instanceId, unique(newcomers, "owner"));
    const removed = { users: new Set<string>(), orgs: new Set<string>() };
    for (const event of batch) {
      if (event.aggregateType === "org") {
        removed.orgs.add(event.aggregateId);
        closed.add(event.aggregateId);
        for (const [id, { owner }] of known) if (owner === event.aggregateId) known.delete(id);
        continue;
      }
      const { aggregateId: id, owner, sequence, createdAt } = event;
      const before = known.get(id);
      if (before === undefined && closed.has(owner)) continue;
      const state = evolveUser(before?.state, event);
      const creationDate = before?.creationDate ?? createdAt;
      if (state.hold === "removed") removed.users.add(id);
      known.set(id, { state, owner, sequence, creationDate, changeDate: createdAt });
    }
    await remove(tx, tables, instanceId, removed);
    await write(tx, tables, instanceId, known);
  },
});

function unique<Key extends string>(
  list: readonly Readonly<Record<Key, string>>[],
  key: Key,
): string[] {
  return [...new Set(list.map((item) => item[key]))];
}

async function knownUsers(
  tx: DrizzleHandle,
  { users, userHumans, userMachines, userNotifications }: UserTables,
  instanceId: string,
  ids: string[],
): Promise<Map<string, Projected>> {
  if (ids.length === 0) return new Map();
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

async function removedOrgs(
  tx: DrizzleHandle,
  instanceId: string,
  owners: string[],
): Promise<Set<string>> {
  if (owners.length === 0) return new Set();
  const rows = await tx
    .select({ id: events.aggregateId })
    .from(events)
    .where(
      and(
        eq(events.instanceId, instanceId),
        eq(events.aggregateType, org.type),
        inArray(events.aggregateId, owners),
        eq(events.eventType, "org.removed"),
      ),
    );
  return new Set(rows.map(({ id }) => id));
}

/** What only one kind has goes with it, by the foreign keys. */
async function remove(
  tx: DrizzleHandle,
  { users }: UserTables,
  instanceId: string,
  removed: { readonly users: ReadonlySet<string>; readonly orgs: ReadonlySet<string> },
): Promise<void> {
  const inInstance = eq(users.instanceId, instanceId);
  const { users: ids, orgs: owners } = removed;
  if (ids.size > 0) await tx.delete(users).where(and(inInstance, inArray(users.id, [...ids])));
  if (owners.size === 0) return;
  await tx.delete(users).where(and(inInstance, inArray(users.resourceOwner, [...owners])));
}

async function write(
  tx: DrizzleHandle,
  tables: UserTables,
  instanceId: string,
  projected: ReadonlyMap<string, Projected>,
): Promise<void> {
  const rows = rowsOf(instanceId, projected);
  const { users, userHumans, userMachines, userNotifications } = tables;
  if (rows.users.length > 0) {
    await tx
      .insert(users)
      .values(rows.users)
      .onConflictDoUpdate({ target: [users.instanceId, users.id], set: asGiven(users) });
  }
  if (rows.humans.length > 0) {
    await tx
      .insert(userHumans)
      .values(rows.humans)
      .onConflictDoUpdate({
        target: [userHumans.instanceId, userHumans.userId],
        set: asGiven(userHumans),
      });
  }
  if (rows.machines.length > 0) {
    await tx
      .insert(userMachines)
      .values(rows.machines)
      .onConflictDoUpdate({
        target: [userMachines.instanceId, userMachines.userId],
        set: asGiven(userMachines),
      });
  }
  if (rows.notifications.length > 0) {
    await tx
      .insert(userNotifications)
      .values(rows.notifications)
      .onConflictDoUpdate({
        target: [userNotifications.instanceId, userNotifications.userId],
        set: asGiven(userNotifications),
      });
  }
}

/** Every column as the statement's own row has it. */
function asGiven(table: PgTable): Record<string, SQL> {
  return Object.fromEntries(
    Object.entries(getTableColumns(table)).map(([field, { name }]) => [
      field,
      sql`excluded.${sql.identifier(name)}`,
    ]),
  );
}
