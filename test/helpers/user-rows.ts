import { and, eq } from "drizzle-orm";
import type { DatabasePool } from "../../src/db/pool/index.ts";
import {
  orgs,
  userHumans,
  userMachines,
  userNotifications,
  users,
} from "../../src/db/schema/index.ts";

/** All rows of one user, by table. */
export async function rowsOfUser({ drizzle }: DatabasePool, instanceId: string, id: string) {
  const [user] = await drizzle
    .select()
    .from(users)
    .where(and(eq(users.instanceId, instanceId), eq(users.id, id)));
  const rowOf = async (
    table: typeof userHumans | typeof userMachines | typeof userNotifications,
  ) => {
    const [row] = await drizzle
      .select()
      .from(table)
      .where(and(eq(table.instanceId, instanceId), eq(table.userId, id)));
    return row;
  };
  return {
    user,
    human: await rowOf(userHumans),
    machine: await rowOf(userMachines),
    notifications: await rowOf(userNotifications),
  };
}

export async function rowsOfOrg({ drizzle }: DatabasePool, instanceId: string, id: string) {
  const [org] = await drizzle
    .select()
    .from(orgs)
    .where(and(eq(orgs.instanceId, instanceId), eq(orgs.id, id)));
  return org;
}
