import type { Expected } from "./definition.ts";
import type { PreparedPush } from "./prepared-push.ts";

export interface BoundStatement {
  readonly text: string;
  readonly params: readonly unknown[];
}

/**
 * The one statement of a push. It returns a row for each event (`sequence`, `global_sequence`,
 * `created_at`), in their order; or none, and has done nothing, where something speaks against the
 * push: an aggregate's version, a value that is taken, a key that was used. What it did not look for,
 * or could not see because it was not committed yet, ends in a unique violation of `events_pk`,
 * `unique_constraints_pk` or `idempotency_keys_pk`.
 *
 * Numbers are drawn under the shared lock of the instance, which is held until the end of the
 * transaction (the sequence barrier: see `barrier.ts`). Each form below is prepared once a connection;
 * the shorter ones cost less, and are what most pushes need.
 */
export function pushStatement(push: PreparedPush): BoundStatement {
  const { instanceId, aggregates, events, claims, releases, idempotency } = push;
  const [aggregate] = aggregates;
  const [event] = events;
  const plain = claims.length === 0 && releases.length === 0 && idempotency === undefined;
  if (plain && events.length === 1 && aggregate !== undefined && event !== undefined) {
    const { type, id, owner, creator } = aggregate;
    const expected = expectedNumber(aggregate.expected);
    const payload = JSON.stringify(event.payload);
    const params = [instanceId, type, id, owner, creator, event.type, event.revision, payload];
    return expected === 0
      ? { text: FIRST_EVENT, params }
      : { text: ONE_EVENT, params: [...params, expected] };
  }
  const params = [
    instanceId,
    JSON.stringify(
      aggregates.map(({ type, id, owner, creator, expected }, n) => {
        return { n, t: type, i: id, o: owner, c: creator, e: expectedNumber(expected) };
      }),
    ),
    JSON.stringify(
      events.map(({ aggregate: n, nth, type, revision, payload }, o) => {
        return { o, n, s: nth, t: type, r: revision, p: payload };
      }),
    ),
  ];
  if (plain) return { text: MANY_EVENTS, params };
  return {
    text: WITH_UNIQUE_VALUES,
    params: [
      ...params,
      JSON.stringify(claims),
      JSON.stringify(releases),
      idempotency?.key ?? null,
      idempotency?.digest ?? null,
    ],
  };
}

/** A version; below 0 what `ALLOWED` reads. */
function expectedNumber(expected: Expected): number {
  switch (expected) {
    case "none":
      return 0;
    case "any":
      return -1;
    case "exists":
      return -2;
    default:
      return expected;
  }
}

const allowed = (expected: string) =>
  `case ${expected} when -1 then true when -2 then a.actual > 0 else a.actual = ${expected} end`;

const BARRIER = `
with barrier as materialized (
  select pg_catalog.pg_advisory_xact_lock_shared(
    pg_catalog.hashtextextended('eventstore.events:' || $1::text, 0))
)`;

const version = (type: string, id: string) => `
  coalesce((
    select x.sequence from eventstore.events x
    where x.instance_id = $1::text and x.aggregate_type = ${type} and x.aggregate_id = ${id}
    order by x.sequence desc limit 1
  ), 0)`;

const INSERT = `insert into eventstore.events (
  instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner, payload
)`;

// The key alone says whether there is one already: a collision in place of a look at each append.
const FIRST_EVENT = `${BARRIER}
${INSERT}
select $1::text, $2::text, $3::text, 1, $6::text, $7::smallint, $5::text, $4::text, $8::jsonb
from barrier
returning sequence, global_sequence, created_at`;

const ONE_EVENT = `${BARRIER}
${INSERT}
select $1::text, $2::text, $3::text, a.actual + 1, $6::text, $7::smallint, $5::text, $4::text,
  $8::jsonb
from barrier, lateral (select ${version("$2::text", "$3::text")} as actual) a
where ${allowed("$9::bigint")}
returning sequence, global_sequence, created_at`;

const AGGREGATES = `,
aggregates as materialized (
  select a.n, a.t, a.i, a.o, a.c, a.e, ${version("a.t", "a.i")} as actual
  from barrier, pg_catalog.jsonb_to_recordset($2::jsonb) as a (n int, t text, i text, o text, c text, e bigint)
)`;

// In their order: the default of global_sequence is drawn row by row above the sort.
const insertWhere = (condition: string) => `${INSERT}
select $1::text, a.t, a.i, a.actual + e.s, e.t, e.r, a.c, a.o, e.p
from pg_catalog.jsonb_to_recordset($3::jsonb) as e (o int, n int, s int, t text, r smallint, p jsonb)
join aggregates a on a.n = e.n
where ${condition}
order by e.o
returning sequence, global_sequence, created_at`;

const NO_CONFLICT = `not exists (select from aggregates a where not ${allowed("a.e")})`;

const MANY_EVENTS = `${BARRIER}${AGGREGATES}
${insertWhere(NO_CONFLICT)}`;

const VALUES = (param: string) =>
  `pg_catalog.jsonb_to_recordset(${param}::jsonb) as v (type text, value text)`;

const WITH_UNIQUE_VALUES = `${BARRIER}${AGGREGATES},
permitted as materialized (
  select true as yes
  where ${NO_CONFLICT}
    and not exists (
      select from eventstore.idempotency_keys k where k.instance_id = $1::text and k.key = $6::text
    )
    and not exists (
      select from ${VALUES("$4")}
      join eventstore.unique_constraints u
        on u.instance_id = $1::text and u.unique_type = v.type and u.unique_field = v.value
      where not exists (
        select from pg_catalog.jsonb_to_recordset($5::jsonb) as r (type text, value text)
        where r.type = v.type and r.value = v.value
      )
    )
),
released as (
  delete from eventstore.unique_constraints u
  using permitted, ${VALUES("$5")}
  where u.instance_id = $1::text and u.unique_type = v.type and u.unique_field = v.value
  returning true as yes
),
claimed as (
  insert into eventstore.unique_constraints (instance_id, unique_type, unique_field)
  select $1::text, v.type, v.value from permitted, ${VALUES("$4")}
  -- Counting runs the deletes to their end: a value that this push releases is free by now.
  where (select count(*) from released) >= 0
  returning true as yes
),
inserted as (
  ${insertWhere("(select yes from permitted) and (select count(*) from claimed) >= 0")}
),
remembered as (
  insert into eventstore.idempotency_keys (instance_id, key, request_digest, positions)
  select $1::text, $6::text, $7::text, array_agg(i.global_sequence order by i.global_sequence)
  from inserted i
  having $6::text is not null and count(*) > 0
)
select sequence, global_sequence, created_at from inserted order by global_sequence`;
