import {
  bigint,
  boolean,
  foreignKey,
  index,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import { atLeast, notEmpty, oneOf } from "./checks.ts";
import { projections } from "./projections.ts";

export const userStates = ["initial", "active", "inactive", "locked"] as const;
export const userTypes = ["human", "machine"] as const;
export const genders = ["unspecified", "female", "male", "diverse"] as const;
export const accessTokenTypes = ["bearer", "jwt"] as const;

/**
 * The users of an instance, people and machines. What only one kind has is in a table of its own
 * below, gone with its user.
 *
 * No foreign key to `orgs`: that is another projection, and each catches up at its own pace. User
 * names are unique in the event store, where the decision is made; here they are only looked up.
 */
export const users = projections.table(
  "users",
  {
    instanceId: text("instance_id").notNull(),
    id: text("id").notNull(),
    resourceOwner: text("resource_owner").notNull(),
    username: text("username").notNull(),
    state: text("state", { enum: userStates }).notNull(),
    type: text("type", { enum: userTypes }).notNull(),
    /** Of the last event that changed the row. */
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    creationDate: timestamp("creation_date", { withTimezone: true }).notNull(),
    changeDate: timestamp("change_date", { withTimezone: true }).notNull(),
  },
  (table) => [
    primaryKey({ name: "users_pk", columns: [table.instanceId, table.id] }),
    index("users_username_idx").on(table.instanceId, table.username),
    index("users_resource_owner_idx").on(table.instanceId, table.resourceOwner),
    notEmpty("users_instance_id_check", table.instanceId),
    notEmpty("users_id_check", table.id),
    notEmpty("users_resource_owner_check", table.resourceOwner),
    notEmpty("users_username_check", table.username),
    oneOf("users_state_check", table.state, userStates),
    oneOf("users_type_check", table.type, userTypes),
    atLeast("users_sequence_check", table.sequence, 1),
  ],
);

/** What only a person has. */
export const userHumans = projections.table(
  "user_humans",
  {
    instanceId: text("instance_id").notNull(),
    userId: text("user_id").notNull(),
    firstName: text("first_name").notNull(),
    lastName: text("last_name").notNull(),
    nickName: text("nick_name"),
    displayName: text("display_name").notNull(),
    preferredLanguage: text("preferred_language"),
    gender: text("gender", { enum: genders }).notNull().default("unspecified"),
    email: text("email").notNull(),
    isEmailVerified: boolean("is_email_verified").notNull().default(false),
    phone: text("phone"),
    isPhoneVerified: boolean("is_phone_verified").notNull().default(false),
  },
  (table) => [
    primaryKey({ name: "user_humans_pk", columns: [table.instanceId, table.userId] }),
    foreignKey({
      name: "user_humans_users_fk",
      columns: [table.instanceId, table.userId],
      foreignColumns: [users.instanceId, users.id],
    }).onDelete("cascade"),
    oneOf("user_humans_gender_check", table.gender, genders),
    notEmpty("user_humans_email_check", table.email),
    notEmpty("user_humans_phone_check", table.phone),
  ],
);

/** What only a machine has. */
export const userMachines = projections.table(
  "user_machines",
  {
    instanceId: text("instance_id").notNull(),
    userId: text("user_id").notNull(),
    name: text("name").notNull(),
    description: text("description"),
    hasSecret: boolean("has_secret").notNull().default(false),
    accessTokenType: text("access_token_type", { enum: accessTokenTypes })
      .notNull()
      .default("bearer"),
  },
  (table) => [
    primaryKey({ name: "user_machines_pk", columns: [table.instanceId, table.userId] }),
    foreignKey({
      name: "user_machines_users_fk",
      columns: [table.instanceId, table.userId],
      foreignColumns: [users.instanceId, users.id],
    }).onDelete("cascade"),
    notEmpty("user_machines_name_check", table.name),
    oneOf("user_machines_access_token_type_check", table.accessTokenType, accessTokenTypes),
  ],
);

/** Where a person is reached: the last address given, and the last one that was verified. */
export const userNotifications = projections.table(
  "user_notifications",
  {
    instanceId: text("instance_id").notNull(),
    userId: text("user_id").notNull(),
    lastEmail: text("last_email"),
    verifiedEmail: text("verified_email"),
    lastPhone: text("last_phone"),
    verifiedPhone: text("verified_phone"),
    passwordSet: boolean("password_set").notNull().default(false),
  },
  (table) => [
    primaryKey({ name: "user_notifications_pk", columns: [table.instanceId, table.userId] }),
    foreignKey({
      name: "user_notifications_users_fk",
      columns: [table.instanceId, table.userId],
      foreignColumns: [users.instanceId, users.id],
    }).onDelete("cascade"),
    index("user_notifications_verified_email_idx").on(table.instanceId, table.verifiedEmail),
    notEmpty("user_notifications_last_email_check", table.lastEmail),
    notEmpty("user_notifications_verified_email_check", table.verifiedEmail),
    notEmpty("user_notifications_last_phone_check", table.lastPhone),
    notEmpty("user_notifications_verified_phone_check", table.verifiedPhone),
  ],
);
