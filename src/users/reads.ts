import { and, asc, eq, gt, type SQL } from "drizzle-orm";
import type { DatabasePool } from "../db/pool/index.ts";
import {
  orgs,
  userHumans,
  userMachines,
  userNotifications,
  type userStates,
  users,
  type userTypes,
} from "../db/schema/index.ts";
import type { EventMeta, EventStore } from "../eventstore/index.ts";
import { maskedPayload, user } from "./user-events.ts";

/** A part of a list: what follows `after`, in the order of the ids. */
export interface Page {
  readonly instanceId: string;
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface UserFilter {
  readonly org?: string | undefined;
  readonly username?: string | undefined;
  readonly state?: (typeof userStates)[number] | undefined;
  readonly type?: (typeof userTypes)[number] | undefined;
}

export type UserView = ReturnType<typeof viewOfUser>;
export type OrgView = ReturnType<typeof viewOfOrg>;

/** An event as people may see it. */
export type EventView = EventMeta & {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
};

export interface ReadOptions {
  readonly pool: DatabasePool;
  readonly store: EventStore;
}

/** What the projection says of users, which follows the events at its own pace; and their events. */
export function createUserReads({ pool: { drizzle }, store }: ReadOptions) {
  return {
    one: async (instanceId: string, id: string): Promise<UserView | undefined> => {
      const [row] = await joined(drizzle)
        .where(and(eq(users.instanceId, instanceId), eq(users.id, id)))
        .limit(1);
      return row && viewOfUser(row);
    },
    list: async ({ instanceId, after, limit }: Page, filter: UserFilter = {}) => {
      const { org, username, state, type } = filter;
      const conditions: (SQL | undefined)[] = [
        eq(users.instanceId, instanceId),
        after === undefined ? undefined : gt(users.id, after),
        org === undefined ? undefined : eq(users.resourceOwner, org),
        username === undefined ? undefined : eq(users.username, username),
        state === undefined ? undefined : eq(users.state, state),
        type === undefined ? undefined : eq(users.type, type),
      ];
      const rows = await joined(drizzle)
        .where(and(...conditions))
        .orderBy(asc(users.id))
        .limit(limit + 1);
      return pageOf(rows.map(viewOfUser), limit);
    },
    /** The events of a user after a version, hashes masked; `limit` at most. */
    events: async (
      ref: { readonly instanceId: string; readonly id: string },
      { after, limit }: { readonly after: number; readonly limit: number },
    ): Promise<readonly EventView[]> => {
      const found: EventView[] = [];
      for await (const event of store.readAggregate(user, ref, { after, pageSize: limit })) {
        found.push({ ...event, payload: maskedPayload(event.type, event.payload) });
        if (found.length === limit) break;
      }
      return found;
    },
  };
}

/** What the projection says of organisations, removed ones too. */
export function createOrgReads({ pool: { drizzle } }: ReadOptions) {
  return {
    one: async (instanceId: string, id: string): Promise<OrgView | undefined> => {
      const [row] = await drizzle
        .select()
        .from(orgs)
        .where(and(eq(orgs.instanceId, instanceId), eq(orgs.id, id)))
        .limit(1);
      return row && viewOfOrg(row);
    },
    list: async ({ instanceId, after, limit }: Page) => {
      const isNext = after === undefined ? undefined : gt(orgs.id, after);
      const rows = await drizzle
        .select()
        .from(orgs)
        .where(and(eq(orgs.instanceId, instanceId), isNext))
        .orderBy(asc(orgs.id))
        .limit(limit + 1);
      return pageOf(rows.map(viewOfOrg), limit);
    },
  };
}

function joined(drizzle: DatabasePool["drizzle"]) {
  const ofUser = (table: typeof userHumans | typeof userMachines | typeof userNotifications) =>
    and(eq(table.instanceId, users.instanceId), eq(table.userId, users.id));
  return drizzle
    .select()
    .from(users)
    .leftJoin(userHumans, ofUser(userHumans))
    .leftJoin(userMachines, ofUser(userMachines))
    .leftJoin(userNotifications, ofUser(userNotifications));
}

type JoinedUser = Awaited<ReturnType<typeof joined>>[number];

function viewOfUser(row: JoinedUser) {
  const { users: user, user_humans: human, user_machines: machine } = row;
  return {
    id: user.id,
    org: user.resourceOwner,
    username: user.username,
    type: user.type,
    state: user.state,
    /** Of the last event seen here: what `If-Match` takes. */
    version: user.sequence,
    createdAt: user.creationDate.toISOString(),
    changedAt: user.changeDate.toISOString(),
    ...(human && {
      human: {
        firstName: human.firstName,
        lastName: human.lastName,
        nickName: human.nickName,
        displayName: human.displayName,
        preferredLanguage: human.preferredLanguage,
        gender: human.gender,
        email: human.email,
        isEmailVerified: human.isEmailVerified,
        phone: human.phone,
        isPhoneVerified: human.isPhoneVerified,
        hasPassword: row.user_notifications?.passwordSet ?? false,
      },
    }),
    ...(machine && {
      machine: {
        name: machine.name,
        description: machine.description,
        accessTokenType: machine.accessTokenType,
        hasSecret: machine.hasSecret,
      },
    }),
  };
}

function viewOfOrg(row: typeof orgs.$inferSelect) {
  const { id, name, primaryDomain, state, sequence, creationDate, changeDate } = row;
  return {
    id,
    name,
    primaryDomain,
    state,
    version: sequence,
    createdAt: creationDate.toISOString(),
    changedAt: changeDate.toISOString(),
  };
}

/** One more than wanted was read: whether there is more is known without counting. */
function pageOf<View extends { readonly id: string }>(views: readonly View[], limit: number) {
  const items = views.slice(0, limit);
  return { items, next: views.length > limit ? (items.at(-1)?.id ?? null) : null };
}
