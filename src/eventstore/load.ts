import type { Run } from "./database.ts";
import type {
  Aggregate,
  AggregateRef,
  AnyStoredEvent,
  EventOf,
  Fold,
  Json,
  SnapshotOptions,
} from "./definition.ts";
import { readEvent } from "./payload.ts";
import { aggregatePages } from "./read.ts";

export interface Loaded<State> {
  readonly state: State;
  /** Sequence of the last event; 0 if there is none. */
  readonly version: number;
  /** Of the last event read; undefined if none was read. */
  readonly last: AnyStoredEvent | undefined;
}

export interface LoadContext {
  readonly run: Run;
  readonly check: boolean;
  readonly onWarning: (warning: StoreWarning) => void;
}

/** A snapshot is a cache: one that cannot be written or read costs time and nothing else. */
export interface StoreWarning {
  readonly kind: "snapshot-not-written";
  readonly aggregate: AggregateRef & { readonly type: string };
  readonly error: unknown;
}

/**
 * Folds an aggregate's events, from its snapshot on where the fold has them.
 *
 * @throws EventStoreError `unknown_event`, `invalid_event`
 */
export async function loadAggregate<A extends Aggregate, State>(
  { run, check, onWarning }: LoadContext,
  aggregate: A,
  ref: AggregateRef,
  { initial, evolve, snapshot }: Fold<A, State>,
): Promise<Loaded<State>> {
  const start =
    snapshot === undefined ? undefined : await readSnapshot<State>(run, aggregate, ref, snapshot);
  let { state, version } = start ?? { state: initial, version: 0 };
  let last: AnyStoredEvent | undefined;
  let count = 0;
  for await (const page of aggregatePages(run, aggregate, ref, { after: version })) {
    for (const stored of page) {
      last = readEvent(aggregate, stored, { check });
      state = evolve(state, last as unknown as EventOf<A>);
      version = last.sequence;
    }
    count += page.length;
  }
  if (snapshot !== undefined && count >= snapshot.every) {
    await writeSnapshot(run, aggregate, ref, snapshot, { state, version }).catch((error) =>
      onWarning({
        kind: "snapshot-not-written",
        aggregate: { ...ref, type: aggregate.type },
        error,
      }),
    );
  }
  return { state, version, last };
}

async function readSnapshot<State>(
  run: Run,
  { type }: Aggregate,
  { instanceId, id }: AggregateRef,
  { name, version }: SnapshotOptions,
): Promise<{ readonly state: State; readonly version: number } | undefined> {
  const [row] = await run<{ state: State; sequence: number | string }>(
    `select state, sequence from eventstore.snapshots
     where instance_id = $1::text and aggregate_type = $2::text and aggregate_id = $3::text
       and fold = $4::text and fold_version = $5::int`,
    [instanceId, type, id, name, version],
  );
  return row && { state: row.state, version: Number(row.sequence) };
}

async function writeSnapshot(
  run: Run,
  { type }: Aggregate,
  { instanceId, id }: AggregateRef,
  { name, version }: SnapshotOptions,
  loaded: { readonly state: unknown; readonly version: number },
): Promise<void> {
  // Never an older one over a newer one of the same fold.
  await run(
    `insert into eventstore.snapshots as s (
       instance_id, aggregate_type, aggregate_id, fold, fold_version, sequence, state
     )
     values ($1::text, $2::text, $3::text, $4::text, $5::int, $6::bigint, $7::jsonb)
     on conflict (instance_id, aggregate_type, aggregate_id, fold) do update
     set fold_version = excluded.fold_version, sequence = excluded.sequence,
       state = excluded.state, created_at = excluded.created_at
     where (s.fold_version, s.sequence) < (excluded.fold_version, excluded.sequence)`,
    [
      instanceId,
      type,
      id,
      name,
      version,
      loaded.version,
      JSON.stringify(loaded.state satisfies unknown as Json),
    ],
  );
}
