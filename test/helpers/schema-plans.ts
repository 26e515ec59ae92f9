import type { DatabasePool, Transaction } from "../../src/db/pool/index.ts";

/**
 * What a projection asks: the next page of an instance, up to the barrier. The page is cut before
 * its types are looked at, so that a poll costs the same however rare they are and the cursor moves
 * on, and so that the planner is not led into collecting a type and sorting it.
 */
export const POLL_QUERY = `
  select *
  from (
    select *
    from eventstore.events
    where instance_id = $1 and global_sequence > $2 and global_sequence <= $3
    order by global_sequence
    limit $4
  ) as page
  where aggregate_type = any($5)
  order by global_sequence`;

/** Events of `instances` instances, interleaved, in five types of aggregates. */
export async function seedEvents(
  pool: DatabasePool,
  { count, instances }: { readonly count: number; readonly instances: number },
): Promise<void> {
  await pool.query(
    `insert into eventstore.events
       (instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner)
     select
       'i' || n % $2::int, 'type' || n % 5, 'a' || n % 1000, n, 'type.event' || n % 3, 1, 'c', 'o'
     from generate_series(1, $1::int) as n`,
    [count, instances],
  );
  await pool.query("analyze eventstore.events");
}

export interface PlanNode {
  readonly "Node Type": string;
  readonly "Plan Rows": number;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly Plans?: readonly PlanNode[];
}

/**
 * The plan's nodes from the top down. `generic`: the plan that a prepared statement ends up with,
 * made without a look at the values.
 */
export async function explain(
  pool: DatabasePool,
  text: string,
  params: readonly string[],
  mode: "custom" | "generic",
): Promise<readonly PlanNode[]> {
  return pool.transaction((transaction) => explainWithin(transaction, text, params, mode));
}

export async function explainWithin(
  transaction: Transaction,
  text: string,
  params: readonly string[],
  mode: "custom" | "generic",
): Promise<readonly PlanNode[]> {
  await transaction.query(`set local plan_cache_mode = force_${mode}_plan`);
  await transaction.query(`prepare explained as ${text}`);
  const row = await transaction.queryOne<{ "QUERY PLAN": readonly { Plan: PlanNode }[] }>(
    `explain (format json) execute explained (${params.join(", ")})`,
  );
  await transaction.query("deallocate explained");
  return (row?.["QUERY PLAN"] ?? []).flatMap(({ Plan }) => flatten(Plan));
}

function flatten(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}
