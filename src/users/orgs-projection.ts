import { inArray, sql } from "drizzle-orm";
import { orgs } from "../db/schema/index.ts";
import type { StoredEventOf } from "../eventstore/index.ts";
import { defineProjection, on } from "../projections/index.ts";
import { org } from "./org-events.ts";
import { evolveOrg, type OrgState } from "./org-state.ts";
import { upsert } from "./upsert.ts";

type OrgRow = typeof orgs.$inferSelect;

/** `orgs`: one row for each organisation, the removed ones too. */
export const orgsProjection = defineProjection({
  name: "orgs",
  tables: { orgs },
  handles: [on(org)],
  handle: async (tx, batch, { orgs: table }) => {
    const instanceId = batch[0]?.instanceId ?? "";
    const ids = [...new Set(batch.map(({ aggregateId }) => aggregateId))];
    const known = await tx
      .select()
      .from(table)
      .where(sql`${table.instanceId} = ${instanceId} and ${inArray(table.id, ids)}`);
    const rows = new Map<string, OrgRow>(known.map((row) => [row.id, row]));
    for (const event of batch)
      rows.set(event.aggregateId, next(rows.get(event.aggregateId), event));
    await upsert(tx, table, ["instanceId", "id"], [...rows.values()]);
  },
});

function next(row: OrgRow | undefined, event: StoredEventOf<typeof org>): OrgRow {
  const { name, primaryDomain, status } = evolveOrg(row && stateOf(row), event);
  return {
    instanceId: event.instanceId,
    id: event.aggregateId,
    resourceOwner: event.owner,
    name,
    primaryDomain: primaryDomain ?? null,
    state: status,
    sequence: event.sequence,
    creationDate: row?.creationDate ?? event.createdAt,
    changeDate: event.createdAt,
  };
}

function stateOf({ name, primaryDomain, state }: OrgRow): OrgState {
  return { name, primaryDomain: primaryDomain ?? undefined, status: state };
}
