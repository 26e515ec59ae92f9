import type { userHumans, userMachines, userNotifications, users } from "../db/schema/index.ts";
import { statusOf, type UserState } from "./user-state.ts";

/** The tables of the projection `users`. */
export interface UserTables {
  readonly users: typeof users;
  readonly userHumans: typeof userHumans;
  readonly userMachines: typeof userMachines;
  readonly userNotifications: typeof userNotifications;
}

type UserRow = typeof users.$inferSelect;
type HumanRow = typeof userHumans.$inferSelect;
type MachineRow = typeof userMachines.$inferSelect;
type NotificationRow = typeof userNotifications.$inferSelect;

/** What the tables hold of one user. */
export interface Projected {
  readonly state: UserState;
  readonly owner: string;
  readonly sequence: number;
  readonly creationDate: Date;
  readonly changeDate: Date;
}

/** The rows of one user as it was read: those of the other kind are null. */
export interface JoinedRow {
  readonly users: UserRow;
  readonly user_humans: HumanRow | null;
  readonly user_machines: MachineRow | null;
  readonly user_notifications: NotificationRow | null;
}

/** Throws TypeError for a user without the row of its kind. */
export function projectedOf(joined: JoinedRow): Projected {
  const { resourceOwner: owner, sequence, creationDate, changeDate } = joined.users;
  return { state: stateOf(joined), owner, sequence, creationDate, changeDate };
}

function stateOf(joined: JoinedRow): UserState {
  const { users: user, user_humans: human, user_machines: machine } = joined;
  const { username } = user;
  const hold = user.state === "inactive" || user.state === "locked" ? user.state : "none";
  const notified = joined.user_notifications;
  if (human !== null && notified !== null) {
    const { firstName, lastName, nickName, displayName, preferredLanguage, gender } = human;
    return {
      kind: "human",
      username,
      hold,
      profile: {
        firstName,
        lastName,
        nickName: nickName ?? undefined,
        displayName,
        preferredLanguage: preferredLanguage ?? undefined,
        gender,
      },
      email: human.email,
      isEmailVerified: human.isEmailVerified,
      verifiedEmail: notified.verifiedEmail ?? undefined,
      phone: human.phone ?? undefined,
      isPhoneVerified: human.isPhoneVerified,
      verifiedPhone: notified.verifiedPhone ?? undefined,
      hasPassword: notified.passwordSet,
    };
  }
  if (machine === null) throw new TypeError(`the user ${user.id} has no row of its kind`);
  const { name, description, accessTokenType, hasSecret } = machine;
  return {
    kind: "machine",
    username,
    hold,
    machine: { name, description: description ?? undefined, accessTokenType },
    hasSecret,
  };
}

/** The rows of users, table by table. */
export function rowsOf(instanceId: string, projected: ReadonlyMap<string, Projected>) {
  const users: UserRow[] = [];
  const humans: HumanRow[] = [];
  const machines: MachineRow[] = [];
  const notifications: NotificationRow[] = [];
  for (const [id, { state, owner, ...meta }] of projected) {
    const status = statusOf(state);
    if (status === "removed") continue;
    const { username, kind: type } = state;
    users.push({ instanceId, id, resourceOwner: owner, username, state: status, type, ...meta });
    const key = { instanceId, userId: id };
    if (state.kind === "machine") {
      const { machine, hasSecret } = state;
      machines.push({ ...key, ...machine, description: machine.description ?? null, hasSecret });
      continue;
    }
    const { profile, email, isEmailVerified, isPhoneVerified, hasPassword } = state;
    const phone = state.phone ?? null;
    humans.push({
      ...key,
      ...profile,
      nickName: profile.nickName ?? null,
      preferredLanguage: profile.preferredLanguage ?? null,
      email,
      isEmailVerified,
      phone,
      isPhoneVerified,
    });
    notifications.push({
      ...key,
      lastEmail: email,
      verifiedEmail: state.verifiedEmail ?? null,
      lastPhone: phone,
      verifiedPhone: state.verifiedPhone ?? null,
      passwordSet: hasPassword,
    });
  }
  return { users, humans, machines, notifications };
}
