import type { Transaction } from "../../db/pool/index.ts";
import type { Projection } from "../definition.ts";
import { INSTANCE_HEADS } from "../poll.ts";
import { ProjectionError } from "../projection-error.ts";
import { rebuildName } from "./rebuild-context.ts";

/** Up to where the new tables must be in an instance. */
export interface Target {
  readonly instanceId: string;
  readonly upTo: number;
}

/** More locks in one transaction than this may be more than the server has. */
const MOST_INSTANCES = 2_000;

/**
 * Locks every position of the live projection, so that no runner goes on, and says where they are.
 * An instance that only the rebuild has seen gets its row first.
 */
export async function holdPositions(
  tx: Transaction,
  { name }: Projection,
): Promise<readonly Target[]> {
  await tx.query(
    `insert into projections.current_states (instance_id, projection_name)
     select instance_id, $1 from projections.current_states where projection_name = $2
     on conflict (instance_id, projection_name) do nothing`,
    [name, rebuildName(name)],
  );
  return tx.query<Target>(
    `select instance_id as "instanceId", position as "upTo" from projections.current_states
     where projection_name = $1 order by instance_id for update`,
    [name],
  );
}

/** Holds every instance's appends back, and says which events there are. */
export async function holdInline(
  tx: Transaction,
  { name }: Projection,
): Promise<readonly Target[]> {
  const instances = await tx.query<{ instanceId: string }>(
    `with recursive ${INSTANCE_HEADS}
     select instance_id as "instanceId" from heads order by instance_id`,
  );
  if (instances.length > MOST_INSTANCES) {
    throw new ProjectionError({
      code: "not_rebuildable",
      fact: `The inline projection ${name} has ${instances.length} instances; at most ${MOST_INSTANCES} can be held for the swap.`,
      outcome: "rolled-back",
      remedy: "Make it async for the rebuild.",
    });
  }
  // In the order of the array, one after the other.
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('eventstore.events:' || instance_id, 0))
     from unnest($1::text[]) as held(instance_id)`,
    [instances.map(({ instanceId }) => instanceId)],
  );
  // A statement of its own: it sees what was committed before the last lock was had.
  return tx.query<Target>(
    `with recursive ${INSTANCE_HEADS}
     select instance_id as "instanceId", head as "upTo" from heads where instance_id = any($1)`,
    [instances.map(({ instanceId }) => instanceId)],
  );
}

/**
 * With the live tables locked: instances that are not among the targets, because their first events
 * came in between. Inline, these are all events that were written to the live tables: an append that
 * is still open waits for them, and will write to the new ones.
 *
 * @throws ProjectionError `busy` if a runner was faster: try again
 */
export async function newcomers(
  tx: Transaction,
  { name, mode }: Projection,
  targets: readonly Target[],
): Promise<readonly Target[]> {
  const known = targets.map(({ instanceId }) => instanceId);
  if (mode === "inline") {
    return tx.query<Target>(
      `with recursive ${INSTANCE_HEADS}
       select instance_id as "instanceId", head as "upTo" from heads
       where instance_id <> all($1::text[])`,
      [known],
    );
  }
  const [newcomer] = await tx.query<Target>(
    `select instance_id as "instanceId", position as "upTo" from projections.current_states
     where instance_id <> all($1::text[]) and projection_name = $2 and position > 0 limit 1`,
    [known, name],
  );
  if (newcomer === undefined) return [];
  throw new ProjectionError({
    code: "busy",
    fact: `The instance ${newcomer.instanceId} is new in ${name}.`,
    outcome: "rolled-back",
    remedy: "Try again.",
  });
}
