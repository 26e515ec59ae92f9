import { identifier, literal } from "../../base/quote.ts";
import type { Reply } from "../../connection/session.ts";
import { EVENT_TYPES } from "../ledger-types.ts";
import type { RepeatableRow } from "../repeatable-types.ts";
import type { Checksum } from "../types.ts";
import { BOUNDED } from "./read.ts";

/** The ledger's first version with `repeatables`. */
export const FIRST_WITH_REPEATABLES = 4;

/** Makes the table of the repeatables: the fold of each one's events. */
export function createRepeatables(schema: string): string {
  const s = identifier(schema);
  return `
create table if not exists ${s}.repeatables (
  tag text constraint repeatables_pk primary key,
  checksum text,
  earlier text[] not null default '{}',
  head text,
  stale boolean not null default false,
  made jsonb not null default '[]',
  attempt integer not null,
  finished_at timestamptz,
  duration_ms bigint,
  run_id uuid not null,
  owner jsonb not null,
  error jsonb,
  failed_at timestamptz,
  failed_checksum text,
  event_id bigint not null
);`;
}

/** Makes the table in an older ledger, whose log may have the events of repeatables from then on. */
export function upgradeForRepeatables(schema: string): string {
  const s = identifier(schema);
  return `${createRepeatables(schema)}
alter table ${s}.migration_events drop constraint if exists migration_events_type_check;
alter table ${s}.migration_events add constraint migration_events_type_check
  check (type in (${EVENT_TYPES.map(literal).join(", ")})) not valid;`;
}

/** Whoever may read or write the states of migrations may do so with what came to the ledger later. */
export function shareTables(schema: string, tables: readonly string[]): string {
  const s = identifier(schema);
  return `do ${literal(`declare given record;
begin
  for given in
    select case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee, a.privilege_type
    from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
    where c.oid = ${literal(`${s}.schema_migrations`)}::regclass and a.grantee <> c.relowner
      and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE')
  loop
    ${tables.map((table) => `execute format('grant %s on table %I.${table} to %s', given.privilege_type, ${literal(schema)}, given.grantee);`).join("\n    ")}
  end loop;
end`)}`;
}

/** Branches of the function `record`: an event of a repeatable into its row, and what a way down means for all. */
export function foldRepeatable(s: string): string {
  return `when 'repeatable.done' then
      insert into ${s}.repeatables as r (
        tag, checksum, head, made, attempt, finished_at, duration_ms, run_id, owner, event_id
      )
      values (
        subject, event->>'checksum', (select n.head from ${s}.runner n where n.id = 1),
        details->'made', (event->>'attempt')::integer, happened, took, p_run, who, event_number
      )
      on conflict (tag) do update
      set earlier = case when r.checksum is null or r.checksum = excluded.checksum then r.earlier
          else (array_remove(array_prepend(r.checksum, r.earlier), excluded.checksum))[1:100] end,
        checksum = excluded.checksum, head = excluded.head, stale = false,
        made = excluded.made,
        attempt = excluded.attempt, finished_at = excluded.finished_at,
        duration_ms = excluded.duration_ms, run_id = excluded.run_id, owner = excluded.owner,
        error = null, failed_at = null, failed_checksum = null, event_id = excluded.event_id;
    when 'repeatable.removed' then
      update ${s}.repeatables
      set checksum = null, earlier = '{}', head = null, made = '[]', event_id = event_number
      where tag = subject;
    when 'repeatable.failed' then
      insert into ${s}.repeatables as r (
        tag, attempt, run_id, owner, error, failed_at, failed_checksum, event_id
      )
      values (
        subject, (event->>'attempt')::integer, p_run, who, details->'error', happened,
        event->>'checksum', event_number
      )
      on conflict (tag) do update
      set attempt = excluded.attempt, run_id = excluded.run_id, owner = excluded.owner,
        error = excluded.error, failed_at = excluded.failed_at,
        failed_checksum = excluded.failed_checksum, event_id = excluded.event_id;`;
}

/** A migration has run: what the repeatables made may be gone since, and is looked for before all is said to have run. */
export function unsettleRepeatables(s: string): string {
  return `update ${s}.runner set repeatables = null where id = 1 and repeatables is not null;`;
}

/** A migration was taken back: what the repeatables made may be gone with it, or be for another schema. */
export function forgetRepeatables(s: string): string {
  return `update ${s}.repeatables set stale = true where not stale;
      update ${s}.runner set repeatables = null where id = 1;`;
}

/** Reads the repeatables, of a ledger of version 4 on. */
export function readRepeatableRows(schema: string): string {
  return `${BOUNDED};
select pg_catalog.jsonb_build_object(
  'tag', r.tag, 'checksum', r.checksum, 'earlier', pg_catalog.to_jsonb(r.earlier), 'head', r.head,
  'isStale', r.stale, 'made', r.made, 'attempt', r.attempt, 'finishedAt', r.finished_at, 'durationMs', r.duration_ms,
  'runId', r.run_id, 'owner', r.owner, 'error', r.error, 'failedAt', r.failed_at,
  'failedChecksum', r.failed_checksum, 'eventId', r.event_id
) as ${ROW}
from ${identifier(schema)}.repeatables r
order by r.tag`;
}

const ROW = "tidemark_repeatable";

/** The rows of a reply. */
export function repeatablesOf({ rows }: Reply): readonly RepeatableRow[] {
  const dated = (at: unknown) => (typeof at === "string" ? new Date(at) : null);
  return rows
    .filter((item) => ROW in item)
    .map((item) => {
      const row = item[ROW] as RepeatableRow;
      return { ...row, finishedAt: dated(row.finishedAt), failedAt: dated(row.failedAt) };
    });
}

/** Remembers that all of them have run. */
export function settleRepeatables(schema: string, digest: Checksum | null): string {
  return `update ${identifier(schema)}.runner set repeatables = ${literal(digest)} where id = 1`;
}
