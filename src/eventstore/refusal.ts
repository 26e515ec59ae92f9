import type { Run } from "./database.ts";
import type { AnyStoredEvent, Expected, UniqueValue } from "./definition.ts";
import { ConcurrencyConflict, eventStoreError, UniqueViolation } from "./event-store-error.ts";
import { EVENT_COLUMNS, type EventRow, eventOf } from "./payload.ts";
import type { PreparedAggregate, PreparedPush } from "./prepared-push.ts";

/** Why nothing was appended. `unclear`: whatever it was, it is over; the push may be tried again. */
export type Refusal =
  | { readonly kind: "replayed"; readonly events: readonly AnyStoredEvent[] }
  | { readonly kind: "refused"; readonly error: Error }
  | { readonly kind: "unclear" };

const MOST_EVENTS = 100;

/** Finds out, by what is committed now, why a push has appended nothing. */
export async function explainRefusal(run: Run, push: PreparedPush): Promise<Refusal> {
  const earlier = await findEarlier(run, push);
  if (earlier !== undefined) return earlier;
  const conflict = await findConflict(run, push);
  if (conflict !== undefined) return { kind: "refused", error: conflict };
  const taken = await findTaken(run, push);
  if (taken !== undefined) {
    return { kind: "refused", error: new UniqueViolation(taken.type, taken.value) };
  }
  return { kind: "unclear" };
}

/** What an earlier push under the same key has appended. */
export async function findEarlier(
  run: Run,
  { instanceId, idempotency }: Pick<PreparedPush, "instanceId" | "idempotency">,
): Promise<Exclude<Refusal, { kind: "unclear" }> | undefined> {
  if (idempotency === undefined) return undefined;
  const [earlier] = await run<{ request_digest: string }>(
    `select request_digest from eventstore.idempotency_keys
     where instance_id = $1::text and key = $2::text`,
    [instanceId, idempotency.key],
  );
  if (earlier === undefined) return undefined;
  if (earlier.request_digest !== idempotency.digest) {
    const error = eventStoreError(
      "idempotency_mismatch",
      `The idempotency key ${JSON.stringify(idempotency.key)} was used for another request.`,
      "Use a key of its own for each request.",
      { outcome: "nothing-written" },
    );
    return { kind: "refused", error };
  }
  const rows = await run<EventRow>(
    `select ${EVENT_COLUMNS} from eventstore.events
     where instance_id = $1::text and global_sequence = any((
       select positions from eventstore.idempotency_keys
       where instance_id = $1::text and key = $2::text
     )::bigint[])
     order by global_sequence`,
    [instanceId, idempotency.key],
  );
  return { kind: "replayed", events: rows.map(eventOf) };
}

async function findConflict(run: Run, push: PreparedPush): Promise<Error | undefined> {
  const { instanceId, aggregates } = push;
  const versions = await run<{ n: number; actual: number | string }>(
    `select a.n, coalesce((
       select x.sequence from eventstore.events x
       where x.instance_id = $1::text and x.aggregate_type = a.t and x.aggregate_id = a.i
       order by x.sequence desc limit 1
     ), 0) as actual
     from pg_catalog.jsonb_to_recordset($2::jsonb) as a (n int, t text, i text)
     order by a.n`,
    [instanceId, JSON.stringify(aggregates.map(({ type, id }, n) => ({ n, t: type, i: id })))],
  );
  for (const { n, actual: found } of versions) {
    const actual = Number(found);
    const aggregate = aggregates[n];
    if (aggregate === undefined || isMet(aggregate.expected, actual)) continue;
    return conflictOf(run, instanceId, aggregate, actual);
  }
  return undefined;
}

function isMet(expected: Expected, actual: number): boolean {
  switch (expected) {
    case "any":
      return true;
    case "none":
      return actual === 0;
    case "exists":
      return actual > 0;
    default:
      return actual === expected;
  }
}

/** The aggregate's last sequence; 0 if it has no events. */
export async function versionOf(
  run: Run,
  instanceId: string,
  { type, id }: Pick<PreparedAggregate, "type" | "id">,
): Promise<number> {
  const [row] = await run<{ sequence: number | string }>(
    `select sequence from eventstore.events
     where instance_id = $1::text and aggregate_type = $2::text and aggregate_id = $3::text
     order by sequence desc limit 1`,
    [instanceId, type, id],
  );
  return Number(row?.sequence ?? 0);
}

/** The error for an aggregate at version `actual`, with the events that were not expected. */
export async function conflictOf(
  run: Run,
  instanceId: string,
  { type, id, expected }: PreparedAggregate,
  actual: number,
): Promise<ConcurrencyConflict> {
  const since = typeof expected === "number" ? expected : 0;
  const rows = await run<EventRow>(
    `select ${EVENT_COLUMNS} from eventstore.events
     where instance_id = $1::text and aggregate_type = $2::text and aggregate_id = $3::text
       and sequence > $4::bigint
     order by sequence limit ${MOST_EVENTS}`,
    [instanceId, type, id, since],
  );
  const aggregate = { instanceId, type, id };
  return new ConcurrencyConflict({ aggregate, expected, actual, events: rows.map(eventOf) });
}

/** A value among the claims that somebody has, and that the push does not release. */
export async function findTaken(run: Run, push: PreparedPush): Promise<UniqueValue | undefined> {
  const { instanceId, claims, releases } = push;
  if (claims.length === 0) return undefined;
  const [taken] = await run<{ type: string; value: string }>(
    `select v.type, v.value
     from pg_catalog.jsonb_to_recordset($2::jsonb) as v (type text, value text)
     join eventstore.unique_constraints u
       on u.instance_id = $1::text and u.unique_type = v.type and u.unique_field = v.value
     where not exists (
       select from pg_catalog.jsonb_to_recordset($3::jsonb) as r (type text, value text)
       where r.type = v.type and r.value = v.value
     )
     order by v.type, v.value limit 1`,
    [instanceId, JSON.stringify(claims), JSON.stringify(releases)],
  );
  return taken;
}
