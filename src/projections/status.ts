import { integer } from "../db/base/quote.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import type { Projection, Reactor } from "./definition.ts";
import { INSTANCE_HEADS } from "./poll.ts";
import { MOST_IN_A_ROW } from "./quarantine.ts";

export type ProjectionState =
  /** At the last event, or near it. */
  | "running"
  /** The oldest event that it has not looked at is older than it may be. */
  | "behind"
  /** It has stopped in at least one instance: its handler fails for one aggregate after the other. */
  | "halted"
  /** In the append's transaction: it has no position. */
  | "inline";

/** One projection or reactor in one instance. */
export interface InstanceStatus {
  readonly instanceId: string;
  readonly state: Exclude<ProjectionState, "inline">;
  readonly position: number;
  /** Events that it has not looked at; those of other types among them. */
  readonly lagEvents: number;
  /** There are more than `lagEvents`, which were not counted. */
  readonly isLagCut: boolean;
  /** Age of the oldest of them; 0 without any. */
  readonly lagSeconds: number;
  /** Aggregates held back. */
  readonly quarantined: number;
}

export interface ProjectionStatus {
  readonly name: string;
  readonly kind: "projection" | "reactor";
  readonly state: ProjectionState;
  /** With events. */
  readonly instances: number;
  /** In all instances. */
  readonly quarantined: number;
  /** The instance that is furthest behind, a halted one first. Undefined if inline, or without events. */
  readonly worst: InstanceStatus | undefined;
  /** By instance, if asked for. */
  readonly byInstance?: readonly InstanceStatus[];
}

export interface StatusOptions {
  readonly pool: DatabasePool;
  readonly projections?: readonly Projection[];
  readonly reactors?: readonly Reactor[];
  /** From which age of an event on a projection is behind. Default 10,000. */
  readonly behindAfterMs?: number;
  /** Also every instance; costs more the more there are. Default false. */
  readonly perInstance?: boolean;
}

/** Events are counted up to here. */
export const LAG_COUNTED = 100_000;

interface Row {
  readonly name: string;
  readonly instanceId: string;
  readonly position: number;
  readonly lagSeconds: number;
  readonly lagEvents: number;
  readonly quarantined: number;
  readonly inARow: number;
  readonly instances: number;
  readonly allQuarantined: number;
}

/** One index probe for each instance and projection that is behind; counted is only what is shown. */
function statusQuery(perInstance: boolean): string {
  return `
    with recursive ${INSTANCE_HEADS},
    failed as (
      select f.instance_id, f.projection_name, count(*) as quarantined,
        count(*) filter (where f.failure_count = 1 and f.last_failed > s.last_updated) as in_a_row
      from projections.failed_events f
      join projections.current_states s using (instance_id, projection_name)
      where f.projection_name = any($1)
      group by f.instance_id, f.projection_name),
    lags as (
      select wanted.name, heads.instance_id, heads.head, coalesce(s.position, 0) as position,
        coalesce(f.quarantined, 0) as quarantined, coalesce(f.in_a_row, 0) as in_a_row,
        greatest(0, extract(epoch from clock_timestamp() - oldest.created_at))::float8 as seconds,
        count(*) over (partition by wanted.name) as instances,
        (sum(f.quarantined) over (partition by wanted.name))::int8 as all_quarantined
      from heads
      cross join unnest($1::text[]) as wanted(name)
      left join projections.current_states s
        on s.instance_id = heads.instance_id and s.projection_name = wanted.name
      left join failed f on f.instance_id = heads.instance_id and f.projection_name = wanted.name
      left join lateral (
        select created_at from eventstore.events e
        where e.instance_id = heads.instance_id and e.global_sequence > coalesce(s.position, 0)
          and coalesce(s.position, 0) < heads.head
        order by e.global_sequence limit 1) as oldest on true),
    shown as (
      select ${perInstance ? "" : "distinct on (name)"} * from lags
      order by name, in_a_row >= ${integer(MOST_IN_A_ROW)} desc, seconds desc nulls last, instance_id)
    select name, instance_id as "instanceId", position, coalesce(seconds, 0) as "lagSeconds",
      quarantined, in_a_row as "inARow", instances, coalesce(all_quarantined, 0) as "allQuarantined",
      counted.lag as "lagEvents"
    from shown
    cross join lateral (
      select count(*) as lag from (
        select from eventstore.events e
        where e.instance_id = shown.instance_id and e.global_sequence > shown.position
          and e.global_sequence <= shown.head
        order by e.global_sequence limit ${integer(LAG_COUNTED + 1)}) as ahead) as counted`;
}

/** How far each projection and reactor is, in the order given. Cheap enough for a health check. */
export async function projectionStatus(
  options: StatusOptions,
): Promise<readonly ProjectionStatus[]> {
  const { pool, projections = [], reactors = [], perInstance = false } = options;
  const { behindAfterMs = 10_000 } = options;
  const following = [...projections.filter(({ mode }) => mode === "async"), ...reactors];
  const names = following.map(({ name }) => name);
  const rows = names.length === 0 ? [] : await pool.query<Row>(statusQuery(perInstance), [names]);
  return [...projections, ...reactors].map((one): ProjectionStatus => {
    const kind = "react" in one ? "reactor" : "projection";
    const { name } = one;
    if ("mode" in one && one.mode === "inline") {
      return { name, kind, state: "inline", instances: 0, quarantined: 0, worst: undefined };
    }
    const own = rows.filter((row) => row.name === name);
    const byInstance = own.map((row) => instanceStatus(row, behindAfterMs));
    const [worst] = byInstance;
    return {
      name,
      kind,
      state: worst?.state ?? "running",
      instances: own[0]?.instances ?? 0,
      quarantined: own[0]?.allQuarantined ?? 0,
      worst,
      ...(perInstance && { byInstance }),
    };
  });
}

function instanceStatus(row: Row, behindAfterMs: number): InstanceStatus {
  const { instanceId, position, lagSeconds, lagEvents, quarantined, inARow } = row;
  const isBehind = lagSeconds * 1_000 > behindAfterMs;
  return {
    instanceId,
    state: inARow >= MOST_IN_A_ROW ? "halted" : isBehind ? "behind" : "running",
    position,
    lagEvents: Math.min(lagEvents, LAG_COUNTED),
    isLagCut: lagEvents > LAG_COUNTED,
    lagSeconds,
    quarantined,
  };
}

/** `100,000+`: the lag as people read it. */
export function lagText({ lagEvents, isLagCut }: InstanceStatus): string {
  return `${lagEvents.toLocaleString("en-US")}${isLagCut ? "+" : ""}`;
}
