import { bigint, index, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import { atLeast, notEmpty, oneOf } from "./checks.ts";
import { projections } from "./projections.ts";

export const orgStates = ["active", "inactive", "removed"] as const;

/** The organisations of an instance: the owners that events name. */
export const orgs = projections.table(
  "orgs",
  {
    instanceId: text("instance_id").notNull(),
    id: text("id").notNull(),
    resourceOwner: text("resource_owner").notNull(),
    name: text("name").notNull(),
    primaryDomain: text("primary_domain"),
    state: text("state", { enum: orgStates }).notNull(),
    /** Of the last event that changed the row. */
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    creationDate: timestamp("creation_date", { withTimezone: true }).notNull(),
    changeDate: timestamp("change_date", { withTimezone: true }).notNull(),
  },
  (table) => [
    primaryKey({ name: "orgs_pk", columns: [table.instanceId, table.id] }),
    index("orgs_name_idx").on(table.instanceId, table.name),
    index("orgs_primary_domain_idx").on(table.instanceId, table.primaryDomain),
    notEmpty("orgs_instance_id_check", table.instanceId),
    notEmpty("orgs_id_check", table.id),
    notEmpty("orgs_resource_owner_check", table.resourceOwner),
    notEmpty("orgs_name_check", table.name),
    notEmpty("orgs_primary_domain_check", table.primaryDomain),
    oneOf("orgs_state_check", table.state, orgStates),
    atLeast("orgs_sequence_check", table.sequence, 1),
  ],
);
