-- The event store's copy of the migration events. The ledger in schema tidemark is the truth:
-- Tidemark runs this statement last before each COMMIT, behind a savepoint, so that whatever is
-- wrong here never fails a migration; what is missing is written by the next one that can.
--
-- tidemark: event-sink eventstore.events
--
-- $1: a jsonb array of events in their order, each as `tidemark events --json` shows it.
with barrier as materialized (
  -- As every append: numbers are drawn under the shared lock of the instance, so that a reader
  -- which has held the exclusive one for an instant knows that none below is still to come.
  select pg_advisory_xact_lock_shared(hashtextextended('eventstore.events:system', 0))
),
given as (
  select e.event, e.event->>'tag' as tag, (e.event->>'id')::bigint as id
  from barrier, jsonb_array_elements($1) as e (event)
  -- Whoever restores a backup may be given the same event twice. Another ledger's events have the
  -- same numbers, and other runs.
  where not exists (
    select from eventstore.events x
    where x.instance_id = 'system' and x.aggregate_type = 'migration'
      and x.aggregate_id = e.event->>'tag' and x.payload->'id' = e.event->'id'
      and x.payload->'runId' = e.event->'runId'
  )
)
insert into eventstore.events (
  instance_id, aggregate_type, aggregate_id, sequence, event_type, revision, creator, owner,
  created_at, payload
)
select
  'system', 'migration', g.tag,
  row_number() over (partition by g.tag order by g.id) + coalesce((
    select max(x.sequence)
    from eventstore.events x
    where x.instance_id = 'system' and x.aggregate_type = 'migration' and x.aggregate_id = g.tag
  ), 0),
  g.event->>'type', 1, 'tidemark', 'system', (g.event->>'at')::timestamptz,
  g.event - 'tag' - 'type' - 'at'
from given g
order by g.id;
