import { catchUp } from "../catch-up.ts";
import type { LaneContext } from "../lane.ts";
import type { RunnerProgress } from "../progress.ts";
import { isOfKinds } from "../subscriber.ts";
import { type RebuildContext, rebuildName } from "./rebuild-context.ts";

/** A round that handles fewer events than this is followed by the swap. */
const CAUGHT_UP = 1_000;

/**
 * Fills the new tables up to the barrier of every instance, again and again, until little is left
 * for the swap.
 *
 * @returns the events handled
 * @throws ProjectionError `halted`, `live_table`; what `signal` is aborted with
 */
export async function buildTables(context: RebuildContext): Promise<number> {
  const total = await countRemaining(context);
  const started = performance.now();
  let events = 0;
  const report = (item: RunnerProgress) => {
    if (item.kind === "advanced") {
      events += item.events;
      const seconds = Math.max((performance.now() - started) / 1_000, 0.001);
      context.report({
        kind: "building",
        instanceId: item.instanceId,
        events,
        perSecond: Math.round(events / seconds),
        remaining: Math.max(0, total - events),
      });
    } else if (item.kind === "quarantined") {
      const { kind, instanceId, aggregateType, aggregateId, error } = item;
      context.report({ kind, instanceId, aggregateType, aggregateId, error });
    } else if (item.kind === "retrying") {
      const { kind, error, retryInMs } = item;
      context.report({ kind, error, retryInMs });
    }
  };
  for (;;) {
    const before = events;
    await buildRound(context, report);
    if (events - before < CAUGHT_UP) return events;
  }
}

async function buildRound(context: RebuildContext, report: LaneContext["report"]): Promise<void> {
  const { pool, store, subscriber, signal, statementTimeoutMs } = context;
  const lane: LaneContext = { pool, report, signal, statementTimeoutMs, haltedRetryMs: 0 };
  await catchUp(lane, new Map([[subscriber.name, subscriber]]), store, 1);
}

/** Events that are to be handled, by one pass over the table. */
async function countRemaining({ pool, projection, subscriber }: RebuildContext): Promise<number> {
  const row = await pool.queryOne<{ count: number }>(
    `select count(*) as count
     from eventstore.events e
     left join projections.current_states s
       on s.instance_id = e.instance_id and s.projection_name = $1
     where e.global_sequence > coalesce(s.position, 0)
       and ${isOfKinds("e", "$2")}`,
    [rebuildName(projection.name), subscriber.kinds],
  );
  return row?.count ?? 0;
}
