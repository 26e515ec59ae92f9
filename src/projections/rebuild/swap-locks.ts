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
  for (const { instanceId } of instances) {
    await tx.query(
      "select pg_advisory_xact_lock(hashtextextended('eventstore.events:' || $1::text, 0))",
      [instanceId],
    );
  }
  // A statement of its own: it sees what was committed before the last lock was had.
  return tx.query<Target>(
    `with recursive ${INSTANCE_HEADS}
     select instance_id as "instanceId", head as "upTo" from heads where instance_id = any($1)`,
    [instances.map(({ instanceId }) => instanceId)],
  );
}

/**
 * With the live tables locked: refuses if an instance was written to them that is not among the
 * targets, because its first events came in between.
 *
 * @throws ProjectionError `busy`: try again
 */
export async function refuseNewcomers(
  tx: Transaction,
  { name, mode }: Projection,
  targets: readonly Target[],
): Promise<void> {
  const known = targets.map(({ instanceId }) => instanceId);
  const text =
    mode === "inline"
      ? `with recursive ${INSTANCE_HEADS}
         select instance_id as "instanceId" from heads where instance_id <> all($1::text[]) limit 1`
      : `select instance_id as "instanceId" from projections.current_states
         where instance_id <> all($1::text[]) and projection_name = $2 and position > 0 limit 1`;
  const newcomer = await tx.queryOne<{ instanceId: string }>(
    text,
    mode === "inline" ? [known] : [known, name],
  );
  if (newcomer === undefined) return;
  throw new ProjectionError({
    code: "busy",
    fact: `The instance ${newcomer.instanceId} is new in ${name}.`,
    outcome: "rolled-back",
    remedy: "Try again.",
  });
}
